package detect

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/bottlenet/bnc/internal/rttest"
	"github.com/bottlenet/bnc/runtime/model"
	"github.com/bottlenet/bnc/runtime/tensor"
)

// ask asks Python about several jobs.
func ask(t *testing.T, what string, jobs, answers any) {
	t.Helper()
	script := rttest.Source("runtime", "detect", "testdata", "oracle.py")
	rttest.Ask(t, rttest.OraclePython(t), script, map[string]any{"ask": what, "jobs": jobs}, answers)
}

// made are boxes on a lattice, of which many overlap and many have the same score.
func made(r *rand.Rand, n, classes int) (boxes []Box) {
	for range n {
		b := Box{X0: float64(r.IntN(40)), Y0: float64(r.IntN(40)), Class: r.IntN(classes), Score: float64(1+r.IntN(64)) / 64}
		b.X1, b.Y1 = b.X0+float64(1+r.IntN(20)), b.Y0+float64(1+r.IntN(20))
		boxes = append(boxes, b)
	}
	return boxes
}

// TestSuppress compares with ONNX Runtime's operator, class by class. Corners are whole
// numbers and scores 64ths: float32 holds all of it, and what both divide is the same.
func TestSuppress(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	type job struct {
		IoU     float64      `json:"iou"`
		Most    int          `json:"most"`
		Of      int          `json:"of"`
		Boxes   [][4]float64 `json:"boxes"`
		Scores  []float64    `json:"scores"`
		Classes []int        `json:"classes"`
	}
	var jobs []job
	var all [][]Box
	for _, iou := range []float64{0.2, 0.45, 0.5, 0.75} {
		j := job{IoU: iou, Most: 300, Of: 4}
		all = append(all, made(r, 300, j.Of))
		for _, b := range all[len(jobs)] {
			j.Boxes, j.Scores, j.Classes = append(j.Boxes, [4]float64{b.X0, b.Y0, b.X1, b.Y1}), append(j.Scores, b.Score), append(j.Classes, b.Class)
		}
		jobs = append(jobs, j)
	}
	var want []struct{ Selected []int }
	ask(t, "nms", jobs, &want)
	for k, j := range jobs {
		var expected []Box // class by class, best first: as it comes out of the operator
		for _, i := range want[k].Selected {
			expected = append(expected, all[k][i])
		}
		got := Suppress(slices.Clone(all[k]), j.IoU, j.Most, false)
		if !slices.IsSortedFunc(got, func(a, b Box) int { return cmp.Compare(b.Score, a.Score) }) {
			t.Errorf("IoU %v: not best first", j.IoU)
		}
		slices.SortStableFunc(got, func(a, b Box) int { return cmp.Compare(a.Class, b.Class) })
		if !slices.EqualFunc(got, expected, func(a, b Box) bool { return fmt.Sprint(a) == fmt.Sprint(b) }) {
			t.Errorf("IoU %v: %d boxes, expected %d\n%v\n%v", j.IoU, len(got), len(expected), got, expected)
		}
		if len(got) == 300 || len(got) < 10 { // else nothing is compared
			t.Errorf("IoU %v: %d of 300 boxes stay", j.IoU, len(got))
		}
	}
	if got := Suppress(made(r, 50, 2), 0, 20, false); len(got) != 20 {
		t.Errorf("%d boxes of at most 20", len(got))
	}
}

// scene is what is there and what was found in some pictures, and COCO's files of it.
type scene struct {
	Annotations string           `json:"annotations"`
	Results     []map[string]any `json:"results"`
	found       [][]Box
}

const scenePictures, sceneClasses = 30, 6

