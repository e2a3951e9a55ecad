package ort

import (
	"context"
	"errors"
	"fmt"
	"os"
	"reflect"
	"sync"

	yalue "github.com/yalue/onnxruntime_go"

	"github.com/bottlenet/bnc/runtime/model"
	"github.com/bottlenet/bnc/runtime/tensor"
)

// ErrClosed is the answer of a session that has been closed.
var ErrClosed = errors.New("the session is closed")

// Session is a loaded model, ready to run. Its methods may be called from
// many goroutines at once.
type Session struct {
	name     string
	model    *model.Model
	provider Provider
	skipped  []error

	mu      sync.RWMutex // held for reading by runs, for writing by Close
	session *yalue.DynamicAdvancedSession
}

// Open loads the ONNX file at path. Weights in external files are found
// beside it. A model that ONNX Runtime refuses gives a *ModelError.
func Open(path string, opts Options) (*Session, error) {
	head, err := model.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return open(path, head, opts, func(in, out []string, o *yalue.SessionOptions) (*yalue.DynamicAdvancedSession, error) {
		return yalue.NewDynamicAdvancedSession(path, in, out, o)
	})
}

// OpenBytes loads a model from memory; name stands for it in errors. Weights
// in external files are found in the folder opts.Weights.
func OpenBytes(name string, data []byte, opts Options) (*Session, error) {
	head, err := model.ReadBytes(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return open(name, head, opts, func(in, out []string, o *yalue.SessionOptions) (*yalue.DynamicAdvancedSession, error) {
		return yalue.NewDynamicAdvancedSessionWithONNXData(data, in, out, o)
	})
}

// creator makes ONNX Runtime's session for named inputs and outputs.
type creator func(inputs, outputs []string, o *yalue.SessionOptions) (*yalue.DynamicAdvancedSession, error)

// open picks the execution providers and creates the session, giving up the
// most preferred provider as long as another one is left.
func open(name string, head *model.Model, opts Options, create creator) (*Session, error) {
	library, err := Load()
	if err != nil {
		return nil, err
	}
	if opts.TensorRT.CacheDir != "" {
		if err := os.MkdirAll(opts.TensorRT.CacheDir, 0o755); err != nil {
			return nil, fmt.Errorf("TensorRT engine cache: %w", err)
		}
	}
	usable, skipped, err := choose(opts, library)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	_, withPlugin := head.Opsets[Domain]
	for {
		session, err := start(head, opts, usable, library, withPlugin, create)
		if err == nil {
			return &Session{name: name, model: head, provider: usable[0].provider, skipped: skipped, session: session}, nil
		}
		if len(usable) == 1 {
			return nil, fmt.Errorf("%s: %w", name, explainOpen(err))
		}
		skipped = append(skipped, &ProviderError{Provider: usable[0].provider, Library: library, Cause: err})
		usable = usable[1:]
	}
}

// choose returns the wanted providers that this library has, in order, and
// why the others are left out.
func choose(opts Options, library string) (usable []providerRow, skipped []error, err error) {
	wanted := opts.Providers
	if len(wanted) == 0 {
		wanted = []Provider{CPU}
	}
	for _, name := range wanted {
		row, ok := providerNamed(name)
		if !ok {
			return nil, nil, fmt.Errorf("unknown execution provider %q", name)
		}
		if err := try(opts.withoutProfile(), []providerRow{row}, library, false); err != nil {
			skipped = append(skipped, err)
			continue
		}
		usable = append(usable, row)
	}
	if len(usable) == 0 {
		return nil, nil, errors.Join(skipped...)
	}
	return usable, skipped, nil
}

// start creates ONNX Runtime's session.
func start(head *model.Model, opts Options, rows []providerRow, library string, withPlugin bool, create creator) (*yalue.DynamicAdvancedSession, error) {
	o, err := opts.build(rows, library, withPlugin)
	if err != nil {
		return nil, err
	}
	defer o.Destroy()
	return create(names(head.Inputs), names(head.Outputs), o)
}

func names(ports []model.Port) []string {
	list := make([]string, len(ports))
	for i, p := range ports {
		list[i] = p.Name
	}
	return list
}

// Name returns what the session was opened from: the file's path as given.
func (s *Session) Name() string { return s.name }

// Model returns what the file says about itself. It must not be changed.
func (s *Session) Model() *model.Model { return s.model }

// Inputs returns what a run must be given, in the file's order.
func (s *Session) Inputs() []model.Port { return s.model.Inputs }

// Outputs returns what a run gives, in the file's order.
func (s *Session) Outputs() []model.Port { return s.model.Outputs }

// Metadata returns the file's metadata_props.
func (s *Session) Metadata() map[string]string { return s.model.Metadata }

// Provider returns the most preferred execution provider that was taken.
func (s *Session) Provider() Provider { return s.provider }

// Skipped tells why more preferred providers were not taken.
func (s *Session) Skipped() []error { return s.skipped }

// Close waits for the runs that are under way and frees the session. Later
// runs give ErrClosed. With Options.Profile it also writes the profile.
func (s *Session) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.session == nil {
		return nil
	}
	err := s.session.Destroy()
	s.session = nil
	return err
}

