package detect

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/bottlenet/bnc/internal/fault"
)

// Annotations are what is in pictures, as COCO's JSON tells it.
type Annotations struct {
	file       string
	categories []category // by id
	pictures   []picture  // by id
	byName     map[string][]int
}

type category struct {
	ID   *int64 `json:"id"`
	Name string `json:"name"`
}

type picture struct {
	ID            *int64 `json:"id"`
	Name          string `json:"file_name"`
	Width, Height float64
	things        []thing
}

// thing is a box of a category, by its place in categories.
type thing struct {
	category       int
	x0, y0, x1, y1 float64
	crowd          bool
}

type annotation struct {
	ID       int64     `json:"id"`
	Image    *int64    `json:"image_id"`
	Category *int64    `json:"category_id"`
	Box      []float64 `json:"bbox"`
	Crowd    int       `json:"iscrowd"`
}

// How much of a file is read.
const (
	mostBytes  = 2 << 30
	mostThings = 20_000_000
)

// ReadAnnotations reads a file of COCO's: images, annotations with a bbox (x, y, width,
// height in pixels of the upright picture), categories. Anything else in it is passed over.
// The error is a fault.DataError.
func ReadAnnotations(file string) (*Annotations, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, fault.Unusable("option annotations: %w", err)
	}
	defer f.Close()
	a, err := readAnnotations(io.LimitReader(f, mostBytes))
	if err != nil {
		return nil, fault.Unusable("option annotations: %s: %w", file, err)
	}
	a.file = file
	return a, nil
}

func readAnnotations(r io.Reader) (*Annotations, error) {
	a := &Annotations{byName: map[string][]int{}}
	var all []annotation
	in := json.NewDecoder(r)
	if err := expect(in, json.Delim('{')); err != nil {
		return nil, err
	}
	for in.More() {
		key, err := in.Token()
		if err != nil {
			return nil, wrongJSON(in, err)
		}
		switch key {
		case "images":
			err = each(in, "image", func(p picture) { a.pictures = append(a.pictures, p) })
		case "categories":
			err = each(in, "category", func(c category) { a.categories = append(a.categories, c) })
		case "annotations":
			err = each(in, "annotation", func(x annotation) { all = append(all, x) })
		default:
			var passed json.RawMessage
			err = in.Decode(&passed)
		}
		if err != nil {
			return nil, wrongJSON(in, err)
		}
	}
	if err := expect(in, json.Delim('}')); err != nil {
		return nil, err
	}
	return a, a.join(all)
}

func expect(in *json.Decoder, want json.Delim) error {
	token, err := in.Token()
	if err == nil && token != want {
		err = fmt.Errorf("%v: expected %v", token, want)
	}
	if err != nil {
		return wrongJSON(in, err)
	}
	return nil
}

func wrongJSON(in *json.Decoder, err error) error {
	return fmt.Errorf("expected COCO's JSON, {\"images\": [...], \"annotations\": [...], \"categories\": [...]}: at byte %d: %w", in.InputOffset(), err)
}

// each reads an array, an element at a time.
func each[T any](in *json.Decoder, what string, add func(T)) error {
	if err := expect(in, json.Delim('[')); err != nil {
		return err
	}
	for n := 0; in.More(); n++ {
		var x T
		if err := in.Decode(&x); err != nil {
			return fmt.Errorf("%s %d: %w", what, n, err)
		}
		if n == mostThings {
			return fmt.Errorf("more than %d of them", mostThings)
		}
		add(x)
	}
	return expect(in, json.Delim(']'))
}

