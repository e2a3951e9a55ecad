package task

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/agnivade/levenshtein"

	"github.com/bottlenet/bnc/internal/stats"
	"github.com/bottlenet/bnc/runtime/data"
	"github.com/bottlenet/bnc/runtime/model"
	"github.com/bottlenet/bnc/runtime/tensor"
)

// Measures of text.
var (
	exact = share("exact", "exact text") // share of images of which the teacher reads the same
	// edits is 1 less the edit distance (Levenshtein's) to the teacher's text over the length
	// of the longer one, 1 for two empty ones; mean over images.
	edits = share("edit", "agreement of characters")
)

// reader is the task of text: at each step along the picture a score of each character and of
// a blank one, of which equal ones beside each other are one (CTC, A. Graves et al., ICML
// 2006), the best at each step taken.
type reader struct {
	outputsOf[line]
	labels []string
}

const fewestCharacters = 8 // with the blank

func guessText(m Model) string {
	if len(m.Outputs) != 1 {
		return ""
	}
	p := m.Outputs[0]
	end := m.end(p)
	if p.Kind != model.Tensor || len(p.Shape) != 3 || !p.DType.IsFloat() {
		return ""
	}
	axis := 2
	if end.Kind == EndSoftmax && end.Axis > 0 {
		axis = end.Axis
	}
	classes := p.Shape[axis].Size
	if classes >= 0 && classes < fewestCharacters || slices.ContainsFunc(p.Shape[:axis], func(d model.Dim) bool { return d.Size > mostSteps }) ||
		p.Shape[0].Size == 1 && p.Shape[1].Size == 1 {
		return ""
	}
	_, size, known := m.picture()
	switch {
	case end.Kind == EndSoftmax:
		return m.because("is a softmax over characters at each step")
	case end.Kind == EndValues && classes > 0 && len(m.alphabet()) > 0 && fits(len(m.alphabet()), int(classes)):
		return m.because("is a score of each of %d characters at each step", len(m.alphabet()))
	case end.Kind == EndValues && known && size[0].Size > 0 && (size[1].Size < 0 || 2*size[1].Size >= 3*size[0].Size):
		return m.because("is scores at each step of a wide picture")
	}
	return ""
}

// mostSteps is how many steps a line of text has; detectors have more anchors.
const mostSteps = 1024

// alphabet are a model's characters: its labels, else those that PaddleOCR's exports name.
func (m Model) alphabet() []string {
	if len(m.Labels) > 0 {
		return m.Labels
	}
	if text := m.Metadata["character"]; text != "" {
		return strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	}
	return nil
}

// fits tells whether so many characters may be those of so many classes: with the blank, but
// for it, or but for it and a space, as PaddleOCR has it.
func fits(characters, classes int) bool { return characters >= classes-2 && characters <= classes }

func openText(m Model) (Task, error) {
	labels := m.alphabet()
	steps := steps{axis: imagesOf(m), blank: blankOf(m.Metadata["blank"], labels), characters: len(labels)}
	return reader{outputsOf[line]{reading: steps, ends: m.Ends}, labels}, nil
}

// imagesOf is the axis of images of [N,T,K] or [T,N,K].
func imagesOf(m Model) int {
	for _, p := range m.Outputs {
		if len(p.Shape) != 3 {
			continue
		}
		for _, in := range m.Inputs {
			if len(in.Shape) > 0 {
				n := in.Shape[0]
				if same(p.Shape[1], n) && !same(p.Shape[0], n) {
					return 1
				}
				return 0
			}
		}
	}
	return 0
}

// blankOf returns the class that is no character, -1 for the last one: as metadata say it,
// by its number or "last", else the one of the labels that is called so, else 0.
func blankOf(said string, labels []string) int {
	if n, err := strconv.Atoi(said); err == nil && n >= 0 {
		return n
	}
	if said == "last" {
		return -1
	}
	for i, label := range labels {
		switch strings.ToLower(strings.Trim(label, "<[]>")) {
		case "blank", "ctcblank", "ctc":
			return i
		}
	}
	if n := len(labels); n > 0 && labels[n-1] == "-" {
		return n - 1
	}
	return 0
}

// Measures implements Task: labels of sets are no text.
func (reader) Measures() []Measure { return nil }

// Agreement implements Task.
func (reader) Agreement() Measure { return exact }

