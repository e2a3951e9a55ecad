//go:build cgo

package oracle

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// sketch draws small models.
type sketch struct{ *rand.Rand }

// mayRefuse are the reasons for which a drawn model may have no gradient.
var mayRefuse = []string{
	"room for a kernel", // larger than its input: ONNX Runtime has a window all the same where the stride is larger still
	"has no explicit form", "pads it as if it had no dilations", "it crops more than there is", "begins them inside of the input",
	"tf_crop_and_resize", "only resizing of rows and columns", "keep_aspect_ratio_policy has no",
	"it enlarges one axis and shrinks another", "tf_half_pixel_for_nn", // of upgrades
}

// n draws a whole number between lo and hi, both included.
func (d *sketch) n(lo, hi int) int { return lo + d.IntN(hi-lo+1) }

// yes is true in one of n draws.
func (d *sketch) yes(n int) bool { return d.IntN(n) == 0 }

func one[T any](d *sketch, of ...T) T { return of[d.IntN(len(of))] }

// list draws k numbers between lo and hi.
func (d *sketch) list(k, lo, hi int) []int {
	out := make([]int, k)
	for i := range out {
		out[i] = d.n(lo, hi)
	}
	return out
}

// some draws k different numbers below n, in any order, some counted from the end.
func (d *sketch) some(k, n int) []int {
	out := d.Perm(n)[:k]
	for i := range out {
		if d.yes(3) {
			out[i] -= n
		}
	}
	return out
}

func text[T any](list []T) string {
	return strings.Join(strings.Fields(strings.Trim(fmt.Sprint(list), "[]")), ",")
}

func typed(name string, dims []int) string {
	if len(dims) == 0 {
		return "float " + name
	}
	return fmt.Sprintf("float[%s] %s", text(dims), name)
}

func ints(name string, list []int) string {
	return fmt.Sprintf("int64[%d] %s = {%s}", len(list), name, text(list))
}

// attrs are attributes in the text syntax, each there or not.
type attrs []string

func (a *attrs) set(format string, args ...any) { *a = append(*a, fmt.Sprintf(format, args...)) }

func (a attrs) String() string {
	if len(a) == 0 {
		return ""
	}
	return "<" + strings.Join(a, ", ") + ">"
}

// around is a case of one operator of x, or of x behind and before other nodes
// that have a form in each layout.
func (d *sketch) around(dims []int, op string, a attrs, rest string, more caseOptions) ruleCase {
	c := ruleCase{inputs: typed("x", dims), more: more}
	x := "x"
	if len(dims) == 4 && d.yes(2) {
		c.inputs += fmt.Sprintf(", float[%d,%d,1,1] k", dims[1], dims[1])
		c.body, x = "xc = Conv (x, k) ", "xc"
	}
	y := "y"
	if d.yes(3) {
		y = "h"
	}
	c.body += fmt.Sprintf("%s = %s %v (%s%s)", y, op, a, x, rest)
	if y == "h" {
		c.body += " y = Atan (h)"
	}
	return c
}

// spatial draws a window over rows and columns.
func (d *sketch) spatial(a *attrs, kernel []int, dilated, padded bool) {
	if d.yes(2) {
		a.set("strides = [%s]", text(d.list(2, 1, 3)))
	}
	if dilated && d.yes(3) {
		a.set("dilations = [%s]", text(d.list(2, 1, 3)))
	}
	auto := one(d, "", "", "", "NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID")
	if auto != "" {
		a.set("auto_pad = %q", auto)
	}
	if padded && (auto == "" || auto == "NOTSET") && d.yes(2) {
		pads := make([]int, 4)
		for i := range pads {
			pads[i] = d.n(0, kernel[i%2]-1)
		}
		a.set("pads = [%s]", text(pads))
	}
}

