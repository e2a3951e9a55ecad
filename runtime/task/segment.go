package task

import (
	"bytes"
	"compress/flate"
	"fmt"
	"image"
	"io"
	"math"
	"slices"

	"github.com/bottlenet/bnc/internal/stats"
	"github.com/bottlenet/bnc/runtime/data"
	"github.com/bottlenet/bnc/runtime/imagein"
	"github.com/bottlenet/bnc/runtime/model"
	"github.com/bottlenet/bnc/runtime/tensor"
)

// meanIoU is how well places are told apart: intersection over union.
//
// Of classes: of each, the places where both have it over those where either has, counted
// over all images; the mean over the classes that the truth has (labels, or the teacher), as
// PASCAL VOC has it. Places whose label is 255 do not count.
//
// Of one mask, beside a teacher: what is in the mask, image by image; the mean over the images
// of which the teacher's mask covers 2% to 98%. Where it covers none of them so, and beside
// labels, what is in the mask and what is not are two classes.
var meanIoU = share("miou", "mean IoU")

// sideIoU is meanIoU of an output beside the first that tells the same classes, as networks
// show them from within: the first is the answer.
var sideIoU = share("side_miou", "mean IoU beside the answer")

// ignored is the label of places that do not count, and no class.
const ignored = imagein.NoClass

// narrow are the shares of an image between which a mask is compared.
var narrow = [2]float64{0.02, 0.98}

// segmentation is the task of the class of each place.
type segmentation struct {
	outputsOf[classMap]
}

func guessSegment(m Model) string {
	layout, picture, known := m.picture()
	why := ""
	maps := m.every(func(p model.Port, end End) bool {
		rows, ok := grid(p, end)
		if !ok {
			return false
		}
		full := known && same(rows[0], picture[0]) && same(rows[1], picture[1])
		rank, classes := len(p.Shape), int64(0)
		if rank == 4 {
			classes = p.Shape[classAxis(p.Sizes(), end)].Size
		}
		reason := ""
		switch {
		case rank == 4 && end.Kind == EndSoftmax && (end.Axis == 1 || end.Axis == 3):
			reason = "is a softmax over the classes of each place"
		case end.Kind == EndSigmoid && rank == 4 && classes == 1:
			reason = "is a mask behind a sigmoid"
		case end.Kind == EndSigmoid && full && (rank == 3 || classes != int64(layout.Channels)):
			reason = "is masks behind a sigmoid, of the input's size"
		case !p.DType.IsFloat() && end.Kind == EndIndices && full && (rank == 3 || classes == 1):
			reason = "is the class of each place of the input"
		case end.Kind == EndValues && rank == 4 && full && classes > 1 && classes != int64(layout.Channels):
			reason = "is a score of each class for each place of the input"
		}
		if why == "" {
			why = reason
		}
		return reason != ""
	})
	if !maps {
		return ""
	}
	return m.because("%s", why)
}

// grid are the rows and columns of an output of maps, and whether it may be one.
func grid(p model.Port, end End) (rows [2]model.Dim, ok bool) {
	switch len(p.Shape) {
	case 3:
		rows = [2]model.Dim(p.Shape[1:])
	case 4:
		if classAxis(p.Sizes(), end) == 1 {
			rows = [2]model.Dim(p.Shape[2:])
		} else {
			rows = [2]model.Dim(p.Shape[1:3])
		}
	}
	return rows, len(p.Shape) >= 3 && rows[0].Size != 1 && rows[1].Size != 1
}

// classAxis is the axis of classes of a tensor of rank 4: of a softmax, or channels, as the
// graph tells; else that of a single mask, or the shorter one.
func classAxis(shape []int64, end End) int {
	switch {
	case (end.Kind == EndSoftmax || end.Kind == EndValues) && (end.Axis == 1 || end.Axis == 3):
		return end.Axis
	case shape[1] == 1, shape[3] < 0:
		return 1
	case shape[3] == 1, shape[1] < 0, shape[3] < shape[1]:
		return 3
	}
	return 1
}