// Feed holds tensors by the names of inputs or outputs.
type Feed map[string]*tensor.Tensor

// Run computes every output from the inputs in feed. Inputs are not copied
// and must not be changed until Run returns. A feed that does not fit the
// model gives an *InputError, a node that fails a *NodeError. When ctx is done
// the run is stopped between two nodes and the context's error is returned.
func (s *Session) Run(ctx context.Context, feed Feed) (Results, error) {
	return s.RunInto(ctx, feed, nil)
}

// RunInto is Run, but writes the outputs that into names to the tensors
// there, which saves copying them out of ONNX Runtime's memory. Their types
// and shapes must be those that the run gives. The results hold the same
// tensors.
func (s *Session) RunInto(ctx context.Context, feed, into Feed) (results Results, err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	symbols, err := checkFeed(s.model.Inputs, feed)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.name, err)
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.session == nil {
		return nil, fmt.Errorf("%s: %w", s.name, ErrClosed)
	}

	inputs, err := s.wrapInputs(feed)
	defer destroy(inputs)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.name, err)
	}
	outputs, err := s.wrapOutputs(into, symbols)
	defer func() { destroy(outputs) }()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.name, err)
	}
	if err := s.call(ctx, inputs, outputs); err != nil {
		return nil, fmt.Errorf("%s: %w", s.name, err)
	}
	results, err = s.unwrap(outputs, into)
	for _, r := range results { // ONNX Runtime does not write an output that is an input itself
		if x := feed[r.Name]; x != nil && r.Tensor != nil {
			copy(r.Tensor.Data, x.Data)
		}
	}
	return results, err
}

// call runs the session, stopping it when ctx is done.
func (s *Session) call(ctx context.Context, inputs, outputs []yalue.Value) error {
	options, err := yalue.NewRunOptions()
	if err != nil {
		return fmt.Errorf("run options: %w", err)
	}
	stopped := make(chan struct{})
	cancel := context.AfterFunc(ctx, func() {
		defer close(stopped)
		options.Terminate() // fails only for options that are gone
	})
	err = s.session.RunWithOptions(inputs, outputs, options)
	if !cancel() {
		<-stopped
	}
	options.Destroy()
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, yalue.ZeroShapeLengthError):
		return errors.New("an output is a scalar, but the file does not declare it as one: ask for its declaration with an empty shape, or reshape it to [1]")
	}
	return explainRun(err)
}

// wrapInputs makes ONNX Runtime's values over the tensors of feed. The
// returned values must be destroyed, also after an error.
func (s *Session) wrapInputs(feed Feed) ([]yalue.Value, error) {
	if len(s.model.Inputs) == 0 {
		return nil, errors.New("the model has no inputs: it computes constants, and there is nothing to run it on")
	}
	values := make([]yalue.Value, len(s.model.Inputs))
	for i, port := range s.model.Inputs {
		value, err := wrap(feed[port.Name])
		if err != nil {
			return values, fmt.Errorf("input %s: %w", port.Name, err)
		}
		values[i] = value
	}
	return values, nil
}

// wrapOutputs makes the values that are to be written in place: those of
// into, and those that the binding cannot hand over by itself. All others are
// nil. The returned values must be destroyed, also after an error.
func (s *Session) wrapOutputs(into Feed, symbols map[string]int64) ([]yalue.Value, error) {
	values := make([]yalue.Value, len(s.model.Outputs))
	for i, port := range s.model.Outputs {
		t := into[port.Name]
		if t == nil {
			var err error
			if t, err = preallocate(port, symbols); err != nil {
				return values, err
			}
		}
		if t == nil {
			continue
		}
		value, err := wrap(t)
		if err != nil {
			return values, fmt.Errorf("output %s: %w", port.Name, err)
		}
		values[i] = value
	}
	return values, nil
}

// unwrap turns the values of a run into tensors.
func (s *Session) unwrap(outputs []yalue.Value, into Feed) (Results, error) {
	results := make(Results, len(outputs))
	for i, value := range outputs {
		name := s.model.Outputs[i].Name
		v, err := unwrap(value)
		if err != nil {
			return nil, fmt.Errorf("%s: output %s: %w", s.name, name, err)
		}
		if t := into[name]; t != nil {
			if len(t.Shape) == 0 { // the binding keeps scalars in memory of its own
				copy(t.Data, v.Tensor.Data)
			}
			v = Value{Tensor: t}
		}
		results[i] = Result{name, v}
	}
	return results, nil
}

// destroy frees values; those that are nil are passed over. Where the binding
// fails to convert an output it leaves a nil pointer in the interface.
func destroy(values []yalue.Value) {
	for _, v := range values {
		if v != nil && !reflect.ValueOf(v).IsNil() {
			v.Destroy()
		}
	}
}