// newScene makes classes of which nothing is there, pictures with nothing, crowds, more than
// 100 boxes of a class in a picture, equal scores, and boxes that fit well and badly.
func newScene(t *testing.T, seed uint64) (s scene) {
	r := rand.New(rand.NewPCG(seed, 7))
	var file struct {
		Images      []map[string]any `json:"images"`
		Annotations []map[string]any `json:"annotations"`
		Categories  []map[string]any `json:"categories"`
	}
	for c := range sceneClasses {
		file.Categories = append(file.Categories, map[string]any{"id": 3*c + 1, "name": fmt.Sprint("c", c)})
	}
	bbox := func(b Box) []float64 { return []float64{b.X0, b.Y0, b.X1 - b.X0, b.Y1 - b.Y0} }
	for n := range scenePictures {
		file.Images = append(file.Images, map[string]any{"id": 2 * n, "file_name": fmt.Sprintf("%d.jpg", n), "width": 64, "height": 64})
		var found, there []Box
		switch n % 7 {
		case 3:
			found = made(r, 4, sceneClasses)
		case 5:
			found = made(r, 250, 2)
			fallthrough
		default:
			there = made(r, r.IntN(12), sceneClasses-1)
		}
		for k, b := range there {
			file.Annotations = append(file.Annotations, map[string]any{
				"id": 1000*n + k + 1, "image_id": 2 * n, "category_id": 3*b.Class + 1, "bbox": bbox(b), "iscrowd": place01(r.IntN(6) == 0), "area": b.area(),
			})
			for range r.IntN(4) { // near it
				x := b
				x.X0, x.Y0 = x.X0+r.NormFloat64()*2, x.Y0+r.NormFloat64()*2
				x.X1, x.Y1 = max(x.X0+0.5, x.X1+r.NormFloat64()*2), max(x.Y0+0.5, x.Y1+r.NormFloat64()*2)
				x.Score = float64(1+r.IntN(64)) / 64
				found = append(found, x)
			}
		}
		slices.SortStableFunc(found, func(a, b Box) int { return cmp.Compare(b.Score, a.Score) })
		for _, b := range found {
			s.Results = append(s.Results, map[string]any{"image_id": 2 * n, "category_id": 3*b.Class + 1, "bbox": bbox(b), "score": b.Score})
		}
		s.found = append(s.found, found)
	}
	text, err := json.Marshal(file)
	if err != nil {
		t.Fatal(err)
	}
	s.Annotations = filepath.Join(t.TempDir(), "annotations.json")
	if err := os.WriteFile(s.Annotations, text, 0o666); err != nil {
		t.Fatal(err)
	}
	return s
}

// there reads the annotations back.
func (s scene) there(t *testing.T) (there [][]Truth) {
	t.Helper()
	a, err := ReadAnnotations(s.Annotations)
	if err != nil {
		t.Fatal(err)
	}
	of, err := a.ClassesBy(nil, sceneClasses)
	if err != nil {
		t.Fatal(err)
	}
	for n := range scenePictures {
		i, err := a.Picture(fmt.Sprintf("/data/val/%d.jpg", n))
		if err != nil {
			t.Fatal(err)
		}
		there = append(there, a.Truths(i, of))
	}
	return there
}

// TestAP compares with pycocotools.
func TestAP(t *testing.T) {
	var scenes []scene
	for seed := range uint64(4) {
		scenes = append(scenes, newScene(t, seed))
	}
	var want []struct{ AP, AP50 float64 }
	ask(t, "ap", scenes, &want)
	for k, s := range scenes {
		p := Match(s.found, s.there(t), Thresholds)
		// the same in the same order: only sums differ, in their last bits
		if got := p.AP(1, nil); math.Abs(got-want[k].AP50) > 1e-9 {
			t.Errorf("AP50 is %v, expected %v", got, want[k].AP50)
		}
		if got := p.AP(10, nil); math.Abs(got-want[k].AP) > 1e-9 {
			t.Errorf("AP50:95 is %v, expected %v", got, want[k].AP)
		}
		if want[k].AP < 0.03 || want[k].AP50 > 0.95 { // else nothing is compared
			t.Errorf("AP50 %v, AP %v", want[k].AP50, want[k].AP)
		}
	}
	if got := Match([][]Box{nil}, [][]Truth{nil}, Thresholds).AP(1, nil); !math.IsNaN(got) {
		t.Errorf("of nothing: %v", got)
	}
}