// See implements Task.
func (r reader) See(b Batch, s Sight) ([]Seen, error) {
	labels := r.labels
	if len(labels) == 0 {
		labels = s.Labels
	}
	said, err := r.seen(b, s)
	seen := make([]Seen, len(said))
	for i, l := range said {
		seen[i].Text = l.spell(labels)
	}
	return seen, err
}

// Judge implements Task.
func (r reader) Judge(set *data.Set, o Outputs) (Judge, error) { return r.judge(set, o), nil }

// line is what is read of a picture.
type line struct {
	classes   []int // one for each character
	of, blank int   // how many there are, and which one is no character
}

// spell returns the characters of a line; the classes' numbers where the labels are not
// those of so many.
func (l line) spell(labels []string) string {
	text := make([]string, len(l.classes))
	if !fits(len(labels), l.of) {
		for i, class := range l.classes {
			text[i] = strconv.Itoa(class)
		}
		return strings.Join(text, " ")
	}
	for i, class := range l.classes {
		if len(labels) < l.of && class > l.blank { // the blank is none of the labels
			class--
		}
		text[i] = " "
		if class < len(labels) {
			text[i] = labels[class]
		}
	}
	return strings.Join(text, "")
}

// steps reads lines.
type steps struct {
	axis       int // of images
	blank      int // -1 for the last class
	characters int // 0 where they are not known
}

func (steps) expected() string { return "a score of each character at each step, [N,T,K] or [T,N,K]" }

func (s steps) batch(*tensor.Tensor) int { return s.axis }

func (steps) looks(t *tensor.Tensor, _ End) bool {
	return len(t.Shape) == 3 && t.Len() > 0 && t.DType != tensor.String
}

// classAxis is the axis of characters of an output.
func (s steps) classAxis(shape []int64, end End) int {
	other := 1 - s.axis
	if end.Kind == EndSoftmax && end.Axis == other || s.characters > 0 && !fits(s.characters, int(shape[2])) && fits(s.characters, int(shape[other])) {
		return other
	}
	return 2
}

func (s steps) read(one *tensor.Tensor, out picked) (line, error) {
	axis := s.classAxis(one.Shape, out.end)
	l := line{of: int(one.Shape[axis]), blank: s.blank}
	if l.blank < 0 {
		l.blank += l.of
	}
	values, err := one.Floats()
	if err != nil {
		return l, err
	}
	if slices.ContainsFunc(values, math.IsNaN) {
		return l, errNaN
	}
	length := len(values) / l.of
	step, stride := l.of, 1 // from step to step, from class to class
	if axis < 2 {
		step, stride = 1, length
	}
	before := l.blank
	for i := range length {
		best := 0
		for c := range l.of {
			if values[i*step+c*stride] > values[i*step+best*stride] {
				best = c
			}
		}
		if best != before && best != l.blank {
			l.classes = append(l.classes, best)
		}
		before = best
	}
	return l, nil
}

func (s steps) agree(mine, theirs []line) ([]Value, error) {
	each, err := s.each(mine, theirs)
	if err != nil {
		return nil, err
	}
	same := 0
	for i, m := range mine {
		if slices.Equal(m.classes, theirs[i].classes) {
			same++
		}
	}
	characters := Value{Measure: edits.Name, Value: mean(each), Images: len(each)}
	characters.Interval[0], characters.Interval[1] = stats.MeanInterval(each)
	return []Value{{Measure: exact.Name, Value: float64(same) / float64(len(mine)), Images: len(mine)}, characters}, nil
}

func (steps) each(mine, theirs []line) ([]float64, error) {
	each := make([]float64, len(mine))
	for i, m := range mine {
		t := theirs[i]
		if m.of != t.of {
			return nil, fmt.Errorf("it has %d characters, the teacher has %d: expected the same", m.of, t.of)
		}
		each[i] = 1
		if longer := max(len(m.classes), len(t.classes)); longer > 0 {
			each[i] -= float64(distance(m.classes, t.classes)) / float64(longer)
		}
	}
	return each, nil
}

// distance is the least number of characters to put in, take out or change that makes one
// line of another.
func distance(a, b []int) int { return levenshtein.ComputeDistance(word(a), word(b)) }

// word is a line as text of one letter for each class.
func word(classes []int) string {
	const plane = 0x10000 // behind what is no letter
	letters := make([]rune, len(classes))
	for i, class := range classes {
		letters[i] = rune(plane + class)
	}
	return string(letters)
}
