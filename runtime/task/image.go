package task

import (
	"fmt"
	"image"
	"image/color"
	"math"

	"github.com/bottlenet/bnc/internal/stats"
	"github.com/bottlenet/bnc/runtime/data"
	"github.com/bottlenet/bnc/runtime/model"
	"github.com/bottlenet/bnc/runtime/tensor"
)

// psnr is the peak signal-to-noise ratio beside the teacher's picture, in decibels, averaged
// over images: 10 log10(range^2 / mean square error), 100 at most, which equal pictures get.
// The range is told from the teacher's values over all images: 255 where their type is an
// integer one or one of them is above 16; 1 where all are from -0.5 to 2, as those of pictures
// in 0..1 that miss their range a little; 2 where all are from -2 to 2, for -1..1; else the
// distance from the least to the largest, as of pictures less their mean.
var psnr = Measure{Name: "psnr", Text: "PSNR", Points: 1, Unit: "dB"}

const (
	mostPSNR = 100 // of equal pictures
	goodPSNR = 50  // where pictures are told apart by nobody: 1 for an image
)

// picturing is the task of pictures: super-resolution, denoising, colours.
type picturing struct{ outputsOf[painted] }

func guessImage(m Model) string {
	layout, picture, known := m.picture()
	if !known || !m.every(func(p model.Port, end End) bool {
		if len(p.Shape) != 4 || !p.DType.IsFloat() && p.DType != tensor.Uint8 {
			return false
		}
		axis, ok := channelAxis(p.Sizes())
		rows, grid := grid(p, End{Kind: EndValues, Axis: axis})
		scale, whole := times(rows[0], picture[0])
		other, too := times(rows[1], picture[1])
		return ok && grid && whole && too && scale == other && (end.Kind == EndValues ||
			end.Kind == EndSigmoid && p.Shape[axis].Size > 1 && p.Shape[axis].Size == int64(layout.Channels))
	}) {
		return ""
	}
	return m.because("is a picture of the input's size, or a multiple")
}

// times returns how many times one size is another, where that is a whole number; 0 for
// sizes that are not known.
func times(a, b model.Dim) (int64, bool) {
	switch {
	case same(a, b):
		return 1, true
	case a.Size < 0 && b.Size < 0:
		return 0, true
	case a.Size < 0 || b.Size <= 0 || a.Size%b.Size != 0:
		return 0, false
	}
	return a.Size / b.Size, true
}

// channelAxis is the axis of 1 or 3 channels of a picture.
func channelAxis(shape []int64) (axis int, ok bool) {
	switch {
	case shape[1] == 1 || shape[1] == 3:
		return 1, true
	case shape[3] == 1 || shape[3] == 3:
		return 3, true
	}
	return 0, false
}

func openImage(m Model) (Task, error) {
	return picturing{outputsOf[painted]{reading: pictures{}, ends: m.Ends}}, nil
}

// Measures implements Task: labels of sets are no pictures.
func (picturing) Measures() []Measure { return nil }

// Agreement implements Task.
func (picturing) Agreement() Measure { return psnr }

// See implements Task.
func (p picturing) See(b Batch, s Sight) ([]Seen, error) {
	p.reading = pictures{drawn: true}
	said, err := p.seen(b, s)
	seen := make([]Seen, len(said))
	for i, one := range said {
		seen[i].Image = one.picture
	}
	return seen, err
}

// Judge implements Task.
func (p picturing) Judge(set *data.Set, o Outputs) (Judge, error) { return p.judge(set, o), nil }

// painted is a picture that a model gives.
type painted struct {
	numbers
	picture *image.RGBA // where it is to be seen
}

// peak is the range that values of a largest and a smallest one have.
func peak(low, high float64, whole bool) float64 {
	switch {
	case whole || high > 16:
		return 255
	case low >= -0.5 && high <= 2:
		return 1
	case low >= -2 && high <= 2:
		return 2
	}
	return high - low
}

// pictures reads pictures.
type pictures struct {
	firstAxis
	drawn bool
}

func (pictures) expected() string { return "a picture [N,1,H,W], [N,3,H,W], [N,H,W,1] or [N,H,W,3]" }

func (pictures) looks(t *tensor.Tensor, _ End) bool {
	if len(t.Shape) != 4 || t.Len() == 0 || t.DType == tensor.String {
		return false
	}
	_, ok := channelAxis(t.Shape)
	return ok
}

func (p pictures) read(one *tensor.Tensor, _ picked) (said painted, err error) {
	if said.numbers, err = numbersOf(one); err != nil || !p.drawn {
		return said, err
	}
	values, err := one.Floats()
	if err != nil {
		return said, err
	}
	said.picture = drawn(values, one.Shape, said.numbers)
	return said, nil
}

// drawn is the picture of values, which have that range.
func drawn(values []float64, shape []int64, of numbers) *image.RGBA {
	axis, _ := channelAxis(shape)
	channels := int(shape[axis])
	h, w := int(shape[2]), int(shape[3])
	step, stride := h*w, 1
	if axis == 3 {
		h, w = int(shape[1]), int(shape[2])
		step, stride = 1, channels
	}
	peak, black := peak(of.low, of.high, of.whole), 0.0
	switch {
	case peak == 2:
		black = -1
	case peak != 1 && peak != 255:
		black = of.low
	}
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	for i := range w * h {
		var pixel [3]uint8
		for c := range pixel {
			v := (values[i*stride+min(c, channels-1)*step] - black) / peak * 255
			pixel[c] = uint8(math.Round(min(max(v, 0), 255)))
		}
		img.SetRGBA(i%w, i/w, color.RGBA{pixel[0], pixel[1], pixel[2], 255})
	}
	return img
}

func (p pictures) agree(mine, theirs []painted) ([]Value, error) {
	ratios, err := p.ratios(mine, theirs)
	if err != nil {
		return nil, err
	}
	v := Value{Measure: psnr.Name, Value: mean(ratios), Images: len(ratios)}
	v.Interval[0], v.Interval[1] = stats.MeanInterval(ratios)
	return []Value{v}, nil
}

func (p pictures) each(mine, theirs []painted) ([]float64, error) {
	each, err := p.ratios(mine, theirs)
	for i, v := range each {
		each[i] = min(max(v/goodPSNR, 0), 1)
	}
	return each, err
}

// ratios are the PSNR of each image.
func (pictures) ratios(mine, theirs []painted) ([]float64, error) {
	low, high, whole := theirs[0].low, theirs[0].high, false
	for _, t := range theirs {
		low, high, whole = min(low, t.low), max(high, t.high), whole || t.whole
	}
	ratios := make([]float64, len(mine))
	for i, m := range mine {
		if m.all != theirs[i].all {
			return nil, fmt.Errorf("its picture has %d values, the teacher's %d: expected the same", m.all, theirs[i].all)
		}
		sum := 0.0
		for k, v := range m.kept {
			d := float64(v) - float64(theirs[i].kept[k])
			sum += d * d
		}
		ratios[i] = mostPSNR
		if sum > 0 {
			r := peak(low, high, whole)
			ratios[i] = min(mostPSNR, 10*math.Log10(r*r*float64(len(m.kept))/sum))
		}
	}
	return ratios, nil
}
