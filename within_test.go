package bnc

import (
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/bottlenet/bnc/internal/oracletest"
	"github.com/bottlenet/bnc/internal/rttest"
	"github.com/bottlenet/bnc/runtime/data"
	"github.com/bottlenet/bnc/runtime/heldout"
)

// heldOf copies the pictures that a split with bytes holds out into a folder of their own.
func heldOf(t *testing.T, folder string) string {
	t.Helper()
	set, err := data.Open(folder, data.Train)
	if err != nil {
		t.Fatal(err)
	}
	_, held := heldout.Hold(set)
	out := t.TempDir()
	for i := range held.Len() {
		picture, err := os.ReadFile(held.File(i))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(out, filepath.Base(held.File(i))), picture, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// TestSplitBytes: what a split for a number of bytes says of images that it held out is what an
// evaluation of the bundle on those images gives; what was given stays.
func TestSplitBytes(t *testing.T) {
	rttest.Plugin(t)
	set := pictures(t, 40)
	held := heldOf(t, set)
	for _, c := range []struct {
		name, path string
		o          SplitOptions
		want       Choice // zero: chosen
	}{
		{"classes", small(t), SplitOptions{After: "rb5", Bytes: 120}, Choice{}},
		{"codec and stride", small(t), SplitOptions{After: "rb7", Bytes: 80, Codec: "jpeg", Stride: []int{2}}, Choice{Codec: "jpeg", S: []int{2}}},
		{"channels and quality", small(t), SplitOptions{After: "rb7", Bytes: 200, Channels: []Channels{4}, Quality: 30}, Choice{C: []Channels{4}, Quality: 30}},
		{"all channels, each image's range", small(t), SplitOptions{After: "rb9", Bytes: 300, Channels: []Channels{Full}, Range: "dynamic"}, Choice{C: []Channels{Full}}},
		{"many rates", small(t), SplitOptions{After: "rb7", Bytes: 100, VariableRate: true}, Choice{Codec: "transform"}},
		{"three tensors", savedUNet(t), SplitOptions{After: oracletest.UNetTensors, Bytes: 900, Channels: []Channels{Auto}, Codec: CodecAuto}, Choice{}},
	} {
		c.o.Calibrate, c.o.Out = set, filepath.Join(t.TempDir(), "b")
		r, err := Split(t.Context(), c.path, c.o)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		got := r.Choice
		switch {
		case c.want.Codec != "" && got.Codec != c.want.Codec, c.want.Quality != 0 && got.Quality != c.want.Quality,
			c.want.C != nil && !slices.Equal(got.C, c.want.C), c.want.S != nil && !slices.Equal(got.S, c.want.S):
			t.Errorf("%s: %+v, expected %+v as it was given", c.name, got, c.want)
		case got.Codec != r.Codec || got.Quality != r.Quality || len(r.Tried) == 0:
			t.Errorf("%s: %+v was chosen, %s at quality %d written", c.name, got, r.Codec, r.Quality)
		}
		e, err := Eval(t.Context(), c.o.Out, EvalOptions{Data: held, Teacher: c.path, Batch: 1})
		if err != nil {
			t.Fatal(err)
		}
		// The joined network is optimised as a whole and may round a level of the tile
		// otherwise, which is a byte or two.
		if math.Abs(e.PayloadBytes.Mean-got.PayloadBytes.Mean) > 2 || math.Abs(*e.Agreement-got.Agreement.Value) > 0.01*math.Abs(*e.Agreement) || e.N != got.N {
			t.Errorf("%s: %+v, agreement %+v of %d images; an evaluation gives %+v, %g of %d", c.name, got.PayloadBytes, got.Agreement, got.N, e.PayloadBytes, *e.Agreement, e.N)
		}
		if got.PayloadBytes.Mean > float64(c.o.Bytes) {
			t.Errorf("%s: %g bytes, asked for %d", c.name, got.PayloadBytes.Mean, c.o.Bytes)
		}
	}
}

// profileStart begins a profile.
const profileStart = `{"format":1,"kind":"profile","name":"p","device":"d","model":"m","threads":1,"power":{"source":"none"},`

// TestSplitBytesAnywhere: without a cut one is chosen, with the fewest multiply-adds of those that
// agree as much, or with a profile the one of least latency; the same one again.
func TestSplitBytesAnywhere(t *testing.T) {
	rttest.Plugin(t)
	path, set, dir := small(t), pictures(t, 20), t.TempDir()
	split := func(o SplitOptions) *SplitResult {
		t.Helper()
		o.Calibrate, o.Bytes, o.Out = set, 150, filepath.Join(dir, "b")
		r, err := Split(t.Context(), path, o)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	r := split(SplitOptions{})
	again := split(SplitOptions{})
	if r.Cut != r.Choice.Cut || again.Cut != r.Cut || len(again.Tried) != len(r.Tried) || again.Choice.PayloadBytes.Mean != r.Choice.PayloadBytes.Mean {
		t.Errorf("%+v, again %+v", r.Choice, again.Choice)
	}
	most := 0.0
	for _, c := range r.Tried {
		most = max(most, c.Agreement.Value)
	}
	for _, c := range r.Tried {
		if c.Agreement.Value >= most-0.01 && *c.MACsBefore < *r.Choice.MACsBefore {
			t.Errorf("%+v was chosen, %+v has fewer multiply-adds", r.Choice, c)
		}
	}
	cuts, err := Inspect(t.Context(), path, InspectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	deep := r.Tried[0].Cut // the last that is worth it was tried first
	profile := filepath.Join(dir, "profile.json")
	text := profileStart + `"cuts":[`
	for i, c := range cuts.Cuts {
		if i > 0 {
			text += ","
		}
		ms := "9"
		if slices.Contains(c.Aliases, deep) || c.ID == deep {
			ms = "2"
		}
		name := c.ID
		if len(c.Aliases) > 0 {
			name = c.Aliases[0]
		}
		text += `{"cut":"` + name + `","c":0,"s":1,"method":"pair","mobile":{"median_ms":` + ms + `,"runs":1},"cloud":{"median_ms":1,"runs":1}}`
	}
	if err := os.WriteFile(profile, []byte(text+"]}"), 0o666); err != nil {
		t.Fatal(err)
	}
	quick := split(SplitOptions{Profiles: []string{profile}, Network: "8 kbit"})
	if c := quick.Choice; c.Cut != deep || math.Abs(*c.LatencyMS-(2+150+1)) > 1e-6 { // 150 bytes of 1 ms each
		t.Errorf("%+v, expected %s with 153 ms", c, deep)
	}
}

// TestSplitBytesWrong: options that cannot be name themselves, and too few bytes and images tell
// what there is.
func TestSplitBytesWrong(t *testing.T) {
	path, set := small(t), pictures(t, 6)
	other := filepath.Join(t.TempDir(), "other.json")
	if err := os.WriteFile(other, []byte(profileStart+`"source_sha256":"1f","cuts":[{"cut":"rb1","c":0,"s":1,"method":"pair","mobile":{"median_ms":1},"cloud":{"median_ms":1}}]}`), 0o666); err != nil {
		t.Fatal(err)
	}
	for option, o := range map[string]SplitOptions{
		"c": {After: "rb3", Channels: []Channels{Auto}, Calibrate: set}, "codec": {After: "rb3", Codec: CodecAuto}, "bytes": {After: "rb3", Bytes: 100},
		"profile": {After: "rb3", Bytes: 100, Calibrate: set, Profiles: []string{"paper"}}, "network": {Bytes: 100, Calibrate: set, Network: "3g"},
		"quality": {Bytes: 100, Calibrate: set, Quality: 101}, "": {Calibrate: set},
	} {
		var wrong *UsageError
		o.Out = filepath.Join(t.TempDir(), "b")
		if _, err := Split(t.Context(), path, o); !errors.As(err, &wrong) || wrong.Option != option {
			t.Errorf("%s: %v", option, err)
		}
	}
	for name, o := range map[string]SplitOptions{
		"1 byte": {After: "rb1", Bytes: 1, Codec: "jpeg", Calibrate: set}, "one image": {After: "rb3", Bytes: 100, Calibrate: pictures(t, 1)}, "another's profile": {Bytes: 100, Calibrate: set, Profiles: []string{other}},
	} {
		var unfit *DataError
		o.Out = filepath.Join(t.TempDir(), "b")
		if _, err := Split(t.Context(), path, o); !errors.As(err, &unfit) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
