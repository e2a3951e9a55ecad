package task

import (
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"math"
	"slices"
	"sync"

	"github.com/bottlenet/bnc/internal/fault"
	"github.com/bottlenet/bnc/internal/stats"
	"github.com/bottlenet/bnc/runtime/data"
	"github.com/bottlenet/bnc/runtime/detect"
	"github.com/bottlenet/bnc/runtime/imagein"
	"github.com/bottlenet/bnc/runtime/model"
	"github.com/bottlenet/bnc/runtime/ort"
	"github.com/bottlenet/bnc/runtime/tensor"
)

// ap50 and ap5095 are average precision as COCO defines it, at an IoU of 0.5, and the mean of
// those at 0.5, 0.55, ... 0.95. Boxes of a score of [detect.Floor] and more are judged, at most
// 300 of an image, or what the decoder says. Against a teacher it is ap50, where what is there
// are the teacher's boxes of a score of 0.5 and more, or what the decoder says.
var (
	ap50   = share("ap50", "AP50")
	ap5095 = share("ap50_95", "AP50:95")
)

// detection is the task of boxes, which a decoder reads.
type detection struct {
	model detect.Model
	said  json.RawMessage // what is known of the decoder, nil for nothing
	why   string          // the decoder was taken

	mu      sync.Mutex
	decoder *detect.Decoder // nil until outputs tell their shapes, where the model does not
}

// detector is what package detect knows of a model.
func detector(m Model) detect.Model {
	d := detect.Model{Outputs: m.Outputs, Metadata: m.Metadata, Labels: m.Labels, Ends: map[string][]detect.End{}}
	for _, p := range m.Inputs {
		if l, err := imagein.LayoutOf(p); err == nil {
			d.Size = image.Pt(l.Width, l.Height)
			break
		}
	}
	for name, ends := range m.Ends {
		for _, e := range ends {
			d.Ends[name] = append(d.Ends[name], detect.End{Kind: e.Kind, From: e.Part[0], To: e.Part[1]})
		}
	}
	return d
}

// guessDetect says why a model's outputs are taken for a detector's: a decoder is known, or
// one fits and hardly anything else has such outputs.
func guessDetect(m Model) string {
	if m.Decoder != nil {
		return "a decoder is given"
	}
	switch task := m.Metadata["task"]; task { // Ultralytics'
	case "detect", "segment", "pose", "obb":
		return "its metadata say task " + task
	}
	if fit, err := detect.Guess(detector(m)); err == nil && fit.Sure {
		return "decoder " + fit.Decoder.Name + " fits"
	}
	return ""
}

func openDetect(m Model) (Task, error) {
	d := &detection{model: detector(m), said: m.Decoder}
	var err error
	unknown := (*detect.UnknownError)(nil)
	if d.decoder, d.why, err = detect.Choose(m.Decoder, d.model); err != nil && !errors.As(err, &unknown) {
		return nil, err
	}
	return d, nil
}

// annotated marks the task that Annotated is of.
func (*detection) annotated() {}

// Decoder is how boxes are read, as the metadata bnc.decoder have it, and why they are read
// that way; "" where it was given. It is nil where shapes are not known until the model runs.
func (d *detection) Decoder() (object json.RawMessage, why string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.decoder == nil {
		return d.said, ""
	}
	return d.decoder.JSON(), d.why
}

// of is the decoder for outputs of an input of a size.
func (d *detection) of(outputs ort.Results, size image.Point) (*detect.Decoder, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.decoder != nil {
		return d.decoder, nil
	}
	m := d.model
	m.Size, m.Outputs = size, nil
	for _, r := range outputs {
		if _, own := model.Find(d.model.Outputs, r.Name); r.Tensor == nil || !own && len(d.model.Outputs) > 0 {
			continue
		}
		p := model.Port{Name: r.Name, Kind: model.Tensor, DType: r.Tensor.DType, Ranked: true}
		for _, n := range r.Tensor.Shape {
			p.Shape = append(p.Shape, model.Dim{Size: n})
		}
		m.Outputs = append(m.Outputs, p)
	}
	var err error
	d.decoder, d.why, err = detect.Choose(d.said, m)
	return d.decoder, err
}

func (*detection) Measures() []Measure { return []Measure{ap50, ap5095} }

func (*detection) Agreement() Measure { return ap50 }