// TestPicks: an image counts as often as it is among the picks.
func TestPicks(t *testing.T) {
	s := newScene(t, 9)
	there := s.there(t)
	r := rand.New(rand.NewPCG(4, 4))
	for _, found := range s.found { // no two scores are equal, whose order would depend on the images'
		for k := range found {
			found[k].Score = r.Float64()
		}
		slices.SortFunc(found, func(a, b Box) int { return cmp.Compare(b.Score, a.Score) })
	}
	var picks []int
	var found [][]Box
	var thereToo [][]Truth
	for range scenePictures {
		i := r.IntN(scenePictures)
		picks, found, thereToo = append(picks, i), append(found, s.found[i]), append(thereToo, there[i])
	}
	got, want := Match(s.found, there, Thresholds).AP(10, picks), Match(found, thereToo, Thresholds).AP(10, nil)
	if math.Abs(got-want) > 1e-9 { // of sums in another order
		t.Errorf("of picks %v: %v, expected %v", picks, got, want)
	}
}

type decoded struct {
	Outputs []struct {
		Name   string
		Shape  []int64
		Int    bool
		Values []float64
	}
	Boxes    [][4]float64
	Classes  []float64
	Scores   []float64
	Points   [][][2]float64
	Labels   int
	Metadata map[string]string
	Softmax  string
	Size     []int
	Decoder  json.RawMessage
}

// model is what is known of the case's model.
func (c decoded) model() Model {
	m := Model{Size: image.Pt(96, 64), Metadata: c.Metadata, Ends: map[string][]End{c.Softmax: {{Kind: "softmax"}}}}
	if c.Size != nil {
		m.Size = image.Pt(c.Size[0], c.Size[1])
	}
	for i := range c.Labels {
		m.Labels = append(m.Labels, fmt.Sprint("class ", i))
	}
	for _, o := range c.Outputs {
		p := model.Port{Name: o.Name, Kind: model.Tensor, DType: tensor.Float32, Ranked: true}
		if o.Int {
			p.DType = tensor.Int64
		}
		for axis, n := range o.Shape {
			if axis == 0 {
				n = -1
			}
			p.Shape = append(p.Shape, model.Dim{Size: n})
		}
		m.Outputs = append(m.Outputs, p)
	}
	return m
}

func (c decoded) outputs(name string) (*tensor.Tensor, error) {
	for _, o := range c.Outputs {
		if o.Name != name {
			continue
		}
		if o.Int {
			values := make([]int64, len(o.Values))
			for i, v := range o.Values {
				values[i] = int64(v)
			}
			return tensor.Of(o.Shape, values), nil
		}
		values := make([]float32, len(o.Values))
		for i, v := range o.Values {
			values[i] = float32(v)
		}
		return tensor.Of(o.Shape, values), nil
	}
	return nil, fmt.Errorf("no output %s", name)
}

// TestDecoders compares every candidate of every built-in decoder, and of declared ones,
// with numpy's; what is recorded decodes the same.
func TestDecoders(t *testing.T) {
	var answers []map[string]decoded
	ask(t, "decoders", []map[string]any{{"seed": 3}}, &answers)
	cases := answers[0]
	if len(cases) < 18 {
		t.Fatalf("%d cases", len(cases))
	}
	for name, c := range cases {
		m := c.model()
		d, why, err := Choose(c.Decoder, m)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		want, _, _ := strings.Cut(name, " ")
		if c.Decoder == nil && (d.Name != want || why == "") {
			t.Errorf("%s: took %s because of %q", name, d.Name, why)
		}
		if c.Decoder == nil { // by its name it is the same
			if named, _, err := Choose(json.RawMessage(`{"name":"`+want+`"}`), m); err != nil || string(named.JSON()) != string(d.JSON()) {
				t.Errorf("%s by its name: %v, %v", name, named, err)
			}
		}
		again, why, err := Choose(d.JSON(), m)
		if err != nil || string(again.JSON()) != string(d.JSON()) || why != "" {
			t.Errorf("%s: recorded as %s, read as %+v, %v", name, d.JSON(), again, err)
			continue
		}
		again.IoU, again.Most = 0, mostBoxes // all
		got, err := again.Decode(c.outputs, m.Size, 1, 0)
		if err != nil || len(got) != 1 {
			t.Errorf("%s: %d images, %v", name, len(got), err)
			continue
		}
		c.compare(t, name, got[0])
	}
}

