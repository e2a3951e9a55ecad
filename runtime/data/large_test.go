package data_test

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/bottlenet/bnc/runtime/data"
)

// TestLargeFolders bounds what an open image folder costs a file. 120 bytes
// are 120 MB for a million files: a name of 20 characters, its string header,
// folder and label, and as much again for the list's growth. The cost does not
// depend on how many files there are; BNC_LARGE_FILES sets another number.
func TestLargeFolders(t *testing.T) {
	n := 10_000
	if s := os.Getenv("BNC_LARGE_FILES"); s != "" {
		var err error
		if n, err = strconv.Atoi(s); err != nil {
			t.Fatal(err)
		}
	}
	for _, folders := range []int{100, 0} {
		t.Run(fmt.Sprintf("%d classes", folders), func(t *testing.T) {
			root := t.TempDir()
			fill(t, root, folders, n)
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			start := time.Now()
			set := open(t, root, data.Train)
			took := time.Since(start)
			runtime.ReadMemStats(&after)
			total := after.TotalAlloc - before.TotalAlloc
			runtime.GC()
			runtime.ReadMemStats(&after)
			kept := after.HeapAlloc - before.HeapAlloc
			if set.Len() != n {
				t.Fatalf("%d items, want %d", set.Len(), n)
			}
			t.Logf("%d files: %.2f s, %d bytes a file kept, %d allocated (%.1f and %.1f MB)", n, took.Seconds(),
				kept/uint64(n), total/uint64(n), float64(kept)/1e6, float64(total)/1e6)
			if kept > 120*uint64(n) {
				t.Errorf("%d bytes a file are kept, want 120 at most", kept/uint64(n))
			}
			runtime.KeepAlive(set)
		})
	}
}

// fill makes n empty images, in that many class folders.
func fill(t *testing.T, root string, folders, n int) {
	t.Helper()
	for k := range folders {
		if err := os.Mkdir(filepath.Join(root, fmt.Sprintf("n%08d", k)), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for i := range n {
		path := filepath.Join(root, fmt.Sprintf("image_%08d.JPEG", i))
		if folders > 0 {
			path = filepath.Join(root, fmt.Sprintf("n%08d", i%folders), fmt.Sprintf("image_%08d.JPEG", i))
		}
		f, err := os.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
