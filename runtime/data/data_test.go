package data_test

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/bottlenet/bnc/runtime/data"
	"github.com/bottlenet/bnc/runtime/tensor"
)

// tree writes files below a new folder and returns it.
func tree(t *testing.T, files map[string][]byte) string {
	t.Helper()
	root := t.TempDir()
	for name, content := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// picture is a PNG of one grey pixel.
func picture(level uint8) []byte {
	img := image.NewGray(image.Rect(0, 0, 1, 1))
	img.SetGray(0, 0, color.Gray{level})
	var buf bytes.Buffer
	if err := png.Encode(&buf, img); err != nil {
		panic("BUG: " + err.Error())
	}
	return buf.Bytes()
}

// idxFile is an IDX file of unsigned bytes.
func idxFile(dims []uint32, values ...byte) []byte {
	file := []byte{0, 0, 8, byte(len(dims))}
	for _, d := range dims {
		file = binary.BigEndian.AppendUint32(file, d)
	}
	return append(file, values...)
}

func zipped(data []byte) []byte {
	var buf bytes.Buffer
	w := gzip.NewWriter(&buf)
	if _, err := w.Write(data); err != nil {
		panic("BUG: " + err.Error())
	}
	if err := w.Close(); err != nil {
		panic("BUG: " + err.Error())
	}
	return buf.Bytes()
}

// npyFile is a .npy file of version 1 in C order.
func npyFile(descr, shape string, values ...byte) []byte {
	header := fmt.Sprintf("{'descr': '%s', 'fortran_order': False, 'shape': (%s), }", descr, shape)
	file := append([]byte("\x93NUMPY\x01\x00"), byte(len(header)), 0)
	return append(append(file, header...), values...)
}

func open(t *testing.T, path string, part data.Part) *data.Set {
	t.Helper()
	set, err := data.Open(path, part)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// contents lists every item as level:label, with the grey level of its first
// pixel or the first byte of its tensor.
func contents(t *testing.T, set *data.Set) string {
	t.Helper()
	var words []string
	for i := range set.Len() {
		item, err := set.Item(i)
		if err != nil {
			t.Fatal(err)
		}
		var level uint8
		if item.Image != nil {
			b := item.Image.Bounds()
			level = color.GrayModel.Convert(item.Image.At(b.Min.X, b.Min.Y)).(color.Gray).Y
		} else {
			level = item.Tensor.Data[0]
		}
		words = append(words, fmt.Sprintf("%d:%d", level, set.Label(i)))
	}
	return strings.Join(words, " ")
}

func TestOpen(t *testing.T) {
	classFolders := map[string][]byte{
		"dog/a.png": picture(1), "dog/B.PNG": picture(2), "dog/notes.txt": nil, "ant/c.png": picture(3), ".git/x.png": picture(9),
	}
	with := func(more map[string][]byte) map[string][]byte {
		all := map[string][]byte{}
		for _, m := range []map[string][]byte{classFolders, more} {
			for name, content := range m {
				all[name] = content
			}
		}
		return all
	}
	images := idxFile([]uint32{2, 1, 2}, 10, 11, 20, 21)
	tests := []struct {
		name    string
		files   map[string][]byte
		sub     string // what below the folder is opened
		part    data.Part
		want    string
		classes []string
		is      data.Part // what the set says it is
	}{
		{name: "class folders", files: classFolders, part: data.Train, want: "3:0 2:1 1:1", classes: []string{"ant", "dog"}},
		{name: "classes.txt", files: with(map[string][]byte{"classes.txt": []byte("dog\n\nbee\r\nant\n")}), part: data.Val,
			want: "3:2 2:0 1:0", classes: []string{"dog", "bee", "ant"}},
		{name: "classes.txt above", files: map[string][]byte{"classes.txt": []byte("z\na\n"), "val/a/1.png": picture(5), "train/z/1.png": picture(6)},
			part: data.Val, want: "5:1", classes: []string{"z", "a"}, is: data.Val},
		{name: "train and val", files: map[string][]byte{"train/a/1.png": picture(1), "train/b/1.png": picture(2), "val/b/1.png": picture(3), "val/a/1.png": picture(4), "test/x.png": nil},
			part: data.Train, want: "1:0 2:1", classes: []string{"a", "b"}, is: data.Train},
		{name: "val beside others", files: map[string][]byte{"unlabelled/1.png": picture(1), "val/a/1.png": picture(3)},
			part: data.Val, want: "3:0", classes: []string{"a"}, is: data.Val},
		{name: "classes called train and val", files: map[string][]byte{"train/1.png": picture(1), "car/1.png": picture(2), "val/1.png": picture(3)},
			part: data.Val, want: "2:0 1:1 3:2", classes: []string{"car", "train", "val"}},
		{name: "flat", files: map[string][]byte{"b.png": picture(2), "a.png": picture(1), "README.md": nil}, part: data.Train, want: "1:-1 2:-1"},
		{name: "flat parts", files: map[string][]byte{"train/b.png": picture(2), "val/a.png": picture(1)}, part: data.Train, want: "2:-1", is: data.Train},
		{name: "flat tensors", files: map[string][]byte{"a.npy": npyFile("|u1", "1,2", 7, 8)}, part: data.Train, want: "7:-1"},
		{name: "idx", files: map[string][]byte{"train-images-idx3-ubyte": images, "train-labels-idx1-ubyte": idxFile([]uint32{2}, 1, 0)},
			part: data.Train, want: "10:1 20:0", classes: []string{"0", "1"}, is: data.Train},
		{name: "idx gz", files: map[string][]byte{"train-images-idx3-ubyte.gz": zipped(idxFile([]uint32{1, 1, 1}, 9)), "t10k-images-idx3-ubyte.gz": zipped(images), "t10k-labels-idx1-ubyte.gz": zipped(idxFile([]uint32{2}, 3, 0))},
			part: data.Val, want: "10:3 20:0", classes: []string{"0", "1", "2", "3"}, is: data.Val},
		{name: "idx with names", files: map[string][]byte{"train-images.idx3-ubyte": images, "train-labels.idx1-ubyte": idxFile([]uint32{2}, 1, 0), "classes.txt": []byte("shirt\ncoat\nbag")},
			part: data.Train, want: "10:1 20:0", classes: []string{"shirt", "coat", "bag"}, is: data.Train},
		{name: "arrays", files: map[string][]byte{"images.npy": npyFile("|u1", "3,1,2", 1, 2, 3, 4, 5, 6), "labels.npy": npyFile("<i2", "3,", 2, 0, 0, 0, 1, 0)},
			part: data.Val, want: "1:2 3:0 5:1", classes: []string{"0", "1", "2"}},
		{name: "divided arrays", files: map[string][]byte{"train-images.npy": npyFile("|u1", "1,2", 1, 2), "t10k-images.npy": npyFile("|u1", "1,2", 3, 4)},
			part: data.Val, want: "3:-1", is: data.Val},
		{name: "one array", files: map[string][]byte{"x.npy": npyFile("|u1", "2,2", 1, 2, 3, 4)}, sub: "x.npy", part: data.Train, want: "1:-1 3:-1"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			set := open(t, filepath.Join(tree(t, test.files), test.sub), test.part)
			if got := contents(t, set); got != test.want {
				t.Errorf("items %s, want %s", got, test.want)
			}
			if !slices.Equal(set.Classes(), test.classes) || set.Labelled() != (test.classes != nil) {
				t.Errorf("classes %v, want %v", set.Classes(), test.classes)
			}
			if set.Part() != test.is {
				t.Errorf("part %q, want %q", set.Part(), test.is)
			}
		})
	}
}

func TestOpenFailures(t *testing.T) {
	tests := map[string]struct {
		files map[string][]byte
		want  []string
	}{
		"nothing":         {map[string][]byte{"README": nil}, []string{"found none"}},
		"empty classes":   {map[string][]byte{"a/notes.txt": nil, "b/notes.txt": nil}, []string{"none of its 2 class folders"}},
		"unlisted class":  {map[string][]byte{"a/1.png": nil, "b/1.png": nil, "classes.txt": []byte("a")}, []string{"folder b", "classes.txt"}},
		"class twice":     {map[string][]byte{"a/1.png": nil, "classes.txt": []byte("a\na")}, []string{"twice"}},
		"no classes":      {map[string][]byte{"a/1.png": nil, "classes.txt": nil}, []string{"empty"}},
		"label count":     {map[string][]byte{"train-images-idx3-ubyte": idxFile([]uint32{1, 1, 1}, 9), "train-labels-idx1-ubyte": idxFile([]uint32{2}, 0, 0)}, []string{"2 labels", "1 images"}},
		"label range":     {map[string][]byte{"train-images-idx3-ubyte": idxFile([]uint32{1, 1, 1}, 9), "train-labels-idx1-ubyte": idxFile([]uint32{1}, 5), "classes.txt": []byte("a\nb")}, []string{"names 2 classes", "label 5"}},
		"idx cut short":   {map[string][]byte{"train-images-idx3-ubyte": idxFile([]uint32{4000000000, 28, 28}, 9)}, []string{"too many"}},
		"idx truncated":   {map[string][]byte{"train-images-idx3-ubyte": idxFile([]uint32{4000, 28, 28}, 9)}, []string{"found 1", "train-images"}},
		"idx magic":       {map[string][]byte{"train-images-idx3-ubyte": []byte("not an idx file at all")}, []string{"expected an IDX file"}},
		"idx empty":       {map[string][]byte{"train-images-idx3-ubyte": idxFile([]uint32{0, 28, 28})}, []string{"no images"}},
		"negative label":  {map[string][]byte{"images.npy": npyFile("|u1", "1,2", 1, 2), "labels.npy": npyFile("|i1", "1,", 255)}, []string{"label 0 is -1"}},
		"huge label":      {map[string][]byte{"images.npy": npyFile("|u1", "1,2", 1, 2), "labels.npy": npyFile("<i4", "1,", 0, 0, 0, 64)}, []string{"label 0"}},
		"fraction":        {map[string][]byte{"images.npy": npyFile("|u1", "1,2", 1, 2), "labels.npy": npyFile("<f2", "1,", 0, 0x38)}, []string{"0.5"}},
		"scalar array":    {map[string][]byte{"images.npy": npyFile("|u1", "2,", 1, 2)}, []string{"first axis"}},
		"array not whole": {map[string][]byte{"images.npy": npyFile("|u1", "9,9", 1, 2)}, []string{"images.npy", "81 bytes"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := data.Open(tree(t, test.files), data.Train)
			for _, want := range test.want {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("error %v does not say %q", err, want)
				}
			}
		})
	}
	if _, err := data.Open(filepath.Join(t.TempDir(), "absent"), data.Train); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v", err)
	}
}

