package detect

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"maps"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/bottlenet/bnc/internal/fault"
	"github.com/bottlenet/bnc/internal/similar"
	"github.com/bottlenet/bnc/runtime/model"
)

// Model is what is known of a detector.
type Model struct {
	Size     image.Point // of its input; 0, 0 for unknown
	Outputs  []model.Port
	Ends     map[string][]End  // what each output, or parts of it, end in
	Metadata map[string]string // the file's own
	Labels   []string          // of its classes
}

// End is what numbers From to To of an output end in; 0 to 0 is all of them.
type End struct {
	Kind     string // "softmax", "sigmoid", ...
	From, To int
}

// Fit is a built-in decoder as it fits a model.
type Fit struct {
	Decoder *Decoder
	Why     string // what speaks for it
	// Sure tells that hardly anything but a detector has such outputs.
	Sure bool
}

// builtins are decoders that need no description, the most special first.
var builtins = []struct {
	name string
	// fit reads what the outputs are; the error says what was expected.
	fit func(m Model) (*Fit, error)
}{
	{"blazeface", blazeface},
	{"fastestdet", fastestdet},
	{"nms", suppressed},
	{"yolox", yolox},
	{"yolo", yolo},
	{"ssd", ssd},
}

// Names are those of the built-in decoders.
func Names() (names []string) {
	for _, b := range builtins {
		names = append(names, b.name)
	}
	slices.Sort(names)
	return names
}

// UnknownError says that a decoder may fit, but that the shapes of outputs are not known
// by which it would be told.
type UnknownError struct{ err error }

// Error says what is not known.
func (e *UnknownError) Error() string { return e.err.Error() }

// Choose returns the decoder that an object describes, for a model, and why it was taken; ""
// where that was said. An object with a name and without boxes.outputs is the built-in of that name,
// with what else it says in the place of what it would have; nil stands for whichever fits. The
// error is an [UnknownError] where the outputs' shapes do not tell.
func Choose(object json.RawMessage, m Model) (d *Decoder, why string, err error) {
	var said struct {
		Name  string
		Boxes struct{ Outputs []string }
	}
	fresh := defaults()
	if object != nil {
		if err := fresh.parse(object); err != nil {
			return nil, "", err
		}
		if err := json.Unmarshal(object, &said); err != nil {
			return nil, "", fmt.Errorf("decoder: %w", fault.JSON(err))
		}
	}
	switch {
	case len(said.Boxes.Outputs) > 0:
		d = &fresh
	case said.Name == "":
		fit, err := Guess(m)
		if err != nil {
			return nil, "", err
		}
		d, why = fit.Decoder, fmt.Sprintf("decoder %s (%s)", fit.Decoder.Name, fit.Why)
	default:
		fit, err := fitOf(said.Name, m)
		if err != nil {
			return nil, "", err
		}
		d = fit.Decoder
	}
	if object != nil {
		if err := d.parse(object); err != nil {
			return nil, "", err
		}
	}
	if err := d.check(); err != nil {
		return nil, "", err
	}
	for _, name := range d.Outputs() {
		if _, ok := model.Find(m.Outputs, name); !ok && len(m.Outputs) > 0 {
			return nil, "", fmt.Errorf("decoder %s: there is no output %q: expected one of %s", d.Name, name, describe(m.Outputs))
		}
	}
	return d, why, nil
}

// fitOf fits the built-in of a name.
func fitOf(name string, m Model) (*Fit, error) {
	for _, b := range builtins {
		if b.name != name {
			continue
		}
		fit, err := b.fit(m)
		if err == nil {
			return fit, nil
		}
		if unknown := (*UnknownError)(nil); errors.As(err, &unknown) {
			return nil, &UnknownError{fmt.Errorf("decoder %s: %w", name, err)}
		}
		hint := "none of the built-in ones does: give a file that describes it"
		if fits := fitting(m); len(fits) > 0 {
			hint = strings.Join(slices.Sorted(maps.Keys(fits)), ", ") + " would"
		}
		return nil, fmt.Errorf("decoder %s does not fit the outputs %s: %w; %s", name, describe(m.Outputs), err, hint)
	}
	return nil, fmt.Errorf("decoder %q: expected one of %s, or a description with boxes.outputs%s",
		name, strings.Join(Names(), ", "), similar.Hint(name, Names()))
}