// gradRows draw a model for each operator, or several, that has a gradient rule.
var gradRows = map[string]func(d *sketch) ruleCase{
	"Conv": func(d *sketch) ruleCase {
		group := d.n(1, 3)
		c, k := group*d.n(1, 3), d.list(2, 1, 4)
		w := []int{group * d.n(1, 4), c / group, k[0], k[1]}
		var a attrs
		d.spatial(&a, k, true, true)
		if group > 1 {
			a.set("group = %d", group)
		}
		out := ruleCase{inputs: typed("x", []int{d.n(1, 3), c, d.n(1, 10), d.n(1, 10)}) + ", " + typed("w", w), more: caseOptions{opset: one[int64](d, 7, 11, 17, 22)}}
		in := "x, w"
		if d.yes(2) {
			out.inputs += ", " + typed("b", w[:1])
			in = "x, w, b"
		}
		out.body = fmt.Sprintf("y = Conv %v (%s)", a, in)
		return out
	},
	"ConvTranspose": func(d *sketch) ruleCase {
		group := d.n(1, 3)
		c, k, m := group*d.n(1, 2), d.list(2, 1, 4), d.n(1, 3)
		x := []int{d.n(1, 3), c, d.n(1, 6), d.n(1, 6)}
		var a attrs
		d.spatial(&a, k, true, true)
		if group > 1 {
			a.set("group = %d", group)
		}
		if d.yes(3) {
			a.set("output_padding = [%s]", text(d.list(2, 0, 2)))
		}
		if d.yes(5) {
			a.set("output_shape = [%d,%d]", x[2]*d.n(1, 3)+d.n(0, 3), x[3]*d.n(1, 3)+d.n(0, 3))
		}
		out := ruleCase{inputs: typed("x", x) + ", " + typed("w", []int{c, m, k[0], k[1]}), more: caseOptions{opset: one[int64](d, 7, 11, 17, 22)}}
		in := "x, w"
		if d.yes(2) {
			out.inputs += ", " + typed("b", []int{m * group})
			in = "x, w, b"
		}
		out.body = fmt.Sprintf("y = ConvTranspose %v (%s)", a, in)
		return out
	},
	"MaxPool": func(d *sketch) ruleCase {
		k := d.list(2, 1, 4)
		opset := one[int64](d, 8, 10, 11, 12, 17, 22)
		a := attrs{fmt.Sprintf("kernel_shape = [%s]", text(k))}
		d.spatial(&a, k, opset >= 10, true)
		if opset >= 10 && d.yes(2) {
			a.set("ceil_mode = 1")
		}
		if d.yes(3) {
			a.set("storage_order = 1")
		}
		c := d.around([]int{d.n(1, 3), d.n(1, 3), d.n(1, 10), d.n(1, 10)}, "MaxPool", a, "", caseOptions{opset: opset})
		if d.yes(3) {
			c.body = strings.Replace(c.body, " = MaxPool", ", i = MaxPool", 1)
			if d.yes(2) {
				c.more.outputs = "y, i"
			}
		}
		return c
	},
	"AveragePool": func(d *sketch) ruleCase {
		k := d.list(2, 1, 4)
		opset := one[int64](d, 7, 10, 11, 17, 19, 22)
		a := attrs{fmt.Sprintf("kernel_shape = [%s]", text(k))}
		d.spatial(&a, k, opset >= 19, true)
		if opset >= 10 && d.yes(2) {
			a.set("ceil_mode = 1")
		}
		if d.yes(2) {
			a.set("count_include_pad = 1")
		}
		return d.around([]int{d.n(1, 3), d.n(1, 3), d.n(1, 10), d.n(1, 10)}, "AveragePool", a, "", caseOptions{opset: opset})
	},
	"GlobalPool": func(d *sketch) ruleCase {
		return d.around(d.list(d.n(3, 5), 1, 4), one(d, "GlobalAveragePool", "GlobalMaxPool"), nil, "", caseOptions{})
	},
	"Resize": func(d *sketch) ruleCase {
		var a attrs
		opset := one[int64](d, 11, 12, 13, 17, 18, 19)
		if d.yes(2) {
			a.set("mode = %q", one(d, "nearest", "linear", "cubic"))
		}
		if d.yes(2) {
			a.set("nearest_mode = %q", one(d, "floor", "ceil", "round_prefer_floor", "round_prefer_ceil"))
		}
		modes := []string{"half_pixel", "asymmetric", "align_corners", "pytorch_half_pixel"}
		switch {
		case opset < 13:
			modes = append(modes, "tf_half_pixel_for_nn")
		case opset >= 19:
			modes = append(modes, "half_pixel_symmetric")
		}
		if d.yes(2) {
			a.set("coordinate_transformation_mode = %q", one(d, modes...))
		}
		if opset >= 18 && d.yes(4) {
			a.set("antialias = 1")
		}
		if d.yes(4) {
			a.set("cubic_coeff_a = -0.5, exclude_outside = 1")
		}
		x := []int{d.n(1, 2), d.n(1, 3), d.n(1, 7), d.n(1, 7)}
		axes := []int{0, 1, 2, 3}
		if opset >= 18 && d.yes(2) {
			axes = one(d, []int{2, 3}, []int{3, 2}, []int{-1}, []int{2}, []int{-2, -1}, []int{1, 2, 3})
			a.set("axes = [%s]", text(axes))
		}
		if opset >= 18 && d.yes(3) {
			a.set("keep_aspect_ratio_policy = %q", one(d, "stretch", "not_larger", "not_smaller"))
		}
		more := caseOptions{opset: opset}
		if d.yes(2) {
			var sizes []int
			for _, axis := range axes {
				if axis = (axis + 4) % 4; axis < 2 {
					sizes = append(sizes, x[axis])
				} else {
					sizes = append(sizes, d.n(1, 12))
				}
			}
			more.inits = ints("s", sizes) + ", float[8] r = {0,0,0,0,0,0,0,0}, float[0] n = {}"
			return d.around(x, "Resize", a, one(d, `, "", "", s`, `, r, n, s`, `, "", n, s`), more)
		}
		var scales []float64
		for _, axis := range axes {
			if axis = (axis + 4) % 4; axis < 2 {
				scales = append(scales, 1)
			} else {
				scales = append(scales, one(d, 1, 2, 3, 0.5, 1.7, 0.7, 0.35))
			}
		}
		more.inits = fmt.Sprintf("float[%d] s = {%s}, float[8] r = {0,0,0,0,0,0,0,0}", len(scales), text(scales))
		return d.around(x, "Resize", a, one(d, `, "", s`, ", r, s"), more)
	},
	"Upsample": func(d *sketch) ruleCase {
		more := caseOptions{opset: one[int64](d, 9, 10), inits: fmt.Sprintf("float[4] s = {1,1,%d,%d}", d.n(1, 3), d.n(1, 3))}
		op := map[int64]string{9: "Upsample", 10: "Resize"}[more.opset]
		return d.around(d.list(4, 1, 5), op, attrs{fmt.Sprintf("mode = %q", one(d, "nearest", "linear"))}, ", s", more)
	},
	"Gemm": func(d *sketch) ruleCase {
		m, k, n := d.n(1, 4), d.n(1, 4), d.n(1, 4)
		a, b := []int{m, k}, []int{k, n}
		var at attrs
		if d.yes(2) {
			at.set("transA = 1")
			a = []int{k, m}
		}
		if d.yes(2) {
			at.set("transB = 1")
			b = []int{n, k}
		}
		if d.yes(2) {
			at.set("alpha = %.2f", one(d, 0.5, -2.0))
		}
		if d.yes(2) {
			at.set("beta = %.2f", one(d, 0.25, 3.0, 0.0))
		}
		c := ruleCase{inputs: typed("a", a) + ", " + typed("b", b)}
		in := "a, b"
		if d.yes(2) {
			c.inputs += ", " + typed("c", one(d, []int{m, n}, []int{n}, []int{1, n}, []int{m, 1}, []int{1}, nil))
			in = "a, b, c"
		}
		c.body = fmt.Sprintf("y = Gemm %v (%s)", at, in)
		c.more.opset = one[int64](d, 11, 13)
		return c
	},
	"MatMul": func(d *sketch) ruleCase {
		m, k, n := d.n(1, 4), d.n(1, 4), d.n(1, 4)
		stack := d.list(d.n(0, 2), 1, 3)
		a, b := d.less(stack), d.less(stack)
		a, b = append(a, m, k), append(b, k, n)
		if d.yes(5) {
			a = []int{k}
		}
		if d.yes(5) {
			b = []int{k}
		}
		c := ruleCase{inputs: typed("a", a) + ", " + typed("b", b), body: "y = MatMul (a, b)"}
		if len(a) == 1 && len(b) == 1 {
			c.more.outputs = "float y"
		}
		return c
	},
}

// less draws a shape that broadcasts to dims.
func (d *sketch) less(dims []int) []int {
	out := append([]int{}, dims...)
	for i := range out {
		if d.yes(3) {
			out[i] = 1
		}
	}
	if len(out) > 0 && d.yes(3) {
		out = out[d.n(1, len(out)):]
	}
	return out
}