func TestMissingPart(t *testing.T) {
	for _, files := range []map[string][]byte{
		{"train/a/1.png": picture(1)},
		{"train-images-idx3-ubyte": idxFile([]uint32{1, 1, 1}, 9)},
	} {
		var missing *data.NoPartError
		if _, err := data.Open(tree(t, files), data.Val); !errors.As(err, &missing) || missing.Part != data.Val {
			t.Errorf("%v is no NoPartError", err)
		}
	}
}

func TestBadItemsNameTheirFile(t *testing.T) {
	root := tree(t, map[string][]byte{"a/broken.png": []byte("no picture"), "a/broken.npy": []byte("no array")})
	set := open(t, root, data.Train)
	for i := range set.Len() {
		if _, err := set.Item(i); err == nil || !strings.Contains(err.Error(), set.File(i)) || set.File(i) == "" {
			t.Errorf("the error %v does not name %s", err, set.File(i))
		}
	}
}

func TestDivide(t *testing.T) {
	files := map[string][]byte{}
	for i := range 20 {
		files[fmt.Sprintf("c%d/%02d.png", i%2, i)] = picture(uint8(i))
	}
	set := open(t, tree(t, files), data.Train)
	train, val, err := set.Divide(0.15, 7)
	if err != nil {
		t.Fatal(err)
	}
	if train.Len() != 17 || val.Len() != 3 || train.Part() != data.Train || val.Part() != data.Val {
		t.Errorf("%d %s and %d %s items", train.Len(), train.Part(), val.Len(), val.Part())
	}
	all := strings.Fields(contents(t, train) + " " + contents(t, val))
	slices.Sort(all)
	want := strings.Fields(contents(t, set))
	slices.Sort(want)
	if !slices.Equal(all, want) {
		t.Errorf("the parts together hold %v, want %v", all, want)
	}
	_, again, _ := set.Divide(0.15, 7)
	_, other, _ := set.Divide(0.15, 8)
	if contents(t, again) != contents(t, val) || contents(t, other) == contents(t, val) {
		t.Error("the division does not follow the seed")
	}
	inner, _, err := train.Divide(0.5, 1)
	if err != nil {
		t.Fatal(err)
	}
	for i := range inner.Len() {
		if slices.Contains(strings.Fields(contents(t, val)), strings.Fields(contents(t, inner))[i]) {
			t.Error("a part of a part holds items of the other part")
		}
	}
	for _, bad := range []float64{0, 1, -1} {
		if _, _, err := set.Divide(bad, 1); err == nil {
			t.Errorf("a fraction of %v was taken", bad)
		}
	}
}