// fitting are the built-in decoders that fit.
func fitting(m Model) map[string]*Fit {
	fits := map[string]*Fit{}
	for _, b := range builtins {
		if fit, err := b.fit(m); err == nil {
			fits[b.name] = fit
		}
	}
	return fits
}

// Guess returns the built-in decoder that fits a model: the first of those whose fit is
// sure, else the only one.
func Guess(m Model) (*Fit, error) {
	fits := fitting(m)
	for _, b := range builtins {
		if fit := fits[b.name]; fit != nil && fit.Sure {
			return fit, nil
		}
	}
	names := slices.Sorted(maps.Keys(fits))
	switch len(fits) {
	case 0:
		err := fmt.Errorf("no decoder fits the outputs %s: let option decoder be one of %s, or a file that describes it", describe(m.Outputs), strings.Join(Names(), ", "))
		if !shaped(m.Outputs) {
			return nil, &UnknownError{err}
		}
		return nil, err
	case 1:
		return fits[names[0]], nil
	}
	return nil, fmt.Errorf("decoders %s fit the outputs %s: let option decoder name one", strings.Join(names, ", "), describe(m.Outputs))
}

// shaped tells whether the shapes of outputs are known, but for how many images there are.
func shaped(outputs []model.Port) bool {
	return !slices.ContainsFunc(outputs, func(p model.Port) bool {
		return !p.Ranked || len(p.Shape) > 1 && slices.ContainsFunc(p.Sizes()[1:], func(n int64) bool { return n < 0 })
	})
}

// describe lists outputs.
func describe(outputs []model.Port) string {
	words := make([]string, len(outputs))
	for i, p := range outputs {
		words[i] = p.String()
	}
	return strings.Join(words, ", ")
}

// ranked are the outputs of numbers of a rank.
func ranked(m Model, rank int) (found []model.Port) {
	for _, p := range m.Outputs {
		if p.Kind == model.Tensor && p.Ranked && len(p.Shape) == rank && p.DType.Size() > 0 {
			found = append(found, p)
		}
	}
	return found
}

// unknown fails since a size is not known.
func unknown(p model.Port) error {
	return &UnknownError{fmt.Errorf("the shape of output %s is not known", p)}
}

// missing is the error for outputs that are not there, or of which it is not known whether
// they are what was expected.
func missing(m Model, format string, args ...any) error {
	err := fmt.Errorf("expected "+format, args...)
	if slices.ContainsFunc(m.Outputs, func(p model.Port) bool { return !p.Ranked }) {
		return &UnknownError{err}
	}
	return err
}

// cells is how many cells grids of some strides have together; 0 for an unknown input.
func (m Model) cells(strides ...float64) int64 {
	n := 0.0
	for _, s := range strides {
		n += math.Ceil(float64(m.Size.X)/s) * math.Ceil(float64(m.Size.Y)/s)
	}
	return int64(n)
}

// pyramids are the strides of detectors with three levels and with four.
var pyramids = [][]float64{{8, 16, 32}, {8, 16, 32, 64}}

// pyramid returns the strides whose grids have so many cells, times anchors; nil for none.
func (m Model) pyramid(candidates, anchors int64) []float64 {
	for _, strides := range pyramids {
		if m.Size != (image.Point{}) && m.cells(strides...)*anchors == candidates {
			return strides
		}
	}
	return nil
}

// one is a part of an output.
func one(p model.Port, axis, from, to int) *Part {
	return &Part{Outputs: []string{p.Name}, Axis: axis, From: from, To: to}
}

// classes are how many a model tells apart by its labels or its metadata, 0 for unknown.
func (m Model) classes() int {
	if len(m.Labels) > 0 {
		return len(m.Labels)
	}
	return len(numbered.FindAllString(m.Metadata["names"], -1))
}

// numbered finds the keys of Ultralytics' names, {0: 'person', ...}.
var numbered = regexp.MustCompile(`[{,]\s*\d+\s*:`)

