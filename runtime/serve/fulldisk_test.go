package serve_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/bottlenet/bnc/internal/rttest"
	"github.com/bottlenet/bnc/runtime/bundle"
	"github.com/bottlenet/bnc/runtime/serve"
)

// smallDisk mounts a file system of that many bytes and returns its folder.
func smallDisk(t *testing.T, size string) string {
	t.Helper()
	dir := t.TempDir()
	err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size="+size)
	if errors.Is(err, syscall.EPERM) {
		t.Skip("a disk that is full needs the right to mount one: run this test as root")
	}
	must(t, err)
	t.Cleanup(func() { must(t, unix.Unmount(dir, unix.MNT_DETACH)) })
	return dir
}

// thick returns a file of a test bundle with a doc string (ModelProto's field 6)
// of that many bytes.
func thick(t *testing.T, data, file string, size int) []byte {
	t.Helper()
	content, err := os.ReadFile(rttest.Data(data, file))
	must(t, err)
	content = protowire.AppendTag(content, 6, protowire.BytesType)
	return protowire.AppendBytes(content, bytes.Repeat([]byte("x"), size))
}

// fill takes all the room that is left with a file.
func fill(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	must(t, err)
	defer f.Close()
	for err == nil {
		_, err = f.Write(make([]byte, 4096))
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("%v, expected a full disk", err)
	}
}

// TestWatchOnAFullDisk replaces a bundle in the watched folder where there is no
// room for the new one: what was written of it is passed over, the old one
// answers all the while, and with room the new one does.
func TestWatchOnAFullDisk(t *testing.T) {
	const data, more = 8 << 10, 40 << 10 // bytes of a file's doc string, before and after
	old, other := samples(t, "graph-static", 1)[0], samples(t, "graph-dynamic", 1)[0]
	dir := smallDisk(t, "128k")
	r, w := open(t, serve.Options{})
	write := func(file string, content []byte) error {
		return os.WriteFile(filepath.Join(dir, "net", file), content, 0o644)
	}
	must(t, os.Mkdir(filepath.Join(dir, "net"), 0o755))
	for _, file := range halves {
		must(t, write(file, thick(t, "graph-static", file, data)))
	}
	ctx, cancel := context.WithCancel(t.Context())
	must(t, r.Watch(ctx, dir))
	t.Cleanup(cancel)

	// All the while, the old one answers.
	done := make(chan struct{})
	var clients sync.WaitGroup
	for range 2 {
		clients.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				if got, err := r.Infer(t.Context(), request("net", old.payload)); err != nil || !near(got, old) {
					t.Errorf("%v, %v", got, err)
					return
				}
			}
		})
	}
	filler := filepath.Join(dir, "filler")
	fill(t, filler)
	// In place of the old one, file after file: each gets the room that the one
	// before it had, and is cut off there.
	for n, file := range halves {
		content := thick(t, "graph-dynamic", file, more)
		if err := write(file, content); !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("%s: %v, expected a full disk", file, err)
		}
		if left := sizeOf(t, filepath.Join(dir, "net", file)); left >= len(content) {
			t.Errorf("%s has %d bytes of %d", file, left, len(content))
		}
		w.logged(t, n+1, "not loaded", "model=net", "keeps the old one")
	}
	// Beside it, as bnc split does: there is not even a folder to put in its place.
	if err := os.Mkdir(filepath.Join(dir, ".new"), 0o755); err == nil {
		err = os.WriteFile(filepath.Join(dir, ".new", bundle.MobileFile), thick(t, "graph-dynamic", bundle.MobileFile, more), 0o644)
		if !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("%v, expected a full disk", err)
		}
	}
	must(t, os.RemoveAll(filepath.Join(dir, ".new")))
	close(done)
	clients.Wait()
	answers := func(s sample) {
		t.Helper()
		if got, err := r.Infer(t.Context(), request("net", s.payload)); err != nil || !near(got, s) {
			t.Errorf("%v, %v", got, err)
		}
	}
	answers(old)

	must(t, os.Remove(filler))
	for _, file := range halves {
		must(t, write(file, thick(t, "graph-dynamic", file, more)))
	}
	w.logged(t, 1, "model loaded", "model=net", "replaced=true")
	answers(other)
}

func sizeOf(t *testing.T, path string) int {
	t.Helper()
	stat, err := os.Stat(path)
	must(t, err)
	return int(stat.Size())
}