// compare finds the boxes among the expected ones: both in the order of candidates, by
// falling scores. Outputs are float32, what is computed with them float64 on both sides:
// 1e-9 is far above its roundings. The shares of an SSD's softmax are rounded before.
func (c decoded) compare(t *testing.T, name string, got []Box) {
	t.Helper()
	order := make([]int, len(c.Boxes))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(c.Scores[b], c.Scores[a]) })
	if len(got) != len(order) {
		t.Errorf("%s: %d boxes, expected %d", name, len(got), len(order))
		return
	}
	for k, i := range order {
		b, w := got[k], c.Boxes[i]
		scale := 1e-9 * max(1, math.Abs(w[0]), math.Abs(w[1]), math.Abs(w[2]), math.Abs(w[3]))
		off := max(math.Abs(b.X0-w[0]), math.Abs(b.Y0-w[1]), math.Abs(b.X1-w[2]), math.Abs(b.Y1-w[3]))
		if off > scale || math.Abs(b.Score-c.Scores[i]) > 1e-9 || b.Class != int(c.Classes[i]) {
			t.Errorf("%s: box %d is %+v, expected %v of class %v and score %v", name, k, b, w, c.Classes[i], c.Scores[i])
			return
		}
		if c.Points == nil {
			continue
		}
		for j, p := range c.Points[i] {
			if len(b.Points) != len(c.Points[i]) || math.Abs(b.Points[j][0]-p[0])+math.Abs(b.Points[j][1]-p[1]) > scale {
				t.Errorf("%s: landmarks of box %d are %v, expected %v", name, k, b.Points, c.Points[i])
				return
			}
		}
	}
}

// TestAgnostic: a box of another class is suppressed too.
func TestAgnostic(t *testing.T) {
	for agnostic, want := range map[bool]int{false: 2, true: 1} {
		if got := Suppress([]Box{{X1: 10, Y1: 10, Score: 1}, {X1: 10, Y1: 9, Score: 0.5, Class: 1}}, 0.45, 300, agnostic); len(got) != want {
			t.Errorf("agnostic %v: %v", agnostic, got)
		}
	}
}

// TestDocumented: the descriptions in docs/detectors.md are understood.
func TestDocumented(t *testing.T) {
	text, err := os.ReadFile(rttest.Source("docs", "detectors.md"))
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, block := range strings.Split(string(text), "\n\n") {
		if !strings.HasPrefix(block, "    {") {
			continue
		}
		found++
		d := defaults()
		if err := d.parse([]byte(block)); err != nil {
			t.Errorf("%v\n%s", err, block)
		} else if err := d.check(); err != nil && len(d.Boxes.Outputs) > 0 {
			t.Errorf("%v\n%s", err, block)
		}
	}
	if found < 3 {
		t.Errorf("%d descriptions", found)
	}
}

