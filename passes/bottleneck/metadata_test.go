package bottleneck_test

import (
	"testing"

	"github.com/bottlenet/bnc/compiler/onnxtext"
	"github.com/bottlenet/bnc/passes/bottleneck"
)

// The format that readers of all versions from now on are to understand.
func TestCodecInMetadata(t *testing.T) {
	for _, test := range []struct {
		codec any
		want  string
	}{
		{bottleneck.NoCodec, `"none"`},
		{bottleneck.JPEG(20).InMeta(), `"jpeg"`}, // as ever
		{bottleneck.Codec{Name: "fine", Parameters: map[string]any{"quality": 20, "step": 3}}.InMeta(), `{"name":"fine","parameters":{"quality":20,"step":3}}`},
		{bottleneck.Codec{Name: "raw", Parameters: map[string]any{"key": []byte{0, 7, 255}}}.InMeta(), `{"name":"raw","parameters":{"key":"AAf/"}}`},
	} {
		m, err := onnxtext.Parse(`<ir_version: 8, opset_import: ["": 17]> g (float[1] x) => (float[1] y) { y = Relu (x) }`)
		if err != nil {
			t.Fatal(err)
		}
		if err := bottleneck.Describe(m, bottleneck.Meta{Codec: test.codec}); err != nil {
			t.Fatal(err)
		}
		if got, _ := m.Meta("bnc.codec"); got != test.want {
			t.Errorf("bnc.codec is %s, expected %s", got, test.want)
		}
	}
}