// join gives the pictures what is annotated of them, and orders pictures and categories by
// their ids.
func (a *Annotations) join(all []annotation) error {
	pictures, err := byID("image", a.pictures, func(p picture) *int64 { return p.ID })
	if err != nil {
		return err
	}
	categories, err := byID("category", a.categories, func(c category) *int64 { return c.ID })
	if err != nil {
		return err
	}
	if len(a.pictures) == 0 || len(a.categories) == 0 {
		return fmt.Errorf("%d images and %d categories: expected at least one of each", len(a.pictures), len(a.categories))
	}
	for i, x := range all {
		fail := func(format string, args ...any) error {
			return fmt.Errorf("annotation %d (id %d): %s", i, x.ID, fmt.Sprintf(format, args...))
		}
		switch {
		case x.Image == nil:
			return fail("no image_id")
		case x.Category == nil:
			return fail("no category_id")
		case len(x.Box) != 4 || !finite(x.Box...) || x.Box[2] < 0 || x.Box[3] < 0:
			return fail("bbox %v: expected x, y, width and height", x.Box)
		}
		p, ok := pictures[*x.Image]
		if !ok {
			return fail("there is no image of the id %d", *x.Image)
		}
		c, ok := categories[*x.Category]
		if !ok {
			return fail("there is no category of the id %d", *x.Category)
		}
		a.pictures[p].things = append(a.pictures[p].things, thing{c, x.Box[0], x.Box[1], x.Box[0] + x.Box[2], x.Box[1] + x.Box[3], x.Crowd != 0})
	}
	for i, p := range a.pictures {
		if p.Name == "" {
			return fmt.Errorf("image %d has no file_name", *p.ID)
		}
		if !finite(p.Width, p.Height) || p.Width < 0 || p.Height < 0 {
			return fmt.Errorf("image %d: %v x %v", *p.ID, p.Width, p.Height)
		}
		base := path.Base(filepath.ToSlash(p.Name))
		a.byName[base] = append(a.byName[base], i)
	}
	return nil
}

// byID orders things by their ids and returns the place of each.
func byID[T any](what string, all []T, id func(T) *int64) (map[int64]int, error) {
	for i, x := range all {
		if id(x) == nil {
			return nil, fmt.Errorf("%s %d has no id", what, i)
		}
	}
	slices.SortStableFunc(all, func(a, b T) int { return cmp.Compare(*id(a), *id(b)) })
	places := make(map[int64]int, len(all))
	for i, x := range all {
		if _, twice := places[*id(x)]; twice {
			return nil, fmt.Errorf("two of %s have the id %d", what, *id(x))
		}
		places[*id(x)] = i
	}
	return places, nil
}

// Picture returns the place, in the order of their ids, of the picture that an image file is.
// They are told by file_name: by its last part, and where several have that by more of it.
func (a *Annotations) Picture(file string) (int, error) {
	name := filepath.ToSlash(file)
	same := a.byName[path.Base(name)]
	if len(same) == 1 {
		return same[0], nil
	}
	found := -1
	for _, i := range same {
		if want := path.Clean(filepath.ToSlash(a.pictures[i].Name)); name == want || strings.HasSuffix(name, "/"+strings.TrimPrefix(want, "/")) {
			if found >= 0 {
				return 0, fault.Unusable("option annotations: %s has %s twice", a.file, want)
			}
			found = i
		}
	}
	if found < 0 {
		return 0, fault.Unusable("option annotations: %s is none of the %d images of %s, as %s", file, len(a.pictures), a.file, a.pictures[0].Name)
	}
	return found, nil
}

// Size is that of a picture as the file says it; 0, 0 where it does not.
func (a *Annotations) Size(picture int) (width, height float64) {
	return a.pictures[picture].Width, a.pictures[picture].Height
}

// ClassesBy gives each category its class: by its name among labels, else by its place
// among as many classes. Classes is how many there are, 0 for unknown. Categories of another
// name than any label are left out, -1.
func (a *Annotations) ClassesBy(labels []string, classes int) ([]int, error) {
	plain := func(s string) string {
		return strings.Join(strings.FieldsFunc(strings.ToLower(s), func(r rune) bool { return r == ' ' || r == '_' || r == '-' }), " ")
	}
	at := map[string]int{}
	for i, l := range labels {
		if _, twice := at[plain(l)]; !twice {
			at[plain(l)] = i
		}
	}
	of, named := make([]int, len(a.categories)), 0
	for i, c := range a.categories {
		class, ok := at[plain(c.Name)]
		if !ok {
			class = -1
		} else {
			named++
		}
		of[i] = class
	}
	if named > 0 {
		return of, nil
	}
	if n := max(classes, len(labels)); n > 0 && n != len(a.categories) {
		return nil, fault.Unusable("option annotations: none of the %d categories of %s, as %q, is among the labels, and the model has %d classes",
			len(a.categories), a.file, a.categories[0].Name, n)
	}
	for i := range of {
		of[i] = i
	}
	return of, nil
}

// Truths are what is in a picture, with the classes of categories.
func (a *Annotations) Truths(picture int, classes []int) (truths []Truth) {
	for _, t := range a.pictures[picture].things {
		if class := classes[t.category]; class >= 0 {
			truths = append(truths, Truth{Box: Box{X0: t.x0, Y0: t.y0, X1: t.x1, Y1: t.y1, Class: class}, Crowd: t.crowd})
		}
	}
	return truths
}
