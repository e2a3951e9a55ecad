package task

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/bottlenet/bnc/runtime/data"
	"github.com/bottlenet/bnc/runtime/ort"
	"github.com/bottlenet/bnc/runtime/tensor"
)

// reading is how a task reads and compares what outputs say of single images. A is the
// answer for one, which is kept until it is compared.
type reading[A any] interface {
	// expected says in words what its outputs are.
	expected() string
	// looks tells whether a tensor, batch and all, may be one of its outputs.
	looks(t *tensor.Tensor, end End) bool
	// batch is the axis of an output's images.
	batch(t *tensor.Tensor) int
	// read returns the answer of a tensor for one image, whose axis of the batch is 1.
	read(one *tensor.Tensor, out picked) (A, error)
	// agree compares what a model and its teacher say of the same images, one or more: the
	// primary value first, without its output's name. Two that cannot be compared are an error.
	agree(mine, theirs []A) ([]Value, error)
	// each is agree for each image by itself, 0 to 1.
	each(mine, theirs []A) ([]float64, error)
}

// firstAxis is the axis of images where nothing else is known.
type firstAxis struct{}

func (firstAxis) batch(*tensor.Tensor) int { return 0 }

// outputsOf are a task's outputs, of which the graph tells what they end in.
type outputsOf[A any] struct {
	reading[A]
	ends map[string][]End
}

// picked is an output of a batch, for one that is judged.
type picked struct {
	judged int
	ort.Result
	end End
}

// pick returns the outputs of a batch that are judged, one or more: of those that are asked
// for by name, the ones that look right.
func (p outputsOf[A]) pick(outputs ort.Results, o Outputs) (all []picked, err error) {
	for k, judged := range o.Judged {
		for _, out := range outputs {
			asked := judged.From == out.Name || judged.From == "" && !slices.Contains(o.Except, out.Name)
			if end := p.end(out.Name, judged.End); asked && out.Tensor != nil && p.looks(out.Tensor, end) {
				all = append(all, picked{k, out, end})
				break
			}
		}
		if _, found := outputs.Find(judged.From); judged.From != "" && !found {
			return nil, fmt.Errorf("there is no output %q to judge by", judged.From)
		}
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("found %s; expected %s: another task can be named (option task)", describe(outputs), p.expected())
	}
	return all, nil
}

// end is what an output ends in, as the graph tells of the output of that name, else as it
// is said; of no kind where that is several things, or not known.
func (p outputsOf[A]) end(name string, said End) End {
	switch ends := p.ends[name]; len(ends) {
	case 0:
		return said
	case 1:
		return ends[0]
	}
	return End{}
}

// answers of the first images of an output.
func (p outputsOf[A]) answers(out picked, images int, name func(i int) string) ([]A, error) {
	axis := p.batch(out.Tensor)
	if len(out.Tensor.Shape) <= axis || out.Tensor.Shape[axis] < int64(images) {
		return nil, fmt.Errorf("output %s: %v for a batch of %d images", out.Name, out.Tensor, images)
	}
	said := make([]A, images)
	for i := range said {
		one, err := part(out.Tensor, axis, i, i+1)
		if err == nil {
			said[i], err = p.read(one, out)
		}
		if err != nil {
			return nil, fmt.Errorf("output %s, %s: %w", out.Name, name(i), err)
		}
	}
	return said, nil
}

// whatever stands for the first output that looks right.
func (o Outputs) whatever() Outputs {
	if len(o.Judged) == 0 {
		o.Judged = []Output{{}}
	}
	return o
}

// seen are the answers of the first output that is one of the task's, image by image, for a
// person.
func (p outputsOf[A]) seen(b Batch, s Sight) ([]A, error) {
	outputs, err := p.pick(b.Outputs, s.whatever())
	if err != nil {
		return nil, err
	}
	first := outputs[0]
	return p.answers(first, int(first.Tensor.Shape[p.batch(first.Tensor)]), func(i int) string { return fmt.Sprintf("image %d", i) })
}

// judge begins to judge what a model says of a set.
func (p outputsOf[A]) judge(set *data.Set, o Outputs) *answersJudge[A] {
	o = o.whatever()
	return &answersJudge[A]{outputsOf: p, set: set, o: o, said: make([][]*A, len(o.Judged))}
}