// extra is how many numbers a candidate has behind its classes, by Ultralytics' metadata or
// by the outputs beside it: masks' coefficients, landmarks, an angle.
func (m Model) extra() (n int, turned bool, landmarks int, why string) {
	switch task := m.Metadata["task"]; task {
	case "segment":
		return 32, false, 0, "32 mask coefficients"
	case "pose":
		var points, each int
		if _, err := fmt.Sscanf(strings.ReplaceAll(m.Metadata["kpt_shape"], " ", ""), "[%d,%d]", &points, &each); err == nil && points > 0 && each > 0 {
			return points * each, false, each, strconv.Itoa(points) + " landmarks"
		}
	case "obb":
		return 1, true, 0, "an angle"
	}
	for _, p := range ranked(m, 4) {
		if n := p.Shape[1].Size; n == 32 && p.Shape[2].Size > 1 {
			return 32, false, 0, "coefficients of the masks " + p.Name
		}
	}
	return 0, false, 0, ""
}

// yolo fits heads with boxes in pixels: [N 4+K A] of one candidate a cell without
// objectness (v8 to v11), [N A 5+K] of three a cell with it (v5, v7), and each in the
// other order.
func yolo(m Model) (*Fit, error) {
	heads := ranked(m, 3)
	if len(heads) != 1 {
		return nil, missing(m, "one output [N 4+classes candidates] or [N candidates 5+classes]")
	}
	head := heads[0]
	a, b := head.Shape[1].Size, head.Shape[2].Size
	if a < 0 && b < 0 {
		return nil, unknown(head)
	}
	type reading struct {
		axis       int
		channels   int64
		candidates int64
		lead       int64 // numbers before the classes
		strides    []float64
	}
	var readings []reading
	extra, turned, landmarks, also := m.extra()
	for _, r := range []reading{{1, a, b, 4, nil}, {2, b, a, 5, nil}, {2, b, a, 4, nil}, {1, a, b, 5, nil}} {
		classes := r.channels - r.lead - int64(extra)
		if r.channels < 0 || classes < 1 || m.classes() > 0 && classes != int64(m.classes()) {
			continue
		}
		if r.strides = m.pyramid(r.candidates, 1); r.strides == nil {
			r.strides = m.pyramid(r.candidates, 3)
		}
		readings = append(readings, r)
	}
	// the one whose candidates are those of a grid, else the one with more candidates than
	// numbers each, else the usual order of axes
	better := func(r reading) (score int) {
		for _, c := range []struct {
			holds  bool
			points int
		}{
			{r.strides != nil, 4}, {r.candidates > r.channels || r.candidates < 0, 2},
			{(r.lead == 5) == (r.axis == 2 || m.pyramid(r.candidates, 3) != nil), 1},
		} {
			if c.holds {
				score += c.points
			}
		}
		return score
	}
	if len(readings) == 0 {
		err := fmt.Errorf("%s: expected 4 or 5 numbers and %s a candidate", head, cmpClasses(m))
		if a < 0 || b < 0 {
			return nil, &UnknownError{err}
		}
		return nil, err
	}
	r := readings[0]
	for _, other := range readings[1:] {
		if better(other) > better(r) {
			r = other
		}
	}
	end := int(r.channels) - extra
	d := defaults()
	d.Name, d.Boxes = "yolo", Boxes{Part: *one(head, r.axis, 0, 4), Form: centre, Unit: pixels}
	d.Classes = one(head, r.axis, int(r.lead), end)
	why := fmt.Sprintf("output %s: boxes in pixels, %d classes", head, end-int(r.lead))
	if r.lead == 5 {
		d.Objectness = one(head, r.axis, 4, 5)
		why = fmt.Sprintf("output %s: boxes in pixels, objectness, %d classes", head, end-5)
	}
	if turned {
		d.Turned = one(head, r.axis, end, end+1)
	}
	if landmarks > 0 {
		d.Landmarks = &Landmarks{Part: *one(head, r.axis, end, end+extra), Each: landmarks}
	}
	if also != "" {
		why += ", " + also
	}
	if r.strides != nil {
		why += fmt.Sprintf(", candidates as of grids of strides %v", r.strides)
	}
	return &Fit{&d, why, r.strides != nil || m.Metadata["task"] != "" && m.Metadata["stride"] != ""}, nil
}

func cmpClasses(m Model) string {
	if n := m.classes(); n > 0 {
		return fmt.Sprintf("%d classes", n)
	}
	return "classes"
}