// boxes are those of a batch with at least a score, in pixels of the pictures; 0 images for
// as many as the outputs are of.
func (d *detection) boxes(b Batch, images int, read detect.Outputs, score func(*detect.Decoder) float64) ([][]detect.Box, *detect.Decoder, error) {
	size := d.model.Size
	if len(b.Frames) > 0 {
		if images == 0 {
			images = len(b.Frames)
		}
		if b.Frames[0].Input != (image.Point{}) {
			size = b.Frames[0].Input
		}
	}
	decoder, err := d.of(b.Outputs, size)
	if err != nil {
		return nil, nil, err
	}
	found, err := decoder.Decode(read, size, images, score(decoder))
	if err != nil {
		return nil, nil, err
	}
	for i := range found {
		if i < len(b.Frames) {
			found[i] = pictured(found[i], b.Frames[i])
		}
	}
	return found, decoder, nil
}

// pictured are boxes in the picture, without what lies beside it.
func pictured(boxes []detect.Box, f imagein.Frame) []detect.Box {
	if f.Picture == (image.Point{}) {
		return boxes
	}
	w, h := float64(f.Picture.X), float64(f.Picture.Y)
	kept := boxes[:0]
	for _, b := range boxes {
		b.X0, b.Y0 = f.ToPicture(b.X0, b.Y0)
		b.X1, b.Y1 = f.ToPicture(b.X1, b.Y1)
		b.X0, b.X1 = max(0, min(b.X0, w)), max(0, min(b.X1, w))
		b.Y0, b.Y1 = max(0, min(b.Y0, h)), max(0, min(b.Y1, h))
		if b.X1 <= b.X0 || b.Y1 <= b.Y0 {
			continue
		}
		for k, p := range b.Points {
			b.Points[k][0], b.Points[k][1] = f.ToPicture(p[0], p[1])
		}
		kept = append(kept, b)
	}
	return kept
}

// See returns the boxes with the decoder's score and more.
func (d *detection) See(b Batch, s Sight) ([]Seen, error) {
	found, _, err := d.boxes(b, 0, b.Outputs.Tensor, func(d *detect.Decoder) float64 { return d.Score })
	if err != nil {
		return nil, err
	}
	seen := make([]Seen, len(found))
	for i, boxes := range found {
		seen[i].Boxes = make([]Box, len(boxes))
		for k, x := range boxes {
			seen[i].Boxes[k] = Box{X0: x.X0, Y0: x.Y0, X1: x.X1, Y1: x.Y1, Class: x.Class, Label: label(s.Labels, x.Class), Score: x.Score, Points: x.Points}
		}
	}
	return seen, nil
}

func (d *detection) Judge(set *data.Set, o Outputs) (Judge, error) {
	j := &boxJudge{detection: d, set: set, o: o, said: make([][]detect.Box, set.Len()), pictures: make([]int, set.Len())}
	if o.Annotations == "" {
		return j, nil
	}
	var err error
	if j.annotations, err = detect.ReadAnnotations(o.Annotations); err != nil {
		return nil, err
	}
	other := map[int]int{}
	for i := range j.pictures {
		if j.pictures[i], err = j.annotations.Picture(set.Name(i)); err != nil {
			return nil, err
		}
		if first, twice := other[j.pictures[i]]; twice {
			return nil, fault.Unusable("option annotations: %s takes %s and %s for the same image", o.Annotations, set.Name(first), set.Name(i))
		}
		other[j.pictures[i]] = i
	}
	return j, nil
}

// boxJudge judges boxes.
type boxJudge struct {
	*detection
	set         *data.Set
	o           Outputs
	said        [][]detect.Box      // of each item, nil for those that were not judged
	annotations *detect.Annotations // nil without labels
	pictures    []int               // of each item, in annotations
	classes     []int               // of their categories
	truth       float64             // the decoder's
	output      string
}

// read finds an output by the name that the decoder has for it.
func (j *boxJudge) read(outputs ort.Results) detect.Outputs {
	return func(name string) (*tensor.Tensor, error) {
		for _, o := range j.o.Judged {
			if o.Name == name && o.From != "" {
				return outputs.Tensor(o.From)
			}
		}
		return outputs.Tensor(name)
	}
}

func (j *boxJudge) Add(b Batch, items []int) error {
	b.Frames = b.Frames[:min(len(items), len(b.Frames))]
	found, decoder, err := j.boxes(b, len(items), j.read(b.Outputs), func(*detect.Decoder) float64 { return detect.Floor })
	if err != nil {
		return err
	}
	j.truth, j.output = decoder.Truth, decoder.Boxes.Outputs[0]
	if j.annotations != nil && j.classes == nil {
		if j.classes, err = j.annotations.ClassesBy(j.model.Labels, decoder.Labelled(j.read(b.Outputs))); err != nil {
			return err
		}
	}
	for i, item := range items {
		if j.annotations != nil {
			if err := j.sameSize(b, i, item); err != nil {
				return err
			}
		}
		boxes := found[i]
		for k := range boxes {
			boxes[k].Points = nil
		}
		j.said[item] = append([]detect.Box{}, boxes...) // not nil, and no larger than needed
	}
	return nil
}

