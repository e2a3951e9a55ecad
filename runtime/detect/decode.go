package detect

import (
	"errors"
	"fmt"
	"image"
	"math"
	"slices"

	"github.com/bottlenet/bnc/runtime/tensor"
)

// Outputs finds an output by its name.
type Outputs func(name string) (*tensor.Tensor, error)

// Decode returns the boxes of each image of a batch with at least a score, best first, in
// pixels of the model's input, which is of a size; 0, 0 where that is not known. Images is
// how many there are, which outputs without an axis of images do not tell; 0 for unknown.
func (d *Decoder) Decode(outputs Outputs, size image.Point, images int, score float64) ([][]Box, error) {
	r, err := d.open(outputs, size)
	if err != nil {
		return nil, fmt.Errorf("decoder %s: %w", d.Name, err)
	}
	found := make([][]Box, max(images, r.images))
	if !r.batched && d.Image == nil && d.Count == "" && images > 1 {
		return nil, fmt.Errorf("decoder %s: output %q is of one image, of a batch of %d", d.Name, d.Boxes.Outputs[0], images)
	}
	for n := range r.images {
		for i := range r.candidates {
			if r.counts != nil && r.batched && i >= r.counts[n] {
				break
			}
			at, err := r.owner(n, i, len(found))
			if err != nil {
				return nil, fmt.Errorf("decoder %s: %w", d.Name, err)
			}
			if at < 0 {
				continue
			}
			for at >= len(found) {
				found = append(found, nil)
			}
			if found[at], err = r.candidate(found[at], n, i, score); err != nil {
				return nil, fmt.Errorf("decoder %s: candidate %d of image %d: %w", d.Name, i, at, err)
			}
		}
	}
	for n := range found {
		found[n] = Suppress(found[n], d.IoU, d.Most, d.Agnostic)
	}
	return found, nil
}

// reader reads candidates.
type reader struct {
	*Decoder
	boxes, objectness, classes, class, image, turned, points *column
	counts                                                   []int
	images, candidates                                       int
	batched                                                  bool
	size                                                     image.Point
	places                                                   []place
	known                                                    bool // the size is
	scores                                                   []float64
}

// place is where a candidate is, in pixels of the input.
type place struct{ x, y, strideX, strideY, width, height float64 }

// column is a part, over all its outputs.
type column struct {
	levels     []level
	candidates int
	images     int
	batched    bool
	width      int // numbers of a candidate
	activate   func(float64) float64
	softmax    bool
	power      float64
}

// level is an output of a part.
type level struct {
	values        []float32
	image, cells  int // elements of an image; cells
	anchors       int // of a cell
	inner, group  int // elements behind the axis; numbers of a candidate
	channels      int // of the axis
	from          int
	outside       bool // the anchors are an axis of their own before the cells'
	height, width int  // of the cells, 0 where they are in one row
}

// at is where the first number of a candidate is, and how far apart its numbers are.
func (l *level) at(n, i int) (offset, step int) {
	cell, a := i/l.anchors, i%l.anchors
	if l.outside {
		cell, a = a*l.cells+cell, 0
	}
	return n*l.image + cell/l.inner*l.channels*l.inner + (a*l.group+l.from)*l.inner + cell%l.inner, l.inner
}

// row finds candidate i of image n.
func (c *column) row(n, i int) (values []float32, offset, step int) {
	for k := range c.levels {
		l := &c.levels[k]
		if i < l.cells*l.anchors {
			offset, step = l.at(n, i)
			return l.values, offset, step
		}
		i -= l.cells * l.anchors
	}
	panic("BUG: a candidate that there is not")
}

// number is a part's only number, activated.
func (c *column) number(n, i int) float64 {
	values, offset, _ := c.row(n, i)
	return c.activate(float64(values[offset]))
}

