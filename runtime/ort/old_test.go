package ort_test

import (
	"cmp"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	yalue "github.com/yalue/onnxruntime_go"

	"github.com/bottlenet/bnc/internal/rttest"
	"github.com/bottlenet/bnc/runtime/ort"
)

// oldVersion is the ONNX Runtime of JetPack 4.6.
const oldVersion = "1.11.0"

// onOld runs tests of this package again in a process of their own, with the
// old ONNX Runtime and the shim at a path.
func onOld(t *testing.T, shim string, args ...string) (output string, err error) {
	t.Helper()
	library := os.Getenv("BNC_ORT_OLD_LIB")
	if cache, err := os.UserCacheDir(); library == "" && err == nil {
		library = filepath.Join(cache, "bnc", "onnxruntime-"+oldVersion, "libonnxruntime.so")
	}
	if _, err := os.Stat(library); err != nil {
		t.Skipf("ONNX Runtime %s is missing: run make deps-oracle or set BNC_ORT_OLD_LIB", oldVersion)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command(self, append(args, "-test.v")...)
	c.Env = append(os.Environ(), "BNC_ORT_LIB="+library, "BNC_ORT_SHIM="+shim, "BNC_TEST_OLD="+oldVersion)
	out, err := c.CombinedOutput()
	return string(out), err
}

// builtShim returns the shim that make build leaves in bin.
func builtShim(t *testing.T) string {
	t.Helper()
	rttest.Plugin(t)
	shim := cmp.Or(os.Getenv("BNC_ORT_SHIM"), filepath.Join("..", "..", "bin", "libbnc_ort_shim.so"))
	if _, err := os.Stat(shim); err != nil {
		t.Skipf("no shim: run make build: %v", err)
	}
	return shim
}

// TestOldRuntime runs this package's tests on ONNX Runtime 1.11: what sessions
// promise, stopping a run, profiles and errors among it.
func TestOldRuntime(t *testing.T) {
	out, err := onOld(t, builtShim(t), "-test.skip", "^(TestFindLibrary|TestBesideTheExecutable|TestOldRuntime|TestOldRuntimeWithout.*)$")
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	// The tests that matter must have run there, not been skipped.
	for _, name := range []string{"TestRunAdds", "TestContextStopsRun", "TestConcurrentRuns", "TestProfileIsWritten", "TestWhatAnOldRuntimeLacks"} {
		if !strings.Contains(out, "--- PASS: "+name+" ") {
			t.Errorf("%s did not pass:\n%s", name, out)
		}
	}
}

// TestWhatAnOldRuntimeLacks is run by TestOldRuntime: functions of newer
// versions give errors that name them.
func TestWhatAnOldRuntimeLacks(t *testing.T) {
	if os.Getenv("BNC_TEST_OLD") == "" {
		t.Skip("run by TestOldRuntime")
	}
	r := ort.Inspect()
	if r.LoadError != nil || r.Version != oldVersion || r.Shim == "" {
		t.Fatalf("report %+v", r)
	}
	if r.PluginError != nil {
		t.Errorf("the op library: %v", r.PluginError)
	}
	o, err := yalue.NewSessionOptions()
	if err != nil {
		t.Fatal(err)
	}
	defer o.Destroy()
	for name, call := range map[string]func() error{
		"GetEpDevices":                          func() error { _, err := yalue.GetEpDevices(); return err },
		"HasSessionConfigEntry":                 func() error { _, err := o.HasSessionConfigEntry("session.disable_prepacking"); return err },
		"RegisterExecutionProviderLibrary":      func() error { return yalue.RegisterExecutionProviderLibrary("x", "x.so") },
		"UpdateEnvWithCustomLogLevel":           func() error { return yalue.SetEnvironmentLogLevel(yalue.LoggingLevelError) },
		"SessionOptionsAppendExecutionProvider": func() error { return o.AppendExecutionProvider("XNNPACK", nil) },
	} {
		err := call()
		if err == nil {
			t.Errorf("%s: no error", name)
		} else if want := fmt.Sprintf("ONNX Runtime %s has no %s", oldVersion, name); !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want one that says %q", name, err, want)
		}
	}
}

// TestOldRuntimeWithoutShim wants an error that says what to do, whatever lies
// where the shim should be.
func TestOldRuntimeWithoutShim(t *testing.T) {
	rttest.Plugin(t)
	for _, c := range []struct{ shim, want string }{
		{filepath.Join(t.TempDir(), "absent.so"), "BNC_ORT_SHIM"},
		{ort.FindPlugin().Path, "bnc_ort_shim_use"},
	} {
		out, err := onOld(t, c.shim, "-test.run", "^TestRunAdds$")
		if err == nil || !strings.Contains(out, c.want) || strings.Contains(out, "SIG") {
			t.Errorf("with the shim %s: %v, want a failure that says %q\n%s", c.shim, err, c.want, out)
		}
	}
}
