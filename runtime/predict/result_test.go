package predict

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/bottlenet/bnc/runtime/ort"
	"github.com/bottlenet/bnc/runtime/task"
	"github.com/bottlenet/bnc/runtime/tensor"
)

func result(name string, t *tensor.Tensor) ort.Result {
	return ort.Result{Name: name, Value: ort.Value{Tensor: t}}
}

// TestTold: outputs are told element by element, large ones summed up; integers keep all
// their digits, and what JSON has no number for is null.
func TestTold(t *testing.T) {
	long := make([]float32, 1001)
	for i := range long {
		long[i] = float32(i)
	}
	long[5] = float32(math.Inf(1))
	told := describe(ort.Results{
		result("y", tensor.Of([]int64{1, 3}, []float32{0.1, float32(math.NaN()), -2})),
		result("n", tensor.Of([]int64{1}, []int64{math.MaxInt64})),
		result("s", &tensor.Tensor{DType: tensor.String, Shape: []int64{1}, Strings: []string{"a\"b"}}),
		result("long", tensor.Of([]int64{1, 1001}, long)),
		{Name: "map", Value: ort.Value{Keys: tensor.Of([]int64{2}, []int64{1, 2}), Values: tensor.Of([]int64{2}, []float32{1, 2})}},
	})
	text, err := json.Marshal(told)
	if err != nil {
		t.Fatal(err)
	}
	want := `[{"name":"y","dtype":"float32","shape":[1,3],"values":[0.1,null,-2]},{"name":"n","dtype":"int64","shape":[1],"values":[9223372036854775807]},` +
		`{"name":"s","dtype":"string","shape":[1],"values":["a\"b"]},{"name":"long","dtype":"float32","shape":[1,1001],"summary":`
	if !strings.HasPrefix(string(text), want) || !strings.HasSuffix(string(text), `{"name":"map","dtype":"map","shape":[2]}]`) {
		t.Errorf("%s\nexpected %s...", text, want)
	}
	// Of 0 to 1000 without 5: the sum is 500495, that of squares 333833475.
	mean := 500495. / 1000
	s := told[3].Summary
	if s.Min != 0 || s.Max != 1000 || s.NonFinite != 1 || math.Abs(s.Mean-mean) > 1e-9 || math.Abs(s.Std-math.Sqrt(333833475./1000-mean*mean)) > 1e-6 { // rounding of a thousand sums
		t.Errorf("%+v", s)
	}
	if got, want := told[3].String(), "long float32[1 1001] 0 .. 1000, mean 500.5, 1 elements are not finite"; got != want {
		t.Errorf("%s, expected %s", got, want)
	}
	for i := range long {
		long[i] = float32(math.NaN())
	}
	nothing := describe(ort.Results{result("long", tensor.Of([]int64{1, 1001}, long))})
	if got, want := nothing[0].String(), "long float32[1 1001] no element is finite"; got != want {
		t.Errorf("%s, expected %s", got, want)
	}
}

// TestSeen: what does not apply is left out of JSON, and what applies and is empty is there.
func TestSeen(t *testing.T) {
	r := &Result{Task: "detect"}
	r.see(task.Seen{Boxes: []task.Box{}}, nil)
	text, err := json.Marshal(r)
	if err != nil || !strings.Contains(string(text), `"boxes":[]`) || strings.Contains(string(text), `"top"`) || strings.Contains(string(text), `"text"`) {
		t.Errorf("%s, %v", text, err)
	}
	r = &Result{Task: "segment"}
	r.see(task.Seen{Mask: &task.Mask{Width: 4, Height: 1, Classes: []uint8{1, 0, 1, 1}}}, []string{"ground", "person"})
	if want := []task.Area{{Class: 1, Label: "person", Share: 0.75}, {Label: "ground", Share: 0.25}}; !slices.Equal(r.Areas, want) {
		t.Errorf("%+v, expected %+v", r.Areas, want)
	}
	all := []*Result{{Input: "a"}, {Input: "b"}, {Input: "c"}, {Input: "none"}}
	for i, v := range [][]float64{{1, 0}, {3, 4}, {0, 2}} {
		all[i].Seen.Vector = v
	}
	findNeighbours(all, 1)
	for i, want := range []Neighbour{{"b", 0.6}, {"c", 0.8}, {"b", 0.8}} {
		if n := all[i].Neighbours; len(n) != 1 || n[0].Input != want.Input || math.Abs(n[0].Cosine-want.Cosine) > 1e-12 { // rounding of float64
			t.Errorf("%s: %+v, expected %+v", all[i].Input, n, want)
		}
	}
	if all[3].Neighbours != nil {
		t.Errorf("%+v", all[3])
	}
}

// TestKeeper: inputs of one name in several folders do not overwrite one another, and names
// that no file can have are changed.
func TestKeeper(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "folder")
	var told []string
	k := &Keeper{Save: dir, Notice: func(format string, args ...any) { told = append(told, format) }}
	if err := k.Open(); err != nil {
		t.Fatal(err)
	}
	for _, input := range []string{"a/x.npy", "b/x.npy"} {
		r := &Result{Input: input, Outputs: ort.Results{
			result("head/out:0", tensor.Of([]int64{1, 2}, []float32{1, 2})), {Name: "seq", Value: ort.Value{Sequence: []ort.Value{}}},
		}}
		if err := k.Keep(r); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"x.head_out_0.npy", "x-2.head_out_0.npy"} {
		y, err := tensor.ReadNPYFile(filepath.Join(dir, name))
		if err != nil || !slices.Equal(tensor.Slice[float32](y), []float32{1, 2}) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 2 || len(told) != 2 {
		t.Errorf("%v, %v, told %q", entries, err, told)
	}
}