func openSegment(m Model) (Task, error) {
	return segmentation{outputsOf[classMap]{reading: maps{}, ends: m.Ends}}, nil
}

// ofMasks marks the task that OfMasks is of.
func (segmentation) ofMasks() {}

// Measures implements Task.
func (segmentation) Measures() []Measure { return []Measure{meanIoU} }

// Agreement implements Task.
func (segmentation) Agreement() Measure { return meanIoU }

// See implements Task.
func (s segmentation) See(b Batch, sight Sight) ([]Seen, error) {
	maps, err := s.seen(b, sight)
	seen := make([]Seen, len(maps))
	for i, m := range maps {
		seen[i].Mask = &Mask{Width: m.width, Height: m.height, Classes: m.unpack(), Names: m.names(sight.Labels)}
	}
	return seen, err
}

// Judge implements Task.
func (s segmentation) Judge(set *data.Set, o Outputs) (Judge, error) {
	return &mapsJudge{answersJudge: s.judge(set, o)}, nil
}

// mapsJudge judges class maps.
type mapsJudge struct {
	*answersJudge[classMap]
	labelled []overlap // of each image with a mask for its label
	items    []int     // which they are
}

// Add implements Judge.
func (j *mapsJudge) Add(b Batch, items []int) error {
	if err := j.answersJudge.Add(b, items); err != nil || !j.set.Masked() {
		return err
	}
	said := j.said[j.first()]
	for i, item := range items {
		mask, err := j.set.Mask(item)
		if err != nil {
			return err
		}
		frame := imagein.Frame{Picture: mask.Size, Input: mask.Size, ScaleX: 1, ScaleY: 1} // of a tensor
		if i < len(b.Frames) && b.Frames[i].Picture != (image.Point{}) {
			frame = b.Frames[i]
		}
		m := said[item]
		truth, err := frame.Places(mask, image.Pt(m.width, m.height), m.classes)
		if err != nil {
			return fmt.Errorf("%s: %w", j.set.Name(item), err)
		}
		j.labelled, j.items = append(j.labelled, overlaps(m.unpack(), truth)), append(j.items, item)
	}
	return nil
}

// Values implements Judge.
func (j *mapsJudge) Values() []Value {
	if len(j.labelled) == 0 {
		return nil
	}
	v := classesOver(j.labelled)
	if math.IsNaN(v.Value) { // no pixel of the masks counts
		return nil
	}
	v.Output = j.o.Judged[j.first()].Name
	return []Value{v}
}

// Samples implements Judge.
func (j *mapsJudge) Samples() *Samples {
	if len(j.labelled) == 0 {
		return nil
	}
	return &Samples{Output: j.o.Judged[j.first()].Name, Measure: meanIoU.Name, Items: j.items, Of: overClasses(j.labelled)}
}

// Agreement implements Judge.
func (j *mapsJudge) Agreement(teacher Judge) ([]Value, error) {
	values, err := j.answersJudge.Agreement(teacher)
	for i := range values[min(1, len(values)):] {
		v := &values[i+1]
		if k := slices.IndexFunc(j.o.Judged, func(o Output) bool { return o.Name == v.Output }); j.classes(k) == j.classes(j.first()) {
			v.Measure = sideIoU.Name
		}
	}
	return values, err
}

// classes are what a judged output tells, of some image.
func (j *mapsJudge) classes(judged int) (of struct {
	kind  mapped
	count int
}) {
	for _, said := range j.said[judged] {
		if said != nil {
			of.kind, of.count = said.kind, said.classes
			break
		}
	}
	return of
}

// classMap is the class of each place of an image.
type classMap struct {
	width, height int
	classes       int    // 0 where the output does not tell
	kind          mapped // how classes are told
	packed        []byte // row by row, deflated
}

// mapped is how an output tells the class of a place.
type mapped int

const (
	classesAlone mapped = iota // the largest of scores, or its number
	masks                      // the largest of masks that is 0.5 or more, counted from 1; else 0
	oneMask                    // 1 in the mask, else 0
)