// yolox fits YOLOX as its authors export it, [N A 5+K] of a candidate a cell: x and y in
// strides from the cell, width and height as logarithms of strides.
func yolox(m Model) (*Fit, error) {
	heads := ranked(m, 3)
	if len(heads) != 1 {
		return nil, missing(m, "one output [N candidates 5+classes]")
	}
	head := heads[0]
	a, c := head.Shape[1].Size, head.Shape[2].Size
	strides := m.pyramid(a, 1)
	switch {
	case a < 0 || c < 0:
		return nil, unknown(head)
	case strides == nil && m.Size == image.Point{}:
		return nil, &UnknownError{errors.New("the size of the input is not known, by which its cells are counted")}
	case strides == nil || c < 6:
		return nil, fmt.Errorf("expected an output [N %d 5+classes] for an input of %d x %d", m.cells(pyramids[0]...), m.Size.X, m.Size.Y)
	case m.classes() > 0 && int64(m.classes()) != c-5:
		return nil, fmt.Errorf("%s: expected 5 numbers and %d classes a candidate", head, m.classes())
	}
	d := defaults()
	d.Name, d.Boxes = "yolox", Boxes{Part: *one(head, 2, 0, 4), Form: anchor, Unit: ofStride, SizeActivation: "exp"}
	d.Grid = &Grid{Strides: strides}
	d.Objectness, d.Classes = one(head, 2, 4, 5), one(head, 2, 5, int(c))
	return &Fit{&d, fmt.Sprintf("output %s: %d candidates, one a cell of grids of strides %v, objectness, %d classes; where boxes are in pixels already it is yolo", head, a, strides, c-5), true}, nil
}

// fastestdet fits [N 5+K H W]: objectness, a box from the cell, classes. The score is
// objectness^0.6 * class^0.4, and boxes of all classes are suppressed together (github.com/dog-qiuqiu/FastestDet).
func fastestdet(m Model) (*Fit, error) {
	maps := ranked(m, 4)
	if len(maps) != 1 || len(m.Outputs) != 1 {
		return nil, missing(m, "one output [N 5+classes H W]")
	}
	out := maps[0]
	c := out.Shape[1].Size
	switch {
	case c < 0:
		return nil, unknown(out)
	case c < 6 || m.classes() > 0 && int64(m.classes()) != c-5:
		return nil, fmt.Errorf("%s: expected 5 maps and %s", out, cmpClasses(m))
	}
	d := defaults()
	d.Name, d.Grid, d.Agnostic = "fastestdet", &Grid{}, true
	d.Boxes = Boxes{Part: *one(out, 1, 1, 5), Form: anchor, Unit: ofStride, SizeUnit: ofInput, SizeActivation: "sigmoid"}
	d.Boxes.Activation = "tanh"
	d.Objectness, d.Classes = one(out, 1, 0, 1), one(out, 1, 5, int(c))
	d.Objectness.Power, d.Classes.Power = 0.6, 0.4
	ends := m.Ends[out.Name]
	has := func(kind string, from, to int) bool { return slices.Contains(ends, End{kind, from, to}) }
	sure := has("sigmoid", 0, 1) && has("softmax", 5, int(c))
	why := fmt.Sprintf("output %s: maps of objectness, a box and %d classes", out, c-5)
	return &Fit{&d, why, sure}, nil
}

// blazefaces are the grids of the published networks, by how many candidates they have: the
// cells of an edge of each level and the candidates of a cell.
var blazefaces = map[int64]struct{ cells, repeat []int }{
	896:  {[]int{16, 8}, []int{2, 6}}, // short range, 128 x 128; back camera, 256 x 256
	2304: {[]int{48}, []int{1}},       // full range, 192 x 192
}

