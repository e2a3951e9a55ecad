package data

import (
	"fmt"
	"math"

	"github.com/bottlenet/bnc/runtime/tensor"
)

// maxClasses bounds the labels of an array, which are given a name each.
const maxClasses = 1 << 20

// arrays is a source of prepared tensors: the rows of one .npy array.
type arrays struct {
	path   string
	all    *tensor.Tensor
	labels []int // nil without labels
}

// openArrays reads an array whose first axis counts the items and, unless
// labels is empty, one of as many whole numbers.
func openArrays(images, labels string) (*Set, error) {
	all, err := tensor.ReadNPYFile(images)
	if err != nil {
		return nil, err
	}
	if len(all.Shape) < 2 || all.Len() == 0 {
		return nil, fmt.Errorf("%s: expected an array whose first axis counts prepared inputs, found %v", images, all)
	}
	src := &arrays{path: images, all: all}
	if labels == "" {
		return &Set{source: src}, nil
	}
	classes, err := src.readLabels(labels)
	if err != nil {
		return nil, err
	}
	return &Set{source: src, classes: numbered(classes)}, nil
}

// OfTensor returns the set of the rows of a tensor, whose first axis counts them.
// Name stands for it in messages. Labels holds a class, or NoLabel, for each row;
// classes are the names of all of them, nil for a set without labels.
func OfTensor(name string, all *tensor.Tensor, labels []int, classes []string) (*Set, error) {
	if len(all.Shape) < 2 || all.Len() == 0 || labels != nil && len(labels) != int(all.Shape[0]) {
		return nil, fmt.Errorf("%s: expected an array whose first axis counts prepared inputs, found %v and %d labels", name, all, len(labels))
	}
	return &Set{source: &arrays{path: name, all: all, labels: labels}, classes: classes}, nil
}

// readLabels reads the labels and returns how many classes they count.
func (a *arrays) readLabels(path string) (classes int, err error) {
	t, err := tensor.ReadNPYFile(path)
	if err != nil {
		return 0, err
	}
	values, err := t.Floats()
	if err != nil {
		return 0, fmt.Errorf("%s: %w", path, err)
	}
	if len(values) != a.len() {
		return 0, fmt.Errorf("%s holds %d labels for the %d inputs of %s", path, len(values), a.len(), a.path)
	}
	a.labels = make([]int, len(values))
	for i, v := range values {
		if v < 0 || v != math.Trunc(v) || v >= maxClasses {
			return 0, fmt.Errorf("%s: label %d is %v, expected a class's number, from 0 to %d", path, i, v, maxClasses-1)
		}
		a.labels[i] = int(v)
		classes = max(classes, int(v)+1)
	}
	return classes, nil
}

func (a *arrays) len() int   { return int(a.all.Shape[0]) }
func (a *arrays) file() bool { return false }

func (a *arrays) label(i int) int {
	if a.labels == nil {
		return NoLabel
	}
	return a.labels[i]
}

func (a *arrays) name(i int) string { return fmt.Sprintf("%s[%d]", a.path, i) }

// item returns a view of one row, with a batch axis of 1: no copy.
func (a *arrays) item(i int, _ *Reader) (Item, error) {
	shape := append([]int64{1}, a.all.Shape[1:]...)
	row := len(a.all.Data) / a.len()
	t, err := tensor.FromBytes(a.all.DType, shape, a.all.Data[i*row:(i+1)*row])
	return Item{Tensor: t}, err
}