func (m classMap) unpack() []uint8 {
	classes, err := io.ReadAll(flate.NewReader(bytes.NewReader(m.packed)))
	if err != nil {
		panic("BUG: " + err.Error())
	}
	return classes
}

func pack(classes []uint8) []byte {
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, flate.BestSpeed)
	if err == nil {
		_, err = w.Write(classes)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		panic("BUG: " + err.Error()) // a buffer takes everything
	}
	return b.Bytes()
}

// names of the classes, of labels.
func (m classMap) names(labels []string) []string {
	if len(labels) == 0 || m.kind == classesAlone || len(labels) > m.classes-1 {
		return labels
	}
	return slices.Concat([]string{""}, labels) // what is in no mask has no name
}

// maps reads outputs of class maps.
type maps struct{ firstAxis }

func (maps) expected() string {
	return "a score of each class for each place [N,K,H,W] or [N,H,W,K], a mask [N,1,H,W] or the classes themselves [N,H,W]"
}

func (maps) looks(t *tensor.Tensor, end End) bool {
	switch len(t.Shape) {
	case 3:
		return t.Shape[1] > 1 && t.Shape[2] > 1 && (!t.DType.IsFloat() || end.Kind == EndIndices || end.Kind == EndSigmoid)
	case 4:
		axis := classAxis(t.Shape, end)
		return t.Shape[4-axis] > 1 && t.Shape[2] > 1 && t.Shape[axis] > 0 && t.DType != tensor.String
	}
	return false
}

func (maps) read(one *tensor.Tensor, out picked) (classMap, error) {
	end := out.end
	m := classMap{height: int(one.Shape[1]), width: int(one.Shape[2]), classes: 1}
	step, stride := 0, 1 // from class to class, from place to place
	if len(one.Shape) == 4 {
		axis := classAxis(one.Shape, end)
		m.classes = int(one.Shape[axis])
		if axis == 1 {
			m.height, m.width = int(one.Shape[2]), int(one.Shape[3])
			step = m.width * m.height
		} else {
			step, stride = 1, m.classes
		}
	}
	values, err := one.Float32s()
	if err != nil {
		return m, err
	}
	if slices.ContainsFunc(values, func(v float32) bool { return v != v }) {
		return m, errNaN
	}
	classes := make([]uint8, m.width*m.height)
	switch {
	case m.classes > ignored:
		return m, fmt.Errorf("it has %d classes, expected at most %d", m.classes, ignored)
	case m.classes == 1 && (end.Kind == EndIndices || end.Kind != EndSigmoid && !one.DType.IsFloat()):
		m.classes = 0
		for i, v := range values {
			if v < 0 || v >= ignored || v != float32(uint8(v)) {
				return m, fmt.Errorf("it holds %v, expected the numbers of classes, 0 to %d", v, ignored-1)
			}
			classes[i] = uint8(v)
		}
	case m.classes == 1:
		m.kind, m.classes = oneMask, 2
		for i, v := range values {
			if v >= threshold(end, one.DType) {
				classes[i] = 1
			}
		}
	default:
		best := make([]float32, len(classes))
		for i := range best {
			best[i] = values[i*stride]
		}
		for c := 1; c < m.classes; c++ {
			for i, v := range best {
				if other := values[c*step+i*stride]; other > v {
					best[i], classes[i] = other, uint8(c)
				}
			}
		}
		if end.Kind == EndSigmoid {
			m.kind = masks
			m.classes++
			for i, v := range best {
				classes[i]++
				if v < threshold(end, one.DType) {
					classes[i] = 0
				}
			}
		}
	}
	m.packed = pack(classes)
	return m, nil
}

// threshold is the least value in a mask: half of what a sigmoid gives, or 0, its middle, of
// what goes into one.
func threshold(end End, dtype tensor.DType) float32 {
	switch {
	case dtype == tensor.Uint8:
		return 128
	case end.Kind == EndValues || dtype == tensor.Int8:
		return 0
	}
	return 0.5
}