// open finds all parts.
func (d *Decoder) open(outputs Outputs, size image.Point) (r *reader, err error) {
	r = &reader{Decoder: d, size: size, known: size != image.Point{}}
	if r.boxes, err = d.column(outputs, &d.Boxes.Part, max(1, d.Boxes.Bins)*4); err != nil {
		return nil, err
	}
	r.images, r.candidates, r.batched = r.boxes.images, r.boxes.candidates, r.boxes.batched
	for _, p := range []struct {
		part  *Part
		into  **column
		width int
	}{
		{d.Objectness, &r.objectness, 1}, {d.Classes, &r.classes, 0}, {d.Class, &r.class, 1}, {d.Image, &r.image, 1}, {d.Turned, &r.turned, 1},
		{d.landmarks(), &r.points, 0},
	} {
		if p.part == nil {
			continue
		}
		c, err := d.column(outputs, p.part, p.width)
		if err != nil {
			return nil, err
		}
		if c.candidates != r.candidates || c.images != r.images {
			return nil, fmt.Errorf("output %q has %d candidates of %d images, and output %q, of the boxes, %d of %d",
				p.part.Outputs[0], c.candidates, c.images, d.Boxes.Outputs[0], r.candidates, r.images)
		}
		*p.into = c
	}
	if r.points != nil && r.points.width%d.Landmarks.each() != 0 {
		return nil, fmt.Errorf("output %q: %d numbers of landmarks of %d each", d.Landmarks.Outputs[0], r.points.width, d.Landmarks.each())
	}
	if d.Count != "" {
		if err := r.count(outputs); err != nil {
			return nil, err
		}
	}
	if d.Boxes.placed() {
		if r.places, err = r.findPlaces(); err != nil {
			return nil, err
		}
	}
	if !r.known && slices.Contains([]string{d.Boxes.Unit, d.Boxes.SizeUnit}, ofInput) {
		return nil, errors.New("boxes are shares of the input, whose size is not known")
	}
	if r.classes != nil {
		r.scores = make([]float64, r.classes.width)
	}
	return r, nil
}

func (d *Decoder) landmarks() *Part {
	if d.Landmarks == nil {
		return nil
	}
	return &d.Landmarks.Part
}

func (l *Landmarks) each() int { return max(2, l.Each) }

// count reads how many candidates count.
func (r *reader) count(outputs Outputs) error {
	t, err := outputs(r.Count)
	if err != nil {
		return err
	}
	numbers, err := t.Floats()
	if err != nil {
		return fmt.Errorf("output %q: %w", r.Count, err)
	}
	if r.batched && len(numbers) != r.images {
		return fmt.Errorf("output %q %v: expected a number for each of %d images", r.Count, t, r.images)
	}
	sum := 0
	for _, v := range numbers {
		if !(v >= 0 && v <= float64(r.candidates)) {
			return fmt.Errorf("output %q: %v of %d candidates", r.Count, v, r.candidates)
		}
		r.counts = append(r.counts, int(v))
		sum += int(v)
	}
	if !r.batched && sum > r.candidates {
		return fmt.Errorf("output %q counts %d of %d candidates", r.Count, sum, r.candidates)
	}
	return nil
}

// owner is the image of the batch that a candidate is of, -1 for none; limit is how many
// images there are, 0 for unknown.
func (r *reader) owner(n, i, limit int) (int, error) {
	switch {
	case r.image != nil:
		v := r.image.number(n, i)
		if v == -1 { // padding
			return -1, nil
		}
		if !(v >= 0 && v < float64(max(limit, 1<<20))) || v != math.Trunc(v) || limit > 1 && int(v) >= limit {
			return 0, fmt.Errorf("output %q: candidate %d is of image %v of %d", r.Image.Outputs[0], i, v, limit)
		}
		return int(v), nil
	case r.counts != nil && !r.batched: // one image's candidates behind another's
		for at, count := range r.counts {
			if i < count {
				return at, nil
			}
			i -= count
		}
		return -1, nil
	}
	return n, nil
}

