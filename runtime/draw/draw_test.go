package draw

import (
	"image"
	"image/color"
	"math"
	"testing"

	"github.com/bottlenet/bnc/runtime/imagein"
	"github.com/bottlenet/bnc/runtime/task"
)

// grey is a picture of one grey.
func grey(w, h int) *image.Gray {
	img := image.NewGray(image.Rect(0, 0, w, h))
	for i := range img.Pix {
		img.Pix[i] = 100
	}
	return img
}

// TestBoxes: a box's lines are where the box is, on a picture that is shrunk too; nothing
// is drawn within, and a box outside the picture or of NaN draws nothing that panics.
func TestBoxes(t *testing.T) {
	for _, size := range []image.Point{{400, 300}, {2560, 1920}, {40, 30}} {
		w, h := float64(size.X), float64(size.Y)
		seen := task.Seen{Boxes: []task.Box{
			{X0: w / 4, Y0: h / 2, X1: w / 2, Y1: 0.9 * h, Class: 7, Label: "cat", Score: 0.9, Points: [][2]float64{{0.75 * w, 0.5 * h}}},
			{X0: -w, Y0: -h, X1: 3 * w, Y1: 3 * h, Class: 1}, {X0: math.NaN(), Y1: math.Inf(1), Class: 2},
		}}
		img := Answer(grey(size.X, size.Y), imagein.Frame{}, seen, nil)
		got := img.Bounds().Size()
		at := func(x, y float64) color.RGBA { return img.RGBAAt(int(x*float64(got.X)), int(y*float64(got.Y))) }
		in := 1.5 / float64(got.Y) // lines are two pixels wide or more
		for name, p := range map[string][2]float64{"left": {0.25 + in/2, 0.75}, "bottom": {0.4, 0.9 - in}, "right": {0.5 - in, 0.75}, "landmark": {0.75, 0.5}} {
			if c := at(p[0], p[1]); c != Colour(7) {
				t.Errorf("%v: %s is %v, expected %v", size, name, c, Colour(7))
			}
		}
		for _, p := range [][2]float64{{0.37, 0.7}, {0.9, 0.9}} {
			if c := at(p[0], p[1]); c != (color.RGBA{100, 100, 100, 255}) {
				t.Errorf("%v: %v is %v, expected the picture", size, p, c)
			}
		}
	}
}

// TestMask: a mask lies where the frame says that the model's input lies: here on the middle
// half of a wide picture.
func TestMask(t *testing.T) {
	mask := &task.Mask{Width: 2, Height: 2, Classes: []uint8{1, 0, 0, 2}}
	frame := imagein.Frame{Picture: image.Pt(400, 200), Input: image.Pt(100, 100), ScaleX: 0.5, ScaleY: 0.5, OffsetX: -50}
	img := Answer(grey(400, 200), frame, task.Seen{Mask: mask}, nil)
	mixed := func(class int) color.RGBA {
		c := Colour(class)
		mix := func(a uint8) uint8 { return uint8(50 + float64(a)/2) }
		return color.RGBA{mix(c.R), mix(c.G), mix(c.B), 255}
	}
	plain := color.RGBA{100, 100, 100, 255}
	for p, want := range map[image.Point]color.RGBA{
		{10, 50}: plain, {390, 150}: plain, // outside of what the model saw
		{150, 50}: mixed(1), {199, 99}: mixed(1), {250, 50}: plain, {150, 150}: plain, {250, 150}: mixed(2), {201, 101}: mixed(2),
	} {
		if got := img.RGBAAt(p.X, p.Y); got != want {
			t.Errorf("%v: %v, expected %v", p, got, want)
		}
	}
}

// TestBeside: panels are beside one another, with their titles and lines.
func TestBeside(t *testing.T) {
	left, right := Answer(grey(400, 300), imagein.Frame{}, task.Seen{}, nil), Answer(grey(320, 500), imagein.Frame{}, task.Seen{}, []string{"a", "b"})
	if left.Bounds().Size() != image.Pt(400, 300) || right.Bounds().Dy() <= 500 {
		t.Errorf("%v, %v", left.Bounds(), right.Bounds())
	}
	img := Beside(Panel{"whole", left}, Panel{"split", right})
	if size := img.Bounds().Size(); size.X != 400+8+320 || size.Y <= right.Bounds().Dy() {
		t.Errorf("%v", size)
	}
	dark := 0 // of the titles
	for x := range 200 {
		for y := range img.Bounds().Dy() - right.Bounds().Dy() {
			if img.RGBAAt(x, y).R < 100 {
				dark++
			}
		}
	}
	if dark == 0 {
		t.Error("there is no title")
	}
}

// TestColours: classes whose numbers are near have colours that can be told apart.
func TestColours(t *testing.T) {
	for class := range 100 {
		for near := class + 1; near < class+4; near++ {
			a, b := Colour(class), Colour(near)
			if d := math.Hypot(float64(a.R)-float64(b.R), math.Hypot(float64(a.G)-float64(b.G), float64(a.B)-float64(b.B))); d < 60 {
				t.Errorf("classes %d and %d: %v and %v", class, near, a, b)
			}
		}
	}
}