func TestCheckClasses(t *testing.T) {
	set := open(t, tree(t, map[string][]byte{"a/1.png": nil, "b/1.png": nil}), data.Train)
	if err := set.CheckClasses(2); err != nil {
		t.Error(err)
	}
	var wrong *data.ClassCountError
	err := set.CheckClasses(3)
	if !errors.As(err, &wrong) || !strings.Contains(err.Error(), "2 classes") || !strings.Contains(err.Error(), "3 wide") || !strings.Contains(err.Error(), "background") {
		t.Errorf("%v", err)
	}
	flat := open(t, tree(t, map[string][]byte{"1.png": nil}), data.Train)
	if err := flat.CheckClasses(10); err != nil {
		t.Errorf("a set without labels: %v", err)
	}
}

func TestItemsAreViews(t *testing.T) {
	root := tree(t, map[string][]byte{"images.npy": npyFile("<f4", "2,1", 0, 0, 128, 63, 0, 0, 0, 64)})
	item, err := open(t, root, data.Train).Item(1)
	if err != nil {
		t.Fatal(err)
	}
	if got := tensor.Slice[float32](item.Tensor); item.Tensor.String() != "float32[1 1]" || got[0] != 2 {
		t.Errorf("%v %v", item.Tensor, got)
	}
}