// column opens a part of so many numbers, 0 for any.
func (d *Decoder) column(outputs Outputs, p *Part, width int) (*column, error) {
	c := &column{activate: activations[p.Activation], softmax: p.Activation == "softmax", power: p.Power}
	if c.power == 0 {
		c.power = 1
	}
	for k, name := range p.Outputs {
		t, err := outputs(name)
		if err != nil {
			return nil, err
		}
		l, images, batched, err := d.level(p, t, d.Grid.anchors(k, len(p.Outputs)))
		if err != nil {
			return nil, fmt.Errorf("output %q %v: %w", name, t, err)
		}
		end := p.To
		if end == 0 {
			end = l.group
		}
		n := end - p.From
		switch {
		case end > l.group || n < 1:
			return nil, fmt.Errorf("output %q %v: it has %d numbers a candidate, expected at least %d", name, t, l.group, max(end, p.From+1))
		case width > 0 && n != width:
			return nil, fmt.Errorf("output %q %v: %d numbers a candidate, %d to %d, expected %d", name, t, n, p.From, end, width)
		case k > 0 && (n != c.width || images != c.images):
			return nil, fmt.Errorf("output %q %v: expected %d numbers a candidate of %d images as in output %q", name, t, c.width, c.images, p.Outputs[0])
		}
		c.levels, c.width, c.images, c.batched = append(c.levels, l), n, images, batched
		c.candidates += l.cells * l.anchors
	}
	return c, nil
}

// anchors is how many candidates a cell of an output's level has. Joined levels in one
// output, and outputs without a grid, are rows of candidates.
func (g *Grid) anchors(k, outputs int) int {
	if g == nil || max(1, len(g.Strides)) != outputs {
		return 1
	}
	return g.repeat(k)
}

// repeat is how many candidates a cell of level k has.
func (g *Grid) repeat(k int) int {
	switch {
	case len(g.Anchors) > 0:
		return len(g.Anchors[k])
	case len(g.Repeat) > 0:
		return g.Repeat[k]
	}
	return 1
}

// level tells where the numbers of a part are in an output of so many anchors a cell.
func (d *Decoder) level(p *Part, t *tensor.Tensor, anchors int) (l level, images int, batched bool, err error) {
	shape := t.Shape
	if l.values, err = t.Float32s(); err != nil {
		return l, 0, false, err
	}
	batched = len(shape) > 2
	if p.Flat {
		if batched = len(shape) == 2; len(shape) == 0 || len(shape) > 2 {
			return l, 0, false, errors.New("expected [N M] or [M]")
		}
		shape = append(slices.Clone(shape), 1)
	}
	if !batched {
		shape = append([]int64{1}, shape...)
	}
	axis := p.Axis
	if axis == 0 || !batched {
		axis = len(shape) - 1
	}
	if len(shape) < 3 || axis < 1 || axis >= len(shape) {
		return l, 0, false, fmt.Errorf("expected an axis %d of a candidate's numbers", p.Axis)
	}
	l.inner, l.cells, l.anchors, l.from, l.channels = 1, 1, 1, p.From, int(shape[axis])
	for k := 1; k < len(shape); k++ {
		if k > axis {
			l.inner *= int(shape[k])
		}
		if k != axis {
			l.cells *= int(shape[k])
		}
	}
	l.image = l.cells * l.channels
	l.group = l.channels
	var grid []int64
	switch rest := slices.Delete(slices.Clone(shape[1:]), axis-1, axis); {
	case len(rest) == 2: // [N C H W], [N H W C]
		grid = rest
		if l.channels%anchors != 0 {
			return l, 0, false, fmt.Errorf("%d numbers of %d anchors a cell", l.channels, anchors)
		}
		l.anchors, l.group = anchors, l.channels/anchors
	case len(rest) == 3 && int(rest[0]) == anchors: // [N anchors H W C]
		grid, l.outside = rest[1:], true
		l.anchors, l.cells = anchors, int(rest[1]*rest[2])
	}
	if grid != nil {
		l.height, l.width = int(grid[0]), int(grid[1])
	}
	return l, int(shape[0]), batched, nil
}

