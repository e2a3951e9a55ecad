package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/bottlenet/bnc"
	"github.com/bottlenet/bnc/compiler/onnxpb"
	"github.com/bottlenet/bnc/runtime/ort"
	"github.com/bottlenet/bnc/runtime/predict"
	"github.com/bottlenet/bnc/runtime/tensor"
)

// oldDevice returns the environment of a process that runs on the ONNX Runtime
// of JetPack 4.6, through the shim of make build.
func oldDevice(t *testing.T) []string {
	t.Helper()
	plugin(t)
	library := cached(t, "BNC_ORT_OLD_LIB", "onnxruntime-1.11.0/libonnxruntime.so", "make deps-oracle")
	shim := ort.FindShim().Path
	if shim == "" {
		var err error
		if shim, err = filepath.Abs("../../bin/libbnc_ort_shim.so"); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Stat(shim); err != nil {
		t.Skipf("no shim (%v): make build", err)
	}
	return append(os.Environ(), "BNC_ORT_LIB="+library, "BNC_ORT_SHIM="+shim)
}

// tx2Pair splits a resnet20 of operator set 13, which ONNX Runtime 1.11 takes
// whole. With 2 bits and a static range nothing crosses that the order of a sum
// decides: sums differ by about 1e-6 of the range, and one of 256 pixels would
// have to lie that close to one of 3 thresholds.
func tx2Pair(t *testing.T, codec string) string {
	t.Helper()
	path := smallModel(t)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var m onnxpb.ModelProto
	if err := proto.Unmarshal(b, &m); err != nil {
		t.Fatal(err)
	}
	m.OpsetImport[0].Version = proto.Int64(13)
	if b, err = proto.Marshal(&m); err != nil {
		t.Fatal(err)
	}
	write(t, path, b)
	dir := filepath.Join(t.TempDir(), "pair")
	mustBnc(t, "split", path, "--after", "rb1", "--c", "1", "--s", "2", "--bits", "2", "--codec", codec, "--target", "tx2",
		"--calib", patterns(t, 8, false), "-o", dir)
	return dir
}

// sentTo is the file that TestSendElsewhere writes, sentFrom the pair it runs.
const sentTo, sentFrom = "BNC_TEST_SENT_TO", "BNC_TEST_SENT_FROM"

// TestSendElsewhere is run by other tests in a process with another ONNX
// Runtime: it writes what a pair computes.
func TestSendElsewhere(t *testing.T) {
	to := os.Getenv(sentTo)
	if to == "" {
		t.Skip("run by other tests")
	}
	b, err := json.Marshal(send(t, "elsewhere", os.Getenv(sentFrom)))
	if err != nil {
		t.Fatal(err)
	}
	write(t, to, b)
}

// TestPairOnOldRuntime runs both halves of a tx2 pair on ONNX Runtime 1.11 and
// on today's: the same payload to the byte.
func TestPairOnOldRuntime(t *testing.T) {
	env := oldDevice(t)
	for _, codec := range bnc.Codecs() {
		dir := tx2Pair(t, codec)
		here, there := send(t, "here", dir), sendElsewhere(t, env, dir)
		if !bytes.Equal(here.Payload, there.Payload) {
			t.Errorf("%s: payloads differ: %x here, %x on ONNX Runtime 1.11", codec, here.Payload, there.Payload)
		}
		is, was := asFloats(here.Outputs), asFloats(there.Outputs)
		if len(is) != len(was) || len(is) == 0 {
			t.Fatalf("%s: %d and %d outputs", codec, len(is), len(was))
		}
		for i := range is {
			// Float sums in another order over a few dozen layers of ordinary size.
			if d := is[i] - was[i]; d > 1e-3 || d < -1e-3 {
				t.Errorf("%s: output %d is %g here, %g on ONNX Runtime 1.11", codec, i, is[i], was[i])
			}
		}
	}
}

// sendElsewhere is send in a process of an environment.
func sendElsewhere(t *testing.T, env []string, dir string) (there crossed) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "sent.json")
	c := exec.Command(self, "-test.run", "^TestSendElsewhere$", "-test.v")
	c.Env = append(env, sentTo+"="+file, sentFrom+"="+dir)
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	b, err := os.ReadFile(file)
	if err == nil {
		err = json.Unmarshal(b, &there)
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return there
}

func asFloats(b []byte) []float32 {
	return tensor.Slice[float32](&tensor.Tensor{DType: tensor.Float32, Shape: []int64{int64(len(b) / 4)}, Data: b})
}

// TestRunOnOldRuntime: the command answers as it does on today's runtime,
// doctor names what it runs on, and without the shim both say what to do.
func TestRunOnOldRuntime(t *testing.T) {
	env, dir := oldDevice(t), tx2Pair(t, bnc.DefaultCodec)
	picture := filepath.Join(blackSet(t), "black.png")
	type answer struct{ Results []predict.Result }
	parse := func(out []byte) (a answer) {
		if err := json.Unmarshal(out, &a); err != nil || len(a.Results) != 1 || len(a.Results[0].Top) == 0 {
			t.Fatalf("%v: %s", err, out)
		}
		return a
	}
	on := func(env []string, args ...string) (stdout, stderr []byte, err error) {
		var out, said bytes.Buffer
		c := bncProcess(t, args...)
		c.Env = append(env, actAsBnc+"=1")
		c.Stdout, c.Stderr = &out, &said
		err = c.Run()
		return out.Bytes(), said.Bytes(), err
	}
	stdout, stderr, err := on(env, "run", dir, picture, "--json")
	if err != nil {
		t.Fatalf("%v\n%s", err, stderr)
	}
	was, is := parse(stdout).Results[0], parse([]byte(mustBnc(t, "run", dir, picture, "--json"))).Results[0]
	if was.Top[0].Class != is.Top[0].Class || was.PayloadBytes != is.PayloadBytes {
		t.Errorf("%+v on ONNX Runtime 1.11, %+v here", was, is)
	}
	stdout, stderr, err = on(env, "doctor")
	if err != nil || !strings.Contains(string(stdout), "ONNX Runtime  1.11.0") || !strings.Contains(string(stdout), "libbnc_ort_shim.so") {
		t.Errorf("%v\n%s%s", err, stdout, stderr)
	}
	bare := append(env, "BNC_ORT_SHIM="+filepath.Join(t.TempDir(), "absent.so"))
	for _, args := range [][]string{{"run", dir, picture}, {"doctor"}} {
		stdout, stderr, err = on(bare, args...)
		said := string(stdout) + string(stderr)
		if err == nil || !strings.Contains(said, "version 1.11.0 is older") || !strings.Contains(said, "BNC_ORT_SHIM") {
			t.Errorf("%s without the shim: %v\n%s", args[0], err, said)
		}
	}
}
