// Package rawcodec is a second codec for tests: the tile as it is. It shows what it
// takes to add one from outside: raw.c for both faces of package ops, the row in
// plugin/codecs.c for the plugin, and [Codec] for what opens bundles.
package rawcodec

/*
#include "../../ops/codec.h"

extern const bnc_codec bnc_raw;
*/
import "C"

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"unsafe"

	"github.com/bottlenet/bnc/internal/rttest"
	"github.com/bottlenet/bnc/ops"
)

// Codec is the codec "raw", whose one parameter is the byte string "key".
func Codec() ops.Codec { return ops.Row(unsafe.Pointer(&C.bnc_raw)) }

// Plugin builds the ONNX Runtime plugin with "raw" beside the other codecs and
// returns its path.
func Plugin(t testing.TB) string {
	t.Helper()
	plugin := filepath.Join(t.TempDir(), ops.PluginFile)
	build := exec.Command("sh", rttest.Source("ops", "build.sh"), plugin)
	build.Env = append(os.Environ(), "CODECS="+rttest.Source("internal", "rawcodec", "plugin", "codecs.c"))
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build.sh: %v\n%s", err, out)
	}
	return plugin
}