// TestBadDecoders: what a description says and cannot be is told by its field, and a decoder
// that does not fit by the outputs.
func TestBadDecoders(t *testing.T) {
	port := func(name string, dims ...int64) model.Port {
		p := model.Port{Name: name, Kind: model.Tensor, DType: tensor.Float32, Ranked: true}
		for _, n := range dims {
			p.Shape = append(p.Shape, model.Dim{Size: n})
		}
		return p
	}
	yolo := Model{Size: image.Pt(96, 64), Outputs: []model.Port{port("y", -1, 7, 126)}}
	good := `{"name": "x", "boxes": {"outputs": ["y"], "axis": 1, "to": 4, "form": "centre"}, "classes": {"outputs": ["y"], "axis": 1, "from": 4}}`
	if _, _, err := Choose(json.RawMessage(good), yolo); err != nil {
		t.Fatal(err)
	}
	with := func(old, new string) string {
		if !strings.Contains(good, old) {
			t.Fatalf("%s is not in %s", old, good)
		}
		return strings.Replace(good, old, new, 1)
	}
	for _, c := range []struct{ text, want string }{
		{`{"name": "yolo9"}`, `did you mean "yolo"`},
		{`{"name": "yolox"}`, "yolo would"},
		{`{"name": "ssd"}`, "two outputs"},
		{`{"name": "fastestdet"}`, "[N 5+classes H W]"},
		{`{"score": 2}`, "score: 2"},
		{`{"name": "yolo", "scor": 0.5}`, "scor"},
		{`{"name": "yolo"} {}`, "nothing behind"},
		{`{"name": "yolo", "most": -1}`, "most"},
		{`{"name": "yolo", "iou": "x"}`, "iou"},
		{`[]`, "decoder"},
		{with(`"form": "centre"`, `"form": "center"`), "expected one of corner, centre, anchor, distance"},
		{with(`"form": "centre"`, `"form": "distance"`), "grid"},
		{with(`"to": 4, `, `"to": -4, `), "boxes: from 0 to -4"},
		{with(`"from": 4}`, `"from": 4, "activation": "relu"}`), "classes.activation"},
		{with(`["y"]`, `["z"]`), `no output "z"`},
		{with(`["y"]`, `[""]`), "names of outputs"},
		{strings.Replace(good, "classes", "landmarks", 1), "classes"},
		{with(`"form": "centre"}`, `"form": "anchor", "unit": "anchor"}, "grid": {"strides": [8]}`), "grid.anchors"},
		{with(`"form": "centre"}`, `"form": "anchor"}, "grid": {"strides": [1e-9]}`), "grid.strides"},
		{with(`"form": "centre"}`, `"form": "anchor"}, "grid": {"strides": [8], "anchors": [[[1, -1]]]}`), "grid.anchors"},
	} {
		if _, _, err := Choose(json.RawMessage(c.text), yolo); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, expected %s", c.text, err, c.want)
		}
	}
	// What only the outputs tell.
	outputs := func(shape ...int64) Outputs {
		n, _ := tensor.Elements(shape)
		return func(string) (*tensor.Tensor, error) { return tensor.Of(shape, make([]float32, n)), nil }
	}
	for _, c := range []struct {
		text    string
		outputs Outputs
		images  int
		want    string
	}{
		{good, outputs(1, 4, 126), 1, "4 numbers a candidate"},
		{with(`"to": 4`, `"to": 5`), outputs(1, 7, 126), 1, "expected 4"},
		{good, outputs(126), 1, "axis"},
		{good, outputs(126, 7), 2, "of a batch of 2"},
		{with(`"form": "centre"}`, `"form": "anchor"}, "grid": {"strides": [1]}`), outputs(1, 7, 126), 1, "126 candidates"},
		{with(`"form": "centre"}`, `"form": "anchor"}, "grid": {"strides": [1e300]}`), outputs(1, 7, 126), 1, "126 candidates"},
		{with(`"form": "centre"}`, `"form": "anchor"}, "grid": {}`), outputs(1, 7, 126), 1, "strides"},
		{with(`"form": "centre"}`, `"form": "anchor"}, "grid": {"places": [[0, 0, 1, 1]]}`), outputs(1, 7, 126), 1, "126 candidates"},
	} {
		d, _, err := Choose(json.RawMessage(c.text), yolo)
		if err != nil {
			t.Errorf("%s: %v", c.text, err)
			continue
		}
		if _, err := d.Decode(c.outputs, yolo.Size, c.images, 0); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, expected %s", c.text, err, c.want)
		}
	}
	nan := func(string) (*tensor.Tensor, error) {
		values := make([]float32, 7*126)
		values[5*126] = float32(math.NaN())
		return tensor.Of([]int64{1, 7, 126}, values), nil
	}
	d, _, err := Choose(nil, yolo)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Decode(nan, yolo.Size, 1, 0.5); err == nil || !strings.Contains(err.Error(), "NaN") {
		t.Errorf("NaN: %v", err)
	}
	// Shapes that are not known: told later, not wrong.
	var unknown *UnknownError
	for _, object := range []json.RawMessage{nil, json.RawMessage(`{"name": "yolo"}`)} {
		if _, _, err := Choose(object, Model{Outputs: []model.Port{port("y", -1, -1, -1)}}); !errors.As(err, &unknown) {
			t.Errorf("%s for unknown shapes: %v", object, err)
		}
	}
	if _, _, err := Choose(nil, Model{Size: image.Pt(96, 64), Outputs: []model.Port{port("y", -1, 10)}}); err == nil || errors.As(err, &unknown) {
		t.Errorf("class scores: %v", err)
	}
}