// blazeface fits MediaPipe's face detectors: regressors [N 896 16], 4 numbers of a box and 6
// landmarks in pixels from the cell's centre, and classificators [N 896 1], in one or by levels.
func blazeface(m Model) (*Fit, error) {
	parts := map[int64][]model.Port{}
	sums := map[int64]int64{}
	for _, p := range ranked(m, 3) {
		a, c := p.Shape[1].Size, p.Shape[2].Size
		if a < 0 || c < 0 {
			return nil, unknown(p)
		}
		parts[c] = append(parts[c], p)
		sums[c] += a
	}
	scheme, known := blazefaces[sums[16]]
	if !known || sums[1] != sums[16] || len(parts) != 2 || len(parts[1]) != len(parts[16]) {
		return nil, missing(m, "regressors [N 896 16] and classificators [N 896 1]")
	}
	if m.Size.X == 0 || m.Size.X != m.Size.Y {
		return nil, &UnknownError{fmt.Errorf("an input of %d x %d: expected a square", m.Size.X, m.Size.Y)}
	}
	d := defaults()
	d.Name, d.Grid, d.Score, d.IoU = "blazeface", &Grid{Shift: 0.5, Repeat: scheme.repeat}, 0.5, 0.3
	for _, n := range scheme.cells {
		d.Grid.Strides = append(d.Grid.Strides, float64(m.Size.X)/float64(n))
	}
	byLevel := func(c int64) (names []string) {
		for _, p := range slices.SortedStableFunc(slices.Values(parts[c]), func(a, b model.Port) int { return int(b.Shape[1].Size - a.Shape[1].Size) }) {
			names = append(names, p.Name)
		}
		return names
	}
	d.Boxes = Boxes{Part: Part{Outputs: byLevel(16), To: 4}, Form: anchor, Unit: pixels}
	d.Landmarks = &Landmarks{Part: Part{Outputs: byLevel(16), From: 4, To: 16}}
	d.Objectness = &Part{Outputs: byLevel(1), Activation: "sigmoid"}
	return &Fit{&d, fmt.Sprintf("outputs %s: %d candidates with a box, 6 landmarks and a score", describe(m.Outputs), sums[16]), true}, nil
}

// named tells whether a name, or a word of it, says one of some things.
func named(name string, words ...string) bool {
	name = strings.ToLower(name)
	return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(name, w) })
}

var (
	scoreWords = []string{"score", "conf", "prob", "cls_prob"}
	classWords = []string{"label", "class", "cls"}
	boxWords   = []string{"box", "loc", "reg"}
	countWords = []string{"num", "count"}
)

// suppressed fits what non-maximum suppression leaves: [N M 6] of x0, y0, x1, y1, score and class;
// [M 7] of image, box, class and score; [1 1 M 7] of image, class, score and box (Caffe's
// DetectionOutput); [M 6] of class, score and box with how many are of each image (Paddle);
// or boxes, scores and classes, and a count, as outputs of their own (torchvision,
// TensorFlow, TensorRT).
func suppressed(m Model) (*Fit, error) {
	d := defaults()
	d.Name, d.IoU = "nms", 0
	part := func(p model.Port, from, to int) *Part { return one(p, 0, from, to) }
	last := func(p model.Port) int64 { return p.Shape[len(p.Shape)-1].Size }
	joined := func(p model.Port, boxes, score, class, image int, unit, why string, sure bool) (*Fit, error) {
		d.Boxes = Boxes{Part: *part(p, boxes, boxes+4), Form: corner, Unit: unit}
		d.Objectness, d.Class = part(p, score, score+1), part(p, class, class+1)
		if image >= 0 {
			d.Image = part(p, image, image+1)
		}
		return &Fit{&d, fmt.Sprintf("output %s: %s", p, why), sure}, nil
	}
	if len(m.Outputs) == 1 && m.Outputs[0].Ranked {
		p := m.Outputs[0]
		switch rank := len(p.Shape); {
		case rank == 4 && last(p) == 7 && p.Shape[1].Size == 1:
			return joined(p, 3, 2, 1, 0, ofInput, "image, class, score and box of each", true)
		case rank == 2 && last(p) == 7:
			return joined(p, 1, 6, 5, 0, pixels, "image, box, class and score of each", true)
		case rank == 3 && last(p) == 6 && p.Shape[1].Size != 6 && m.pyramid(p.Shape[1].Size, 1) == nil && m.pyramid(p.Shape[1].Size, 3) == nil:
			return joined(p, 0, 4, 5, -1, pixels, "box, score and class of each", p.Shape[1].Size <= mostBoxes)
		case rank == 2 && last(p) == 6:
			return joined(p, 0, 4, 5, -1, pixels, "box, score and class of each", p.Shape[0].Size < 0)
		case len(p.Shape) >= 2 && last(p) < 0:
			return nil, unknown(p)
		}
	}
	if len(m.Outputs) == 2 {
		boxes, count := m.Outputs[0], m.Outputs[1]
		if boxes.Ranked && count.Ranked && len(boxes.Shape) == 2 && last(boxes) == 6 && len(count.Shape) == 1 && !count.DType.IsFloat() {
			d.Count = count.Name
			return joined(boxes, 2, 1, 0, -1, pixels, "class, score and box of each; how many are of each image: "+count.Name, true)
		}
	}
	return separate(m, &d)
}

