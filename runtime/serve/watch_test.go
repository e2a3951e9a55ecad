package serve_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/bottlenet/bnc/internal/rttest"
	"github.com/bottlenet/bnc/runtime/bundle"
	"github.com/bottlenet/bnc/runtime/oip"
	"github.com/bottlenet/bnc/runtime/serve"
)

// put copies files of a test bundle into a folder as they are, one after the
// other.
func put(t *testing.T, dir, data string, files ...string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		content, err := os.ReadFile(rttest.Data(data, file))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, file), content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

var halves = []string{bundle.MobileFile, bundle.CloudFile}

// must fails the test at an error of the file system.
func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// swap lets two folders change places in one step, as bnc split does.
func swap(t *testing.T, a, b string) {
	t.Helper()
	must(t, unix.Renameat2(unix.AT_FDCWD, a, unix.AT_FDCWD, b, unix.RENAME_EXCHANGE))
}

// watching returns a repository that watches a folder, as put by before.
func watching(t *testing.T, before func(dir string)) (*serve.Repository, *witness, string) {
	t.Helper()
	r, w := open(t, serve.Options{})
	dir := t.TempDir()
	before(dir)
	must(t, r.Watch(t.Context(), dir))
	return r, w, dir
}

// TestWatch follows a folder through what happens to it.
func TestWatch(t *testing.T) {
	want := samples(t, "graph-static", 1)[0]
	other := samples(t, "graph-dynamic", 1)[0]
	r, w, dir := watching(t, func(dir string) {
		put(t, filepath.Join(dir, "net"), "graph-static", halves...)
		put(t, dir, ".", "whole.onnx")
		must(t, os.WriteFile(filepath.Join(dir, "README"), []byte("what is here"), 0o644))
	})
	answers := func(name string, s sample) {
		t.Helper()
		got, err := r.Infer(t.Context(), request(name, s.payload))
		if err != nil || !near(got, s) {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
	if names := r.Models(); !slices.Equal(names, []string{"net", "whole"}) {
		t.Fatalf("%v", names)
	}
	answers("net", want)

	// A new bundle, put there at once.
	put(t, filepath.Join(dir, ".net2.tmp"), "graph-dynamic", halves...)
	must(t, os.Rename(filepath.Join(dir, ".net2.tmp"), filepath.Join(dir, "net2")))
	w.logged(t, 1, "model loaded", "model=net2")
	answers("net2", other)

	// Replaced file by file: until both belong together, the old one serves.
	put(t, filepath.Join(dir, "net"), "graph-dynamic", bundle.MobileFile)
	w.logged(t, 1, "not loaded", "model=net", "do not belong together")
	answers("net", want)
	put(t, filepath.Join(dir, "net"), "graph-dynamic", bundle.CloudFile)
	w.logged(t, 1, "model loaded", "model=net", "replaced=true")
	answers("net", other)

	// Cut off in the middle, as by a full disk, then whole again.
	cloud := filepath.Join(dir, "net", bundle.CloudFile)
	whole, err := os.ReadFile(cloud)
	must(t, err)
	must(t, os.WriteFile(cloud, whole[:len(whole)/2], 0o644))
	w.logged(t, 2, "not loaded", "model=net")
	answers("net", other)
	must(t, os.Remove(cloud))
	w.logged(t, 1, "passed over", "entry=net", "not yet a whole one")
	answers("net", other)
	put(t, filepath.Join(dir, "net"), "graph-static", halves...)
	w.logged(t, 2, "model loaded", "model=net", "replaced=true")
	answers("net", want)

	// Gone.
	must(t, os.RemoveAll(filepath.Join(dir, "net")))
	must(t, os.Remove(filepath.Join(dir, "whole.onnx")))
	w.logged(t, 1, "model removed", "model=net")
	w.logged(t, 1, "model removed", "model=whole")
	if names := r.Models(); !slices.Equal(names, []string{"net2"}) {
		t.Errorf("%v", names)
	}

	// Two folders change places, as bnc split replaces a bundle.
	put(t, filepath.Join(dir, ".new"), "graph-static", halves...)
	swap(t, filepath.Join(dir, ".new"), filepath.Join(dir, "net2"))
	must(t, os.RemoveAll(filepath.Join(dir, ".new")))
	w.logged(t, 1, "model loaded", "model=net2", "replaced=true")
	answers("net2", want)
	// And the folder that is there now is watched too.
	must(t, os.Truncate(filepath.Join(dir, "net2", bundle.CloudFile), 10))
	w.logged(t, 1, "not loaded", "model=net2")
	answers("net2", want)
}

// TestWatchCannotBeLeft: names and links that lead out of the folder, and names
// that are taken, are passed over with a word why.
func TestWatchCannotBeLeft(t *testing.T) {
	outside := t.TempDir()
	put(t, filepath.Join(outside, "secret"), "graph-static", halves...)
	put(t, outside, ".", "add.onnx")
	r, w := open(t, serve.Options{})
	load(t, r, "mine", "graph-dynamic")
	dir := t.TempDir()
	put(t, filepath.Join(dir, "real"), "graph-static", halves...)
	put(t, filepath.Join(dir, ".hidden"), "graph-static", halves...)
	put(t, filepath.Join(dir, "mine"), "graph-static", halves...)
	put(t, filepath.Join(dir, `back\slash`), "graph-static", halves...)
	put(t, filepath.Join(dir, "empty"), "graph-static")
	put(t, filepath.Join(dir, "mixed"), "graph-static", bundle.MobileFile)
	put(t, dir, ".", "add.onnx")
	put(t, filepath.Join(dir, "add"), "graph-static", halves...)
	for link, to := range map[string]string{
		"folder":           filepath.Join(outside, "secret"),
		"relative":         filepath.Join("..", filepath.Base(outside), "secret"),
		"file.onnx":        filepath.Join(outside, "add.onnx"),
		"mixed/cloud.onnx": filepath.Join(outside, "secret", bundle.CloudFile),
		"parent":           "..",
		"itself":           ".",
		"dangling":         "nowhere",
		"loop":             "loop",
		"inner":            "real",
	} {
		must(t, os.Symlink(to, filepath.Join(dir, link)))
	}
	must(t, r.Watch(t.Context(), dir))
	if names := r.Models(); !slices.Equal(names, []string{"add", "inner", "mine", "real"}) {
		t.Errorf("%v", names)
	}
	for entry, reason := range map[string]string{
		"folder": "leads out", "relative": "leads out", "file.onnx": "leads out", "parent": "leads out", "itself": "leads out",
		"dangling": "no such file", "loop": "too many links", "mixed": "escapes", ".hidden": "hidden", "mine": "served already",
		`back\slash`: "separators", "empty": "not yet", "add.onnx": "rename one",
	} {
		w.logged(t, 1, "passed over", "entry="+entry, reason)
	}
	if meta, err := r.ModelMetadata(t.Context(), "mine", ""); err != nil || meta.Properties["range"] != "dynamic" {
		t.Errorf("a model was replaced from the folder: %+v, %v", meta, err)
	}

	// A link that turns outwards later changes nothing.
	must(t, os.Remove(filepath.Join(dir, "inner")))
	must(t, os.Symlink(filepath.Join(outside, "secret"), filepath.Join(dir, "inner")))
	w.logged(t, 1, "passed over", "entry=inner", "leads out")
	if err := r.ModelReady(t.Context(), "inner", ""); err != nil {
		t.Error(err)
	}
}

// TestWatchEnds: with its context, and with the repository; the models stay.
func TestWatchEnds(t *testing.T) {
	r, _ := open(t, serve.Options{})
	dir := t.TempDir()
	put(t, filepath.Join(dir, "net"), "host-static", halves...)
	ctx, cancel := context.WithCancel(t.Context())
	must(t, r.Watch(ctx, dir))
	cancel()
	if err := r.ModelReady(t.Context(), "net", ""); err != nil {
		t.Error(err)
	}
	must(t, r.Close(t.Context())) // waits for watchers
	for path, want := range map[string]string{filepath.Join(dir, "nowhere"): "", filepath.Join(dir, "net", bundle.CloudFile): "no folder"} {
		if err := r.Watch(t.Context(), path); err == nil {
			t.Errorf("%s is watched; expected an error %s", path, want)
		}
	}
}

// TestWatchUnderLoad replaces a bundle in the folder while it is asked.
func TestWatchUnderLoad(t *testing.T) {
	want := samples(t, "graph-static", 2)
	r, w, dir := watching(t, func(dir string) {
		put(t, filepath.Join(dir, "net"), "graph-static", halves...)
	})
	done := make(chan struct{})
	var clients sync.WaitGroup
	for i := range 4 {
		one := want[i%2]
		clients.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				got, err := r.Infer(t.Context(), request("net", one.payload))
				if err != nil || !near(got, one) {
					t.Errorf("%v: %v, %v", oip.CauseOf(err), got, err)
					return
				}
			}
		})
	}
	for n := range 3 {
		put(t, filepath.Join(dir, ".new"), []string{"host-static", "device-host-static", "graph-static"}[n], halves...)
		swap(t, filepath.Join(dir, ".new"), filepath.Join(dir, "net"))
		must(t, os.RemoveAll(filepath.Join(dir, ".new")))
		w.logged(t, n+1, "model loaded", "model=net", "replaced=true")
	}
	close(done)
	clients.Wait()
}