func (maps) agree(mine, theirs []classMap) ([]Value, error) {
	all, err := overlapsOf(mine, theirs)
	if err != nil {
		return nil, err
	}
	if theirs[0].kind == oneMask {
		var ious []float64
		for _, o := range all {
			if part := o.covers(); part >= narrow[0] && part <= narrow[1] {
				ious = append(ious, o.iou(1))
			}
		}
		if len(ious) > 0 {
			v := Value{Measure: meanIoU.Name, Value: mean(ious), Images: len(ious)}
			v.Interval[0], v.Interval[1] = stats.MeanInterval(ious)
			return []Value{v}, nil
		}
	}
	return []Value{classesOver(all)}, nil
}

func (maps) each(mine, theirs []classMap) ([]float64, error) {
	all, err := overlapsOf(mine, theirs)
	each := make([]float64, len(all))
	for i, o := range all {
		switch {
		case theirs[i].kind != oneMask:
			each[i] = o.meanIoU()
		case o.mine[1]+o.theirs[1] == 0: // neither has anything in its mask
			each[i] = 1
		default:
			each[i] = o.iou(1)
		}
	}
	return each, err
}

// overlap counts places by their classes: those where both have it, and where each has.
type overlap struct{ both, mine, theirs [ignored]int }

// overlaps compares two maps, but for places whose truth is to be ignored.
func overlaps(mine, theirs []uint8) (o overlap) {
	for i, truth := range theirs {
		if truth == ignored {
			continue
		}
		o.mine[mine[i]]++
		o.theirs[truth]++
		if mine[i] == truth {
			o.both[truth]++
		}
	}
	return o
}

func overlapsOf(mine, theirs []classMap) ([]overlap, error) {
	all := make([]overlap, len(mine))
	for i, m := range mine {
		t := theirs[i]
		switch {
		case m.width != t.width || m.height != t.height:
			return nil, fmt.Errorf("its masks are %d x %d places, the teacher's %d x %d: expected the same", m.width, m.height, t.width, t.height)
		case m.kind != t.kind || m.classes != t.classes:
			return nil, fmt.Errorf("its masks are of %d classes, the teacher's of %d: expected the same", m.classes, t.classes)
		}
		all[i] = overlaps(m.unpack(), t.unpack())
	}
	return all, nil
}

// iou of a class that one of them has.
func (o *overlap) iou(class int) float64 {
	return float64(o.both[class]) / float64(o.mine[class]+o.theirs[class]-o.both[class])
}

// covers is the share of places that their mask has.
func (o *overlap) covers() float64 { return float64(o.theirs[1]) / float64(o.theirs[0]+o.theirs[1]) }

// meanIoU over the classes that they have, NaN for none.
func (o *overlap) meanIoU() float64 {
	var ious []float64
	for c, places := range o.theirs {
		if places > 0 {
			ious = append(ious, o.iou(c))
		}
	}
	return mean(ious)
}

// classesOver is the mean IoU of classes over images.
func classesOver(images []overlap) Value {
	sum := overClasses(images)
	v := Value{Measure: meanIoU.Name, Value: sum(everyOne(len(images))), Images: len(images)}
	v.Interval[0], v.Interval[1] = stats.Bootstrap(len(images), 1, sum)
	return v
}

// overClasses is the mean IoU of classes over some of the images.
func overClasses(images []overlap) func(picks []int) float64 {
	classes := 0
	for _, o := range images {
		for c, places := range o.mine {
			if places+o.theirs[c] > 0 {
				classes = max(classes, c+1)
			}
		}
	}
	return func(picks []int) float64 {
		var all overlap
		for _, i := range picks {
			o := &images[i]
			for c := range classes {
				all.both[c] += o.both[c]
				all.mine[c] += o.mine[c]
				all.theirs[c] += o.theirs[c]
			}
		}
		return all.meanIoU()
	}
}