// FuzzDecoder: whatever a description says, it is refused or decodes.
func FuzzDecoder(f *testing.F) {
	for _, text := range []string{
		`{"name": "yolo"}`, `{"name": "yolox", "score": 0.9}`,
		`{"name": "x", "boxes": {"outputs": ["y"], "axis": 1, "to": 4, "form": "anchor", "unit": "anchor"}, "grid": {"strides": [8, 16, 32], "anchors": [[[1, 2]], [[1, 1]], [[3, 3]]]}, "objectness": {"outputs": ["y"], "axis": 1, "from": 4, "to": 5}}`,
		`{"name": "x", "boxes": {"outputs": ["m"], "axis": 1, "to": 4, "form": "distance", "unit": "stride"}, "grid": {"strides": [8], "repeat": [3]}, "classes": {"outputs": ["m"], "axis": 1, "from": 4}, "landmarks": {"outputs": ["m"], "axis": 1, "from": 1, "to": 3}, "count": "n"}`,
		`{"name": "x", "boxes": {"outputs": ["r"], "to": 4, "form": "corner"}, "class": {"outputs": ["s"], "flat": true}, "objectness": {"outputs": ["s"], "flat": true}, "image": {"outputs": ["s"], "flat": true}}`,
	} {
		f.Add(text)
	}
	all := map[string][]int64{"y": {2, 7, 126}, "m": {1, 18, 8, 12}, "r": {6, 5}, "s": {6}, "n": {2}}
	m := Model{Size: image.Pt(96, 64)}
	for name, shape := range all {
		p := model.Port{Name: name, Kind: model.Tensor, DType: tensor.Float32, Ranked: true}
		for _, n := range shape {
			p.Shape = append(p.Shape, model.Dim{Size: n})
		}
		m.Outputs = append(m.Outputs, p)
	}
	f.Fuzz(func(t *testing.T, text string) {
		d, _, err := Choose(json.RawMessage(text), m)
		if err != nil {
			return
		}
		if again, _, err := Choose(d.JSON(), m); err != nil || string(again.JSON()) != string(d.JSON()) {
			t.Errorf("%s, then %v (%v)", d.JSON(), again, err)
		}
		boxes, err := d.Decode(func(name string) (*tensor.Tensor, error) {
			shape, ok := all[name]
			if !ok {
				return nil, errors.New("no such output")
			}
			n, _ := tensor.Elements(shape)
			values := make([]float32, n)
			for i := range values {
				values[i] = float32(i%5) / 4
			}
			return tensor.Of(shape, values), nil
		}, m.Size, 2, 0.1)
		for _, of := range boxes {
			if err == nil && len(of) > d.Most {
				t.Errorf("%d boxes", len(of))
			}
		}
	})
}