// findPlaces returns where the candidates are.
func (r *reader) findPlaces() (places []place, err error) {
	g := r.Grid
	w, h := float64(r.size.X), float64(r.size.Y)
	if len(g.Places) > 0 {
		if !r.known {
			return nil, errors.New("places are shares of the input, whose size is not known")
		}
		for _, p := range g.Places {
			places = append(places, place{x: p[0] * w, y: p[1] * h, width: p[2] * w, height: p[3] * h})
		}
		return places, r.counted(places)
	}
	for k := range max(1, len(g.Strides)) {
		var l *level
		if len(r.boxes.levels) == max(1, len(g.Strides)) && r.boxes.levels[k].width > 0 {
			l = &r.boxes.levels[k]
		}
		var strideX, strideY float64
		var columns, rows int
		switch {
		case len(g.Strides) > 0:
			strideX, strideY = g.Strides[k], g.Strides[k]
			if l == nil && !r.known {
				return nil, errors.New("the size of the input is not known, by which its cells are counted")
			}
			columns, rows = int(math.Ceil(w/strideX)), int(math.Ceil(h/strideY))
			if l != nil {
				columns, rows = l.width, l.height
				if !r.known { // as far as cells reach
					r.known, r.size = true, image.Pt(int(math.Round(float64(columns)*strideX)), int(math.Round(float64(rows)*strideY)))
					w, h = float64(r.size.X), float64(r.size.Y)
				}
			}
		case l == nil || !r.known:
			return nil, errors.New("expected strides of the grid, or maps as outputs and an input of known size")
		default:
			columns, rows = l.width, l.height
			strideX, strideY = w/float64(columns), h/float64(rows)
		}
		for y := range rows {
			for x := range columns {
				for a := range g.repeat(k) {
					p := place{(float64(x) + g.Shift) * strideX, (float64(y) + g.Shift) * strideY, strideX, strideY, 0, 0}
					if len(g.Anchors) > 0 {
						p.width, p.height = g.Anchors[k][a][0], g.Anchors[k][a][1]
					}
					places = append(places, p)
				}
				if len(places) > r.candidates {
					return nil, r.counted(places)
				}
			}
		}
	}
	return places, r.counted(places)
}

// counted fails where there are other places than candidates.
func (r *reader) counted(places []place) error {
	if len(places) == r.candidates {
		return nil
	}
	return fmt.Errorf("output %q has %d candidates, the grid of an input of %d x %d others", r.Boxes.Outputs[0], r.candidates, r.size.X, r.size.Y)
}

// candidate appends the boxes of a candidate.
func (r *reader) candidate(found []Box, n, i int, least float64) ([]Box, error) {
	score := 1.0
	if r.objectness != nil {
		score = raised(r.objectness.number(n, i), r.objectness.power)
	}
	if math.IsNaN(score) {
		return nil, errors.New("the scores hold NaN")
	}
	if r.classes == nil {
		class := 0
		if r.class != nil {
			v := r.class.number(n, i)
			if score < least {
				return found, nil
			}
			if !(math.Abs(v) < 1<<31) {
				return nil, fmt.Errorf("class %v", v)
			}
			class = int(math.Round(v))
		}
		if score < least || class < r.First {
			return found, nil
		}
		return r.append(found, n, i, class, score)
	}
	best, err := r.score(n, i)
	if err != nil {
		return nil, err
	}
	for class, s := range r.scores {
		if !r.Every && class != best || r.nothing(class) {
			continue
		}
		if s = score * raised(s, r.classes.power); s < least {
			continue
		}
		if found, err = r.append(found, n, i, class, s); err != nil {
			return nil, err
		}
	}
	return found, nil
}

func raised(x, power float64) float64 {
	if power == 1 {
		return x
	}
	return math.Pow(x, power)
}

// nothing tells whether a class is none that is told.
func (r *reader) nothing(class int) bool {
	return class < r.First || r.Background != nil && class == *r.Background
}

// score reads the classes of a candidate, and finds the best.
func (r *reader) score(n, i int) (best int, err error) {
	values, offset, step := r.classes.row(n, i)
	best = -1
	for class := range r.scores {
		v := float64(values[offset+class*step])
		if v != v {
			return 0, errors.New("the scores hold NaN")
		}
		r.scores[class] = v
		if !r.nothing(class) && (best < 0 || v > r.scores[best]) {
			best = class
		}
	}
	if r.classes.softmax {
		softmax(r.scores)
		return best, nil
	}
	if r.Every {
		for class, v := range r.scores {
			r.scores[class] = r.classes.activate(v)
		}
	} else if best >= 0 {
		r.scores[best] = r.classes.activate(r.scores[best])
	}
	return best, nil
}

