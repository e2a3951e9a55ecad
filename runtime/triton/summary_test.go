package triton

import (
	"maps"
	"testing"
)

// TestParameters: what clients read is plain text, whichever way the file names its codec.
func TestParameters(t *testing.T) {
	for _, codec := range []string{`"jpeg"`, `{"name":"jpeg","parameters":{"quality":20}}`, `[{"name":"jpeg","parameters":{"quality":20}},{"name":"jpeg","parameters":{"quality":30}}]`} {
		got := Parameters(map[string]string{"bnc.pair": `"12ab"`, "bnc.codec": codec, "bnc.quality": "20", "bnc.tile": "[8,16]", "bnc.labels": `["a"]`,
			"bnc.outputs": `["y"]`, "bnc.bottleneck": `[{"spec":{}}]`, "author": "someone"})
		want := map[string]string{"bnc_pair": "12ab", "bnc_codec": "jpeg", "bnc_quality": "20", "bnc_tile": "[8,16]"}
		if !maps.Equal(got, want) {
			t.Errorf("parameters %v, expected %v", got, want)
		}
	}
}
