package serve

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/bottlenet/bnc/runtime/bundle"
)

const (
	// quiet is how long nothing must change in a watched folder before it is
	// looked at: whoever copies a bundle into it makes many changes.
	quiet = 300 * time.Millisecond
	// unquiet is how long changes can put that off.
	unquiet = 5 * time.Second
	// rescan is how often a watched folder is looked at when nothing is said to
	// have changed: network file systems tell nothing.
	rescan = 30 * time.Second
)

// modelSuffix ends the names of whole models in a watched folder.
const modelSuffix = ".onnx"

// Watch serves what is in the folder dir: each sub-folder that is a bundle and
// each .onnx file, under its base name. It returns when that has been tried, and
// then follows changes until ctx is done or the repository is closed: what is
// new is loaded, what has changed is loaded anew, what is gone is removed. What
// cannot be loaded is logged and tried again when it changes; until then the
// model that was there before goes on. A model with weights in a file of its own
// (NAME.onnx.data) is served from a copy in the system's temporary folder, which
// needs room for it.
//
// The folder cannot be left: links that lead out of it are refused, as are hidden
// names and those that a model loaded otherwise has already. The files of others
// who may write to the folder are taken as models all the same.
func (r *Repository) Watch(ctx context.Context, dir string) error {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	if stat, err := os.Stat(dir); err != nil {
		return err
	} else if !stat.IsDir() {
		return fmt.Errorf("%s is no folder: expected one with bundles in it", dir)
	}
	w := &watch{Repository: r, dir: dir, tried: map[string]tried{}, refused: map[string]string{}}
	if w.notify, err = fsnotify.NewWatcher(); err != nil {
		return fmt.Errorf("watching %s: %w", dir, err)
	}
	r.mu.Lock()
	if r.closed {
		r.mu.Unlock()
		return errors.Join(errEnding, w.notify.Close())
	}
	r.watchers.Add(1) // before Close waits for them
	r.mu.Unlock()
	w.scan(ctx)
	go func() {
		defer r.watchers.Done()
		w.follow(ctx)
		w.notify.Close()
	}()
	return nil
}

// watch is a watched folder.
type watch struct {
	*Repository
	dir    string
	notify *fsnotify.Watcher
	// tried has, by model name, what the last attempt to load it found.
	tried map[string]tried
	// refused has the last reason why an entry was passed over, by its name:
	// each is logged once.
	refused map[string]string
	deaf    bool // some folder's changes are not told
}

// tried is an attempt to load a model.
type tried struct {
	state  string // of its files
	served bool   // it, or an earlier one, was loaded
}

// follow scans whenever something has changed and then nothing for a while.
func (w *watch) follow(ctx context.Context) {
	often := time.NewTicker(rescan)
	defer often.Stop()
	settled := time.NewTimer(0)
	settled.Stop()
	var since time.Time // of the first change that has not been looked at
	changed := func() {
		if since.IsZero() {
			since = time.Now()
		}
		settled.Reset(min(quiet, time.Until(since.Add(unquiet))))
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-w.closing.Done():
			return
		case event := <-w.notify.Events:
			if event.Op != fsnotify.Chmod {
				changed()
			}
		case err := <-w.notify.Errors:
			w.opts.Log.Warn("changes of the watched folder may have been missed", "folder", w.dir, "error", err)
			changed()
		case <-settled.C:
			since = time.Time{}
			w.scan(ctx)
		case <-often.C:
			w.scan(ctx)
		}
	}
}

// scan makes the repository serve what is in the folder. It keeps everything
// where the folder cannot be read.
func (w *watch) scan(ctx context.Context) {
	if err := w.look(ctx); err != nil {
		w.opts.Log.Error("the watched folder cannot be read: its models stay as they are", "folder", w.dir, "error", err)
	}
}

func (w *watch) look(ctx context.Context) error {
	w.listen(w.dir)
	real, err := filepath.EvalSymlinks(w.dir)
	if err != nil {
		return err
	}
	root, err := os.OpenRoot(real)
	if err != nil {
		return err
	}
	defer root.Close()
	entries, err := fs.ReadDir(root.FS(), ".")
	if err != nil {
		return err
	}
	there := map[string]string{} // the entry of each model name
	for _, e := range entries {
		if ctx.Err() != nil || w.closing.Err() != nil {
			return nil
		}
		reason := ""
		if err := w.entry(root, e.Name(), there); err != nil {
			reason = err.Error()
		}
		if reason != "" && reason != w.refused[e.Name()] {
			w.opts.Log.Warn("passed over in the watched folder", "folder", w.dir, "entry", e.Name(), "reason", reason)
		}
		w.refused[e.Name()] = reason
	}
	for name, t := range w.tried {
		if there[name] != "" {
			continue
		}
		if t.served {
			w.Remove(name)
		}
		delete(w.tried, name)
	}
	for entry := range w.refused {
		if _, err := root.Lstat(entry); err != nil {
			delete(w.refused, entry)
		}
	}
	return nil
}

