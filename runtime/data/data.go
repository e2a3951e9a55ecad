// Package data opens the sets of images that calibration, training and
// evaluation read: bnc's DATA argument.
//
// DATA is one of
//
//   - an image folder: one sub-folder a class, in sorted order or in that of a
//     classes.txt in the folder or the one above, which may name folders that
//     are not there; what lies deeper in a sub-folder is of its class;
//   - a flat folder of images, or of .npy tensors, without labels;
//   - a folder with MNIST-named IDX files (train-images-idx3-ubyte, ...),
//     gzipped or not;
//   - a .npy file, or a folder with images.npy and labels.npy, whose first
//     axis counts the items; such tensors are taken as already prepared.
//
// A flat folder has masks where for each image, which is no PNG, there is a PNG of its name
// beside it, as in x.jpg and x.png: the pixels of it are class numbers, grey or with a
// palette, 255 for those that do not count. So has a folder with images/ and masks/, images/
// and annotations/ (ADE20K), or JPEGImages/ and SegmentationClass/ (VOC), in which masks have
// their images' names; the former may be divided into train/ or training/, and val/ or
// validation/, with the latter.
//
// Any of them may be divided: train/ or train-* beside val/ or t10k-*.
//
//	set, err := data.Open("imagenette", data.Train)
//	for i := range set.Len() {
//		item, err := set.Item(i)
//		use(item.Image, set.Label(i))
//	}
//
// Images are known by the endings of their names; hidden files are none. Folders
// are listed when they are opened; pictures are read when asked for.
// A Set may be used from many goroutines at once.
package data

import (
	"fmt"
	"image"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/bottlenet/bnc/runtime/imagein"
	"github.com/bottlenet/bnc/runtime/tensor"
)

// Part names a part of a divided DATA. Where DATA is not divided, both stand
// for all of it.
type Part string

// The parts.
const (
	Train Part = "train"
	Val   Part = "val"
)

// NoLabel is the label of an item that has none.
const NoLabel = -1

// Set is an opened DATA, or a selection of its items.
type Set struct {
	source  source
	items   []int // indices into source, in order; nil for all
	classes []string
	places  []int    // of the source's labels in classes; nil where they are the same
	empty   []string // class folders without images
	passed  passed
	part    Part // "" where DATA is not divided
	masked  bool // whether the source has masks
}

// source is one way of storing items. Its methods may be called concurrently.
type source interface {
	len() int
	label(i int) int
	name(i int) string // for messages, and the path where file is true
	file() bool
	item(i int, r *Reader) (Item, error)
}

// Item is one image, or one tensor that is already prepared (of shape
// [1 ...]): exactly one of the two is set.
type Item struct {
	Image  image.Image
	Tensor *tensor.Tensor
	// Frame is how the picture that an image was made of lies in it; nil where the image is
	// the picture.
	Frame *imagein.Frame
}

// Len returns the number of items.
func (s *Set) Len() int {
	if s.items != nil {
		return len(s.items)
	}
	return s.source.len()
}

// at returns where item i is in the source.
func (s *Set) at(i int) int {
	if s.items != nil {
		return s.items[i]
	}
	return i
}

// Label returns the class of item i, or NoLabel.
func (s *Set) Label(i int) int {
	label := s.source.label(s.at(i))
	if s.places == nil || label < 0 {
		return label
	}
	return s.places[label]
}

// Labelled tells whether the items have labels.
func (s *Set) Labelled() bool { return s.classes != nil }

// Classes returns the classes' names in the order of the labels; nil without
// labels. A class may have no items.
func (s *Set) Classes() []string { return s.classes }

// As returns the set with the given classes, in which its own ones, by their names,
// have other places. The error names one that is not among them.
func (s *Set) As(classes []string) (*Set, error) {
	if slices.Equal(s.classes, classes) {
		return s, nil
	}
	here := make([]int, len(s.classes))
	for i, name := range s.classes {
		if here[i] = slices.Index(classes, name); here[i] < 0 {
			return nil, fmt.Errorf("class %q is not among the %d expected ones, %s", name, len(classes), enumerate(classes))
		}
	}
	other := *s
	other.classes, other.places = classes, here
	if s.places != nil {
		other.places = make([]int, len(s.places))
		for i, at := range s.places {
			other.places[i] = here[at]
		}
	}
	return &other, nil
}