func TestEmptyClasses(t *testing.T) {
	root := tree(t, map[string][]byte{"classes.txt": []byte("c\nb\na\nd\n"), "a/1.png": nil, "b/notes.txt": nil, "c/2.png": nil})
	set := open(t, root, data.Train)
	if got := set.EmptyClasses(); !slices.Equal(got, []string{"b"}) {
		t.Errorf("empty classes %v, want b: d has no folder", got)
	}
	if set.Len() != 2 || len(set.Classes()) != 4 {
		t.Errorf("%d items of %d classes, want 2 of 4", set.Len(), len(set.Classes()))
	}
	train, val, err := set.Divide(0.5, 1)
	if err != nil {
		t.Fatal(err)
	}
	if len(train.EmptyClasses()) != 1 || len(val.EmptyClasses()) != 1 {
		t.Error("a part of the set does not tell its empty classes")
	}
}

// TestRead reads with one Reader what Item reads, and counts what an image in
// memory costs.
func TestRead(t *testing.T) {
	root := tree(t, map[string][]byte{"1.png": picture(7), "2.png": picture(200), "3.npy": npyFile("<f4", "1", 0, 0, 128, 63)})
	set := open(t, root, data.Train)
	var r data.Reader
	for _, i := range []int{1, 0, 2, 1} {
		got, err := set.Read(i, &r)
		if err != nil {
			t.Fatal(err)
		}
		want, err := set.Item(i)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("item %d: %v, want %v", i, got, want)
		}
	}
	root = tree(t, map[string][]byte{"images-idx3-ubyte": idxFile([]uint32{2, 1, 2}, 1, 2, 3, 4)})
	set = open(t, root, data.Train)
	allocs := testing.AllocsPerRun(10, func() {
		item, err := set.Read(1, &r)
		if err != nil || item.Image.(*image.Gray).Pix[1] != 4 {
			t.Errorf("%v, %v", item, err)
		}
	})
	if allocs != 0 {
		t.Errorf("%v allocations for an image in memory", allocs)
	}
}

// TestAs gives classes other places by their names.
func TestAs(t *testing.T) {
	set := open(t, tree(t, map[string][]byte{"b/0.png": picture(1), "d/0.png": picture(2), "d/1.png": picture(3), "x.png": picture(4)}), data.Train)
	if set.Len() != 3 {
		t.Errorf("%d items", set.Len())
	}
	labels := func(s *data.Set) (list []int) {
		for i := range s.Len() {
			list = append(list, s.Label(i))
		}
		return list
	}
	four, err := set.As([]string{"d", "c", "b", "a"})
	if err != nil || !slices.Equal(labels(four), []int{2, 0, 0}) || len(four.Classes()) != 4 || !slices.Equal(labels(set), []int{0, 1, 1}) {
		t.Fatalf("%v, %v: %v", labels(four), four.Classes(), err)
	}
	again, err := four.Select([]int{2, 0}).As([]string{"a", "b", "c", "d", "e"})
	if err != nil || !slices.Equal(labels(again), []int{3, 1}) {
		t.Errorf("%v: %v", labels(again), err)
	}
	if _, err := set.As([]string{"a", "b"}); err == nil || !strings.Contains(err.Error(), `"d"`) {
		t.Errorf("%v", err)
	}
	if none := set.Unlabelled(); none.Labelled() || none.Len() != 3 {
		t.Errorf("%v", none.Classes())
	}
}