func softmax(x []float64) {
	high, sum := slices.Max(x), 0.0
	for i, v := range x {
		x[i] = math.Exp(v - high)
		sum += x[i]
	}
	for i := range x {
		x[i] /= sum
	}
}

// append adds the box of a candidate.
func (r *reader) append(found []Box, n, i, class int, score float64) ([]Box, error) {
	b := Box{Score: score, Class: class - r.First}
	var at place
	if r.places != nil {
		at = r.places[i]
	}
	v := r.numbers(n, i)
	if r.Boxes.YX {
		v[0], v[1], v[2], v[3] = v[1], v[0], v[3], v[2]
	}
	ux, uy := r.unit(r.Boxes.Unit, at)
	switch r.Boxes.Form {
	case corner:
		b.X0, b.Y0, b.X1, b.Y1 = v[0]*ux, v[1]*uy, v[2]*ux, v[3]*uy
	case distance:
		b.X0, b.Y0, b.X1, b.Y1 = at.x-v[0]*ux, at.y-v[1]*uy, at.x+v[2]*ux, at.y+v[3]*uy
	default: // centre, anchor
		x, y := at.x+v[0]*ux, at.y+v[1]*uy
		if r.Boxes.SizeUnit != "" {
			ux, uy = r.unit(r.Boxes.SizeUnit, at)
		}
		w, h := v[2]*ux, v[3]*uy
		if r.turned != nil {
			sin, cos := math.Sincos(r.turned.number(n, i))
			w, h = math.Abs(w*cos)+math.Abs(h*sin), math.Abs(w*sin)+math.Abs(h*cos)
		}
		b.X0, b.Y0, b.X1, b.Y1 = x-w/2, y-h/2, x+w/2, y+h/2
	}
	if math.IsNaN(b.X0 + b.Y0 + b.X1 + b.Y1) {
		return nil, errors.New("the boxes hold NaN")
	}
	if r.points != nil {
		values, offset, step := r.points.row(n, i)
		ux, uy := r.unit(r.Boxes.Unit, at)
		for k := 0; k < r.points.width; k += r.Landmarks.each() {
			x, y := r.points.activate(float64(values[offset+k*step])), r.points.activate(float64(values[offset+(k+1)*step]))
			b.Points = append(b.Points, [2]float64{at.x + x*ux, at.y + y*uy})
		}
	}
	return append(found, b), nil
}

// unit is how many pixels one is, in both directions.
func (r *reader) unit(unit string, at place) (x, y float64) {
	switch unit {
	case ofInput:
		return float64(r.size.X), float64(r.size.Y)
	case ofStride:
		return at.strideX, at.strideY
	case ofAnchor:
		return at.width, at.height
	}
	return 1, 1
}

// numbers are the four of a candidate's box, activated.
func (r *reader) numbers(n, i int) (v [4]float64) {
	values, offset, step := r.boxes.row(n, i)
	if bins := r.Boxes.Bins; bins > 0 {
		share := make([]float64, bins)
		for k := range v {
			for j := range share {
				share[j] = float64(values[offset+(k*bins+j)*step])
			}
			softmax(share)
			for j, p := range share {
				v[k] += float64(j) * p
			}
		}
		return v
	}
	size := r.boxes.activate
	if r.Boxes.SizeActivation != "" {
		size = activations[r.Boxes.SizeActivation]
	}
	for k := range v {
		x := float64(values[offset+k*step])
		activate := r.boxes.activate
		if k >= 2 {
			activate = size
		}
		if f := r.Boxes.Factors[k/2]; f != 0 {
			x *= f
		}
		v[k] = activate(x)
	}
	return v
}

// Labelled is how many classes have a number, by the outputs; 0 where they do not tell.
func (d *Decoder) Labelled(outputs Outputs) int {
	if d.Classes == nil {
		return 0
	}
	c, err := d.column(outputs, d.Classes, 0)
	if err != nil {
		return 0
	}
	n := c.width - d.First
	if d.Background != nil && *d.Background >= d.First {
		n--
	}
	return n
}