// entry loads an entry of the folder if it is a model and has changed. The error
// says why it is passed over.
func (w *watch) entry(root *os.Root, entry string, there map[string]string) error {
	if strings.HasPrefix(entry, ".") {
		return errors.New("hidden names are not served")
	}
	path, rel, err := inside(root, entry)
	if err != nil {
		// What was served under the name stays.
		there[strings.TrimSuffix(entry, modelSuffix)] = entry
		return err
	}
	stat, err := root.Stat(rel)
	if err != nil {
		return err
	}
	name := entry
	if !stat.IsDir() {
		if !strings.HasSuffix(entry, modelSuffix) || !stat.Mode().IsRegular() {
			return nil // a file beside the models
		}
		name = strings.TrimSuffix(entry, modelSuffix)
	}
	if other := there[name]; other != "" {
		return fmt.Errorf("its model name %q is that of %s beside it: rename one", name, other)
	}
	there[name] = entry
	if err := checkName(name); err != nil {
		return err
	}
	before := w.tried[name]
	if !before.served && w.has(name) {
		return fmt.Errorf("a model %q that is not of this folder is served already: rename one", name)
	}
	var state string
	if stat.IsDir() {
		w.listen(path)
		if state, err = stateOfFolder(root, rel); err == nil && !bundle.IsBundle(path) {
			err = fmt.Errorf("no bundle, or not yet a whole one: expected %s and %s in it", bundle.MobileFile, bundle.CloudFile)
		}
		if err != nil {
			return err
		}
	} else {
		state = stateOf(root, rel, rel+weightsSuffix)
	}
	if state == before.state {
		return nil
	}
	err = w.loadEntry(root, name, path, rel, stat.IsDir())
	w.tried[name] = tried{state: state, served: before.served || err == nil}
	if err != nil {
		w.opts.Log.Error("not loaded from the watched folder", "model", name, "path", path, "keeps the old one", before.served, "error", err)
	}
	return nil
}

// listen asks to be told of changes in a folder, before it is looked at. Doing
// so again is right: another folder may have taken its place.
func (w *watch) listen(dir string) {
	if err := w.notify.Add(dir); err != nil && !w.deaf {
		w.deaf = true
		w.opts.Log.Warn("changes are noticed late: the system does not tell them", "folder", dir, "every", rescan, "error", err)
	}
}

// has tells whether a model of that name is served.
func (r *Repository) has(name string) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.models[name] != nil
}

// inside returns where an entry of a folder really is, which must be in the
// folder: as a path, and relative to it.
func inside(root *os.Root, entry string) (path, rel string, err error) {
	if path, err = filepath.EvalSymlinks(filepath.Join(root.Name(), entry)); err != nil {
		return "", "", err
	}
	if rel, err = filepath.Rel(root.Name(), path); err != nil || !filepath.IsLocal(rel) || rel == "." {
		return "", "", errors.New("it is a link that leads out of the folder")
	}
	return path, rel, nil
}

// stateOfFolder tells the states of a folder's files apart. It refuses a folder
// that holds a link out of the root.
func stateOfFolder(root *os.Root, dir string) (string, error) {
	entries, err := fs.ReadDir(root.FS(), filepath.ToSlash(dir))
	if err != nil {
		return "", err
	}
	var names []string
	for _, e := range entries {
		name := filepath.Join(dir, e.Name())
		if _, err := root.Stat(name); err != nil {
			return "", err
		}
		names = append(names, name)
	}
	return stateOf(root, names...), nil
}

// stateOf is stateOfFolder for single files, some of which may not be there.
func stateOf(root *os.Root, names ...string) string {
	var b strings.Builder
	for _, name := range names {
		if stat, err := root.Stat(name); err == nil {
			fmt.Fprintf(&b, "%s %d %d\n", name, stat.Size(), stat.ModTime().UnixNano())
		}
	}
	return b.String()
}
