package imagein

import (
	"context"
	"image"
	"math"
)

// precision is the number of fractional bits of a resampling weight: what is
// left of 32 bits beside 8 of the pixel and 2 of room.
const precision = 22

// taps are the weights that make one line of output samples out of a line of
// input samples: sample i is the sum over k of weights[i*width+k] times the
// input at first[i]+k, for k < count[i].
type taps struct {
	first, count []int
	weights      []int32
	width        int
}

// plan computes the taps for the samples from..to (to excluded) of a line brought to
// m samples. The line has n samples; it begins at start in them and is extent long, so
// that the first and the last may lie beyond it in part. The filter is a triangle that is widened where the
// line shrinks: bilinear with antialiasing, with the arithmetic of Pillow's
// BILINEAR (precompute_coeffs and normalize_coeffs_8bpc in its Resample.c).
func (t *taps) plan(start, extent float64, n, m, from, to int) {
	scale := extent / float64(m)
	support := max(scale, 1)
	narrow := 1 / support
	t.width = int(math.Ceil(support))*2 + 1
	t.first, t.count = resized(t.first, to-from), resized(t.count, to-from)
	t.weights = resized(t.weights, (to-from)*t.width)
	var room [16]float64
	line := room[:]
	if t.width > len(line) {
		line = make([]float64, t.width)
	}
	for i := range to - from {
		centre := start + (float64(from+i)+0.5)*scale
		first := max(int(centre-support+0.5), 0)
		count := min(int(centre+support+0.5), n) - first
		sum := 0.0
		for k := range count {
			line[k] = max(1-math.Abs((float64(first+k)-centre+0.5)*narrow), 0)
			sum += line[k]
		}
		for k := range count {
			t.weights[i*t.width+k] = int32(0.5 + line[k]/sum*(1<<precision))
		}
		t.first[i], t.count[i] = first, count
	}
}

// resampler resizes 8-bit images, along x and then along y, each rounded to 8
// bits as in Pillow's ImagingResample. Its memory is reused: one goroutine may use it at a
// time.
type resampler struct {
	x, y taps
	rows []uint8 // of the window's width, resized along x
	sums []int32 // of one row
}

// resize returns, in out, the part of src brought to w x h that lies in
// window, row by row with src.keep samples a pixel. src has sh rows; the image begins
// at start in it and is extent long and high. Only rows and columns that window needs are computed. It ends
// with ctx.
func (r *resampler) resize(ctx context.Context, out []uint8, src samples, sh int, start, extent [2]float64, w, h int, window image.Rectangle) error {
	r.x.plan(start[0], extent[0], src.width, w, window.Min.X, window.Max.X)
	r.y.plan(start[1], extent[1], sh, h, window.Min.Y, window.Max.Y)
	last := window.Dy() - 1
	top := r.y.first[0]
	stride := window.Dx() * src.keep
	r.rows = resized(r.rows, (r.y.first[last]+r.y.count[last]-top)*stride)
	along := r.x.gray
	switch src.keep {
	case 3:
		along = r.x.rgb
	case 4:
		along = r.x.rgba
	}
	for y := range len(r.rows) / stride {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		along(r.rows[y*stride:][:stride], src.row(top+y), src.step)
	}
	r.sums = resized(r.sums, stride)
	for i := range r.y.first {
		r.down(out[i*stride:][:stride], i, top)
	}
	return nil
}

// gray resizes a row of one sample a pixel.
func (t *taps) gray(out, row []uint8, step int) {
	for i, first := range t.first {
		sum := int32(1 << (precision - 1))
		for k, w := range t.weights[i*t.width:][:t.count[i]] {
			sum += w * int32(row[(first+k)*step])
		}
		out[i] = clip(sum)
	}
}

// rgb resizes a row of pixels of which the first three samples matter.
func (t *taps) rgb(out, row []uint8, step int) {
	for i, first := range t.first {
		red := int32(1 << (precision - 1))
		green, blue := red, red
		from := row[first*step:]
		for k, w := range t.weights[i*t.width:][:t.count[i]] {
			p := from[k*step:][:3]
			red += w * int32(p[0])
			green += w * int32(p[1])
			blue += w * int32(p[2])
		}
		o := out[3*i:][:3]
		o[0], o[1], o[2] = clip(red), clip(green), clip(blue)
	}
}

// rgba resizes a row of pixels of four samples. Colours are not weighted by alpha: they
// are those of rgb.
func (t *taps) rgba(out, row []uint8, step int) {
	for i, first := range t.first {
		red := int32(1 << (precision - 1))
		green, blue, alpha := red, red, red
		from := row[first*step:]
		for k, w := range t.weights[i*t.width:][:t.count[i]] {
			p := from[k*step:][:4]
			red += w * int32(p[0])
			green += w * int32(p[1])
			blue += w * int32(p[2])
			alpha += w * int32(p[3])
		}
		o := out[4*i:][:4]
		o[0], o[1], o[2], o[3] = clip(red), clip(green), clip(blue), clip(alpha)
	}
}

// down makes row i of the output out of r.rows, of which the first is row top
// of the image.
func (r *resampler) down(out []uint8, i, top int) {
	sums := r.sums[:len(out)]
	for j := range sums {
		sums[j] = 1 << (precision - 1)
	}
	for k, w := range r.y.weights[i*r.y.width:][:r.y.count[i]] {
		row := r.rows[(r.y.first[i]-top+k)*len(out):][:len(out)]
		for j, v := range row {
			sums[j] += w * int32(v)
		}
	}
	for j, sum := range sums {
		out[j] = clip(sum)
	}
}

// clip returns the whole part of a sum of weighted samples.
func clip(sum int32) uint8 { return uint8(min(sum>>precision, 255)) }

// resized returns a slice of n elements of any content, s where it is large
// enough.
func resized[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n)
	}
	return s[:n]
}