// answersJudge keeps what a model says of each item.
type answersJudge[A any] struct {
	outputsOf[A]
	set  *data.Set
	o    Outputs
	said [][]*A // of each judged output, of each item: nil for those that were left out; nil for outputs that look otherwise
}

// Add implements Judge.
func (j *answersJudge[A]) Add(b Batch, items []int) error {
	outputs, err := j.pick(b.Outputs, j.o)
	if err != nil {
		return err
	}
	for _, out := range outputs {
		said, err := j.answers(out, len(items), func(i int) string { return j.set.Name(items[i]) })
		if err != nil {
			return err
		}
		if j.said[out.judged] == nil {
			j.said[out.judged] = make([]*A, j.set.Len())
		}
		for i, item := range items {
			j.said[out.judged][item] = &said[i]
		}
	}
	return nil
}

// first is the place of the first output that looks right.
func (j *answersJudge[A]) first() int {
	return max(0, slices.IndexFunc(j.said, func(said []*A) bool { return said != nil }))
}

// Values implements Judge: nothing that labels give.
func (*answersJudge[A]) Values() []Value { return nil }

// Samples implements Judge: nothing that labels give.
func (*answersJudge[A]) Samples() *Samples { return nil }

// answersJudger is a judge that is made of an answersJudge.
type answersJudger[A any] interface{ kept() *answersJudge[A] }

func (j *answersJudge[A]) kept() *answersJudge[A] { return j }

// Agreement implements Judge.
func (j *answersJudge[A]) Agreement(teacher Judge) (values []Value, err error) {
	t := sameTask[A](teacher)
	for k, judged := range j.o.Judged {
		other := slices.IndexFunc(t.o.Judged, func(o Output) bool { return o.Name == judged.Name })
		if other < 0 || j.said[k] == nil {
			continue
		}
		_, mine, theirs := both(j.said[k], t.said[other])
		if len(mine) == 0 {
			return nil, fmt.Errorf("output %s: there is no image of which both the model and its teacher said something", judged.Name)
		}
		found, err := j.agree(mine, theirs)
		if err != nil {
			return nil, fmt.Errorf("output %s: %w", judged.Name, err)
		}
		for _, v := range found {
			v.Output = judged.Name
			values = append(values, v)
		}
	}
	return values, nil
}

// Each implements Judge.
func (j *answersJudge[A]) Each(teacher Judge) ([]float64, error) {
	each := slices.Repeat([]float64{math.NaN()}, j.set.Len())
	t := sameTask[A](teacher)
	items, mine, theirs := both(j.said[j.first()], t.said[t.first()])
	if len(items) == 0 {
		return each, nil
	}
	values, err := j.each(mine, theirs)
	if err != nil {
		return nil, fmt.Errorf("output %s: %w", j.o.Judged[j.first()].Name, err)
	}
	for i, v := range values {
		each[items[i]] = v
	}
	return each, nil
}

func sameTask[A any](j Judge) *answersJudge[A] {
	judge, ok := j.(answersJudger[A])
	if !ok {
		panic("BUG: judges of different tasks compared")
	}
	return judge.kept()
}

// both returns the items that two judges have answers for, and these.
func both[A any](a, b []*A) (items []int, mine, theirs []A) {
	for i := range min(len(a), len(b)) {
		if a[i] != nil && b[i] != nil {
			items, mine, theirs = append(items, i), append(mine, *a[i]), append(theirs, *b[i])
		}
	}
	return items, mine, theirs
}

// part returns the elements from from to to of a tensor's axis: the same memory where they
// lie together.
func part(t *tensor.Tensor, axis, from, to int) (*tensor.Tensor, error) {
	outer, _ := tensor.Elements(t.Shape[:axis])
	inner, _ := tensor.Elements(t.Shape[axis+1:])
	inner *= t.DType.Size()
	if inner == 0 {
		return nil, fmt.Errorf("found %v, expected numbers", t)
	}
	shape := slices.Clone(t.Shape)
	shape[axis] = int64(to - from)
	row := inner * int(t.Shape[axis])
	if outer == 1 {
		return tensor.FromBytes(t.DType, shape, t.Data[from*inner:to*inner])
	}
	data := make([]byte, 0, outer*(to-from)*inner)
	for i := range outer {
		data = append(data, t.Data[i*row+from*inner:i*row+to*inner]...)
	}
	return tensor.FromBytes(t.DType, shape, data)
}

// errNaN is an answer that is none.
var errNaN = errors.New("the values hold NaN")