// separate fits boxes, scores and classes as outputs of their own.
func separate(m Model, d *Decoder) (*Fit, error) {
	var boxes, scores, classes *model.Port
	for i := range m.Outputs {
		p := &m.Outputs[i]
		rank := len(p.Shape)
		switch {
		case !p.Ranked:
		case boxes == nil && (rank == 2 || rank == 3) && p.Shape[rank-1].Size == 4 && !named(p.Name, append(scoreWords, "raw")...):
			boxes = p
		case rank == 0 || rank > 2:
		case named(p.Name, countWords...) && (rank == 1 || p.Shape[1].Size == 1):
			d.Count = p.Name
		case scores == nil && p.DType.IsFloat() && named(p.Name, scoreWords...):
			scores = p
		case classes == nil && (!p.DType.IsFloat() || named(p.Name, classWords...)):
			classes = p
		case scores == nil && p.DType.IsFloat():
			scores = p
		}
	}
	if boxes == nil || scores == nil || classes == nil || len(scores.Shape) != len(boxes.Shape)-1 || len(classes.Shape) != len(scores.Shape) {
		return nil, missing(m, "an output [N M 6] of box, score and class, or boxes [N M 4] or [M 4] with scores and classes [N M] or [M]")
	}
	flat := func(p *model.Port) *Part { return &Part{Outputs: []string{p.Name}, Flat: true} }
	d.Boxes = Boxes{Part: Part{Outputs: []string{boxes.Name}}, Form: corner, Unit: pixels}
	why := "boxes, scores and classes as outputs of their own"
	if named(boxes.Name, "detection_boxes") { // TensorFlow's object detection
		d.Boxes.YX, d.Boxes.Unit, d.First = true, ofInput, 1
		if m.classes() > 0 && len(m.Labels) > 0 && named(m.Labels[0], "background") {
			d.First = 0
		}
		why += ", y before x, shares of the input"
	}
	d.Objectness, d.Class = flat(scores), flat(classes)
	return &Fit{d, why, true}, nil
}

// ssd fits boxes [N A 4] and scores [N A K] of the same candidates: corners as shares of the
// input. Where the scores are a softmax the first class is the background.
func ssd(m Model) (*Fit, error) {
	outs := ranked(m, 3)
	if len(outs) != 2 {
		return nil, missing(m, "two outputs, boxes [N candidates 4] and scores [N candidates classes]")
	}
	boxes, scores := outs[0], outs[1]
	if scores.Shape[2].Size == 4 && (boxes.Shape[2].Size != 4 || named(scores.Name, boxWords...) || named(boxes.Name, scoreWords...)) {
		boxes, scores = scores, boxes
	}
	k := scores.Shape[2].Size
	switch {
	case boxes.Shape[2].Size < 0 || k < 0:
		return nil, unknown(boxes)
	case boxes.Shape[2].Size != 4 || boxes.Shape[1].Size != scores.Shape[1].Size:
		return nil, missing(m, "boxes [N candidates 4] and scores [N candidates classes]")
	case k == 4 && !named(boxes.Name, boxWords...) && !named(scores.Name, append(scoreWords, classWords...)...):
		return nil, errors.New("which of the two outputs are the boxes is not told by their names")
	}
	d := defaults()
	d.Name, d.Every = "ssd", true
	d.Boxes = Boxes{Part: *one(boxes, 2, 0, 4), Form: corner, Unit: ofInput}
	d.Classes = one(scores, 2, 0, int(k))
	why := fmt.Sprintf("outputs %s: boxes, taken for corners in 0 to 1, and scores of %d classes", describe(outs), k)
	softmax := slices.ContainsFunc(m.Ends[scores.Name], func(e End) bool { return e.Kind == "softmax" })
	labels := int64(m.classes())
	switch {
	case labels == k && len(m.Labels) > 0 && named(m.Labels[0], "background"):
		d.Background = new(0)
	case k > 1 && labels != k && (softmax || labels == k-1 || k == 2):
		d.Background, d.First = new(0), 1
		why += ", the first of them the background"
	}
	return &Fit{&d, why, boxes.Shape[1].Size != 1 && boxes.Shape[1].Size == scores.Shape[1].Size}, nil
}

// JSON returns the decoder as metadata hold it.
func (d *Decoder) JSON() json.RawMessage {
	text, err := json.Marshal(d)
	if err != nil {
		panic("BUG: " + err.Error())
	}
	return bytes.TrimSpace(text)
}
