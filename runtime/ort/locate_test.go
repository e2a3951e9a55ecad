package ort

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestFindLibrary(t *testing.T) {
	cache := t.TempDir()
	t.Setenv("XDG_CACHE_HOME", cache)
	t.Setenv("HOME", cache)
	t.Setenv("BNC_ORT_LIB", "")
	if found := FindLibrary(); found.Path != "" || len(found.Tried) == 0 {
		t.Errorf("found %+v where there is nothing", found)
	}
	userCache, err := os.UserCacheDir()
	if err != nil {
		t.Skipf("no cache folder here: %v", err)
	}
	cached := filepath.Join(userCache, "bnc", "onnxruntime-"+Version, "libonnxruntime.so")
	named := filepath.Join(t.TempDir(), "mine.so")
	for _, path := range []string{cached, named} {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if found := FindLibrary(); found.Path != cached {
		t.Errorf("found %+v, want %s", found, cached)
	}
	t.Setenv("BNC_ORT_LIB", named)
	if found := FindLibrary(); found.Path != named || found.From != "BNC_ORT_LIB" {
		t.Errorf("found %+v, want %s", found, named)
	}
	// A variable that names nothing must not be passed over in silence.
	t.Setenv("BNC_ORT_LIB", named+".absent")
	found := FindLibrary()
	if found.Path != "" || !slices.Equal(found.Tried, []string{named + ".absent"}) {
		t.Errorf("found %+v", found)
	}
	if err := found.missing("ONNX Runtime", "BNC_ORT_LIB", "run make deps"); !strings.Contains(err.Error(), named+".absent") {
		t.Errorf("the error %v does not name the place", err)
	}
}

func TestBesideTheExecutable(t *testing.T) {
	t.Setenv("BNC_ORT_LIB", "")
	t.Setenv("BNC_OPS_LIB", "")
	beside := filepath.Join(executableDir(), "libonnxruntime.so.9.9.9")
	plugin := filepath.Join(executableDir(), pluginFile)
	for _, path := range []string{beside, plugin} {
		if err := os.WriteFile(path, nil, 0o644); err != nil {
			t.Skipf("the test's own folder cannot be written: %v", err)
		}
		defer os.Remove(path)
	}
	if found := FindLibrary(); found.Path != beside {
		t.Errorf("found %+v, want %s", found, beside)
	}
	if found := FindPlugin(); found.Path != plugin {
		t.Errorf("found %+v, want %s", found, plugin)
	}
}
