package serve

import (
	"log/slog"
	"os"
	"sync"
	"time"
)

// checkEvery is how often files of secrets are looked at for changes.
const checkEvery = time.Second

// reloaded is a value that was read from files and is read again when one of
// them changed. A value that cannot be read leaves the one before in place.
type reloaded[T any] struct {
	paths []string
	parse func() (T, error)
	log   *slog.Logger

	mu      sync.Mutex
	value   T
	seen    []os.FileInfo
	checked time.Time
}

// readFiles reads the value for the first time.
func readFiles[T any](log *slog.Logger, parse func() (T, error), paths ...string) (*reloaded[T], error) {
	r := &reloaded[T]{paths: paths, parse: parse, log: log}
	r.seen, r.checked = stats(paths), time.Now()
	var err error
	r.value, err = parse()
	return r, err
}

// get returns the value as of a second ago or later.
func (r *reloaded[T]) get() T {
	r.mu.Lock()
	defer r.mu.Unlock()
	if time.Since(r.checked) >= checkEvery {
		r.checked = time.Now()
		if now := stats(r.paths); !sameFiles(now, r.seen) {
			r.readLocked(now)
		}
	}
	return r.value
}

// reload reads the files whether they look changed or not.
func (r *reloaded[T]) reload() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.readLocked(stats(r.paths))
}

func (r *reloaded[T]) readLocked(now []os.FileInfo) {
	r.seen = now
	value, err := r.parse()
	if err != nil {
		r.log.Error("changed file is not usable, what it held before stays valid", "files", r.paths, "error", err)
		return
	}
	r.value = value
	r.log.Info("read again", "files", r.paths)
}

// stats returns nil for a file that is not there.
func stats(paths []string) []os.FileInfo {
	out := make([]os.FileInfo, len(paths))
	for i, path := range paths {
		out[i], _ = os.Stat(path)
	}
	return out
}

func sameFiles(a, b []os.FileInfo) bool {
	for i := range a {
		if (a[i] == nil) != (b[i] == nil) {
			return false
		}
		if a[i] != nil && (!os.SameFile(a[i], b[i]) || a[i].Size() != b[i].Size() || !a[i].ModTime().Equal(b[i].ModTime())) {
			return false
		}
	}
	return true
}
