package task

import (
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/bottlenet/bnc/runtime/data"
	"github.com/bottlenet/bnc/runtime/ort"
	"github.com/bottlenet/bnc/runtime/tensor"
)

// scores are outputs by which each image has one best class of width.
func scores(name string, width int, classes ...int) ort.Result {
	values := make([]float32, len(classes)*width)
	for i, c := range classes {
		values[i*width+c] = 1
	}
	return ort.Result{Name: name, Value: ort.Value{Tensor: tensor.Of([]int64{int64(len(classes)), int64(width)}, values)}}
}

// TestJudge: rates are of the images that were judged, agreement of those that both
// judged, of each output that the teacher was asked of; the label counts for the first.
func judgeOf(t *testing.T, set *data.Set, o Outputs) Judge {
	t.Helper()
	j, err := classification{}.Judge(set, o)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

func TestJudge(t *testing.T) {
	dir := t.TempDir()
	for name, file := range map[string]string{
		"images.npy": NPY("|u1", "(6, 1, 1, 1)", "\x00\x00\x00\x00\x00\x00"), "labels.npy": NPY("|u1", "(6,)", "\x00\x01\x02\x03\x04\x05"),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(file), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	set, err := data.Open(dir, data.Val)
	if err != nil {
		t.Fatal(err)
	}
	student := judgeOf(t, set, Outputs{Judged: []Output{{Name: "a", From: "a"}, {Name: "b", From: "b"}, {Name: "c", From: "c"}}})
	teacher := judgeOf(t, set, Outputs{Judged: []Output{{Name: "a", From: "x"}, {Name: "c", From: "y"}}})
	add := func(j Judge, items []int, outputs ...ort.Result) {
		t.Helper()
		if err := j.Add(Batch{Outputs: outputs}, items); err != nil {
			t.Fatal(err)
		}
	}
	add(student, []int{0, 1}, scores("a", 6, 0, 2), scores("b", 3, 1, 1), scores("c", 4, 3, 2))
	add(student, []int{3, 5}, scores("a", 6, 3, 5), scores("b", 3, 0, 0), scores("c", 4, 1, 0)) // 2 and 4 are left out
	add(teacher, []int{0, 1, 2}, scores("x", 6, 0, 1, 2), scores("y", 4, 3, 2, 0))
	add(teacher, []int{3, 4}, scores("x", 6, 3, 3), scores("y", 4, 0, 0))
	// Of four images, the three with the labels 0, 3 and 5 are right; scores of one 1 and
	// otherwise 0 rank lower classes first, so that label 1 is the third of six.
	if want := []Value{{Output: "a", Measure: "top1", Value: 0.75, Images: 4}, {Output: "a", Measure: "top5", Value: 1, Images: 4}}; !reflect.DeepEqual(student.Values(), want) {
		t.Errorf("%+v, expected %+v", student.Values(), want)
	}
	got, err := student.Agreement(teacher) // of the images 0, 1 and 3
	if want := []Value{{Output: "a", Measure: "agreement", Value: 2. / 3, Images: 3}, {Output: "c", Measure: "agreement", Value: 2. / 3, Images: 3}}; err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v, expected %+v", got, err, want)
	}
	if p := PrimaryOf(student.Values(), got); p.Name != "top1" || p.Value != 0.75 {
		t.Errorf("%+v", p)
	}
	if p := PrimaryOf(nil, got); p.Name != "agreement" || math.Abs(p.Value-2./3) > 1e-15 || PrimaryOf(nil, nil) != nil { // one rounding
		t.Errorf("%+v", p)
	}
	// Of item 0 and 1, where a says 0 and 2, the teacher says 0 and 1; both say 3 of item 3.
	each, err := student.Each(teacher)
	if err != nil || each[0] != 1 || each[1] != 0 || !math.IsNaN(each[2]) || each[3] != 1 || !math.IsNaN(each[4]) {
		t.Errorf("%v, %v", each, err)
	}
	narrow := judgeOf(t, set, Outputs{Judged: []Output{{Name: "a", From: "x"}}})
	if err := narrow.Add(Batch{Outputs: ort.Results{scores("x", 5, 0)}}, []int{0}); err == nil || !strings.Contains(err.Error(), "6") {
		t.Errorf("5 scores for 6 classes: %v", err)
	}
}

// NPY is a file of numpy's.
func NPY(descr, shape, data string) string {
	header := "{'descr': '" + descr + "', 'fortran_order': False, 'shape': " + shape + ", }"
	return "\x93NUMPY\x01\x00\x76\x00" + header + strings.Repeat(" ", 117-len(header)) + "\n" + data
}