// enumerate lists the first few names.
func enumerate(names []string) string {
	const most = 5
	text := strings.Join(names[:min(most, len(names))], ", ")
	if len(names) > most {
		text += ", ..."
	}
	return text
}

// Unlabelled returns the set without its labels.
func (s *Set) Unlabelled() *Set {
	other := *s
	other.classes, other.empty, other.masked = nil, nil, false
	return &other
}

// Numbered tells whether classes have no names but their numbers.
func Numbered(classes []string) bool {
	for i, c := range classes {
		if c != fmt.Sprint(i) {
			return false
		}
	}
	return true
}

// EmptyClasses returns the names of the class folders that hold no images, in
// sorted order. Classes that a classes.txt names and that have no folder are
// not among them.
func (s *Set) EmptyClasses() []string { return s.empty }

// PassedOver tells, a sentence each, what lies in the folders and is not in the set:
// files that are no images by their names, and images beside class folders. Hidden
// files are not counted.
func (s *Set) PassedOver() []string { return s.passed.lines() }

// Part tells which part of a divided DATA this is, "" where it is not divided.
func (s *Set) Part() Part { return s.part }

// Name describes item i for messages: its path, or its place in a larger file.
func (s *Set) Name(i int) string { return s.source.name(s.at(i)) }

// File returns the path of item i where it is a file of its own, else "".
func (s *Set) File(i int) string {
	if !s.source.file() {
		return ""
	}
	return s.source.name(s.at(i))
}

// Item reads item i. Errors name the file.
func (s *Set) Item(i int) (Item, error) { return s.Read(i, new(Reader)) }

// Select returns the set of the given items, in that order.
func (s *Set) Select(items []int) *Set {
	chosen := *s
	chosen.items = make([]int, len(items))
	for k, i := range items {
		chosen.items[k] = s.at(i)
	}
	return &chosen
}

// Spread returns n items spread over the set, in its order; all where it has no more, and
// for 0.
func (s *Set) Spread(n int) *Set {
	if n == 0 || n >= s.Len() {
		return s
	}
	items := make([]int, n)
	for i := range items {
		items[i] = i * s.Len() / n
	}
	return s.Select(items)
}

// Divide splits the set at random, the same way for the same seed: val gets
// the fraction, rounded, but at least one item, and train the rest.
func (s *Set) Divide(fraction float64, seed uint64) (train, val *Set, err error) {
	n := s.Len()
	if !(fraction > 0 && fraction < 1) {
		return nil, nil, fmt.Errorf("a part of %v of the data for validation: expected a number between 0 and 1", fraction)
	}
	if n < 2 {
		return nil, nil, fmt.Errorf("%d items cannot be divided into training and validation: expected 2 or more", n)
	}
	order := rand.New(rand.NewPCG(seed, 0)).Perm(n)
	k := min(max(int(fraction*float64(n)+0.5), 1), n-1)
	// Each part keeps the set's own order: neighbours on disk stay neighbours.
	slices.Sort(order[:k])
	slices.Sort(order[k:])
	train, val = s.Select(order[k:]), s.Select(order[:k])
	train.part, val.part = Train, Val
	return train, val, nil
}

// ClassCountError says that a set and a model do not have the same classes.
type ClassCountError struct{ Classes, Outputs int }

// Error gives both numbers and, for one class more or less, the usual reason.
func (e *ClassCountError) Error() string {
	text := fmt.Sprintf("the data has %d classes, the model's output is %d wide", e.Classes, e.Outputs)
	switch e.Outputs - e.Classes {
	case 1:
		text += ": one of them may be a background class; name its (missing) folder as well in a classes.txt, one name a line in the model's order"
	case -1:
		text += ": is a background class listed that the model does not have?"
	default:
		text += "; a classes.txt beside the class folders, one name a line in the model's order, may name folders that are not there"
	}
	return text
}

// CheckClasses compares the set's classes with the width of a model's output
// and returns a *ClassCountError if they differ. A set without labels passes.
func (s *Set) CheckClasses(outputs int) error {
	if s.Labelled() && len(s.classes) != outputs {
		return &ClassCountError{len(s.classes), outputs}
	}
	return nil
}
