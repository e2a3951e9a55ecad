package serve

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/bottlenet/bnc/internal/fault"
	"github.com/bottlenet/bnc/runtime/oip"
)

// Named returns the paths of bundles and models by the names that a server gives them.
// Two of one name are a fault.UsageError.
func Named(paths []string, name func(path string) string) (map[string]string, error) {
	models := map[string]string{}
	for _, path := range paths {
		own := name(path)
		if other, taken := models[own]; taken {
			return nil, fault.Usage("", "%s and %s are both named %s: rename one", other, path, own)
		}
		models[own] = path
	}
	return models, nil
}

// Start serves models, by their names, over gRPC to programs of this machine, until stop
// is called. Around makes of the models' service the one that is served. A model that cannot
// be loaded is a fault.DataError.
func Start(ctx context.Context, models map[string]string, around func(oip.Service) oip.Service) (address string, stop func() error, err error) {
	repository := NewRepository(Options{})
	if err := repository.LoadAll(ctx, models); err != nil {
		return "", nil, errors.Join(err, repository.CloseSoon())
	}
	server, err := Listen(ServerOptions{GRPC: "127.0.0.1:0"})
	if err != nil {
		return "", nil, errors.Join(err, repository.CloseSoon())
	}
	ctx, end := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(ctx, around(repository)) }()
	return server.GRPCAddr(), func() error {
		end()
		return errors.Join(<-ended, repository.CloseSoon())
	}, nil
}

// LoadAll loads models by their names, in the names' order, or those before ctx is done.
// One that cannot be served is a fault.DataError and ends it.
func (r *Repository) LoadAll(ctx context.Context, models map[string]string) error {
	for _, name := range slices.Sorted(maps.Keys(models)) {
		if ctx.Err() != nil {
			return nil
		}
		if err := r.Load(name, models[name]); err != nil {
			return fault.Unusable("%w", err)
		}
	}
	return nil
}

// CloseSoon is Close of a Repository whose requests are done, or broken off.
func (r *Repository) CloseSoon() error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return r.Close(ctx)
}