// sameSize fails where an item's picture has another size than the annotated one.
func (j *boxJudge) sameSize(b Batch, i, item int) error {
	size := j.model.Size
	if i < len(b.Frames) && b.Frames[i].Picture != (image.Point{}) {
		size = b.Frames[i].Picture
	}
	w, h := j.annotations.Size(j.pictures[item])
	if w > 0 && h > 0 && (w != float64(size.X) || h != float64(size.Y)) {
		return fault.Unusable("option annotations: %s is %d x %d, and %v x %v in %s", j.set.Name(item), size.X, size.Y, w, h, j.o.Annotations)
	}
	return nil
}

// Values are against annotations.
func (j *boxJudge) Values() []Value {
	p, items := j.precision()
	if p == nil {
		return nil
	}
	v := j.value(p, len(items))
	if math.IsNaN(v.Value) {
		return nil
	}
	all := v
	all.Measure, all.Value, all.Interval = ap5095.Name, p.AP(len(detect.Thresholds), nil), [2]float64{}
	return []Value{v, all}
}

// Samples implements Judge.
func (j *boxJudge) Samples() *Samples {
	p, items := j.precision()
	if p == nil {
		return nil
	}
	return &Samples{Output: j.output, Measure: ap50.Name, Items: items, Of: func(picks []int) float64 { return p.AP(1, picks) }}
}

// precision is what was found of what is annotated, nil without annotations, of which items.
func (j *boxJudge) precision() (*detect.Precision, []int) {
	if j.annotations == nil {
		return nil, nil
	}
	var items []int
	for i, boxes := range j.said {
		if boxes != nil {
			items = append(items, i)
		}
	}
	slices.SortFunc(items, func(a, b int) int { return j.pictures[a] - j.pictures[b] }) // as COCO's tools, for equal scores
	found, there := make([][]detect.Box, len(items)), make([][]detect.Truth, len(items))
	for k, i := range items {
		found[k], there[k] = j.said[i], j.annotations.Truths(j.pictures[i], j.classes)
	}
	return detect.Match(found, there, detect.Thresholds), items
}

// value is AP50 with its interval, as images were drawn.
func (j *boxJudge) value(p *detect.Precision, images int) Value {
	v := Value{Output: j.output, Measure: ap50.Name, Value: p.AP(1, nil), Images: images}
	v.Interval[0], v.Interval[1] = stats.Bootstrap(images, 1, func(picks []int) float64 { return p.AP(1, picks) })
	return v
}

// both calls f with what both judges heard of each item.
func (j *boxJudge) both(teacher Judge, f func(item int, mine, theirs []detect.Box)) *boxJudge {
	t, ok := teacher.(*boxJudge)
	if !ok {
		panic("BUG: judges of different tasks compared")
	}
	for i := range j.said {
		if j.said[i] != nil && t.said[i] != nil {
			f(i, j.said[i], t.said[i])
		}
	}
	return t
}

// above are the boxes, best first, of a score and more.
func above(boxes []detect.Box, score float64) []detect.Box {
	n := slices.IndexFunc(boxes, func(b detect.Box) bool { return b.Score < score })
	if n < 0 {
		return boxes
	}
	return boxes[:n]
}

func (j *boxJudge) Agreement(teacher Judge) ([]Value, error) {
	var found [][]detect.Box
	var there [][]detect.Truth
	t := j.both(teacher, func(_ int, mine, theirs []detect.Box) {
		var truths []detect.Truth
		for _, b := range above(theirs, teacher.(*boxJudge).truth) {
			truths = append(truths, detect.Truth{Box: b})
		}
		found, there = append(found, mine), append(there, truths)
	})
	v := j.value(detect.Match(found, there, detect.Thresholds[:1]), len(found))
	if math.IsNaN(v.Value) {
		return nil, fmt.Errorf("the teacher finds no box with a score of %v or more in %d images: there is nothing to compare with; truth of option decoder is that score", t.truth, len(found))
	}
	return []Value{v}, nil
}

// Each is the F1 of both's boxes of a score that a teacher's have to have.
func (j *boxJudge) Each(teacher Judge) ([]float64, error) {
	each := slices.Repeat([]float64{math.NaN()}, len(j.said))
	j.both(teacher, func(item int, mine, theirs []detect.Box) {
		truth := teacher.(*boxJudge).truth
		each[item] = detect.F1(above(mine, truth), above(theirs, truth))
	})
	return each, nil
}
