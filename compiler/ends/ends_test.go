package ends_test

import (
	"cmp"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/bottlenet/bnc/compiler/ends"
	"github.com/bottlenet/bnc/compiler/onnxtext"
	"github.com/bottlenet/bnc/compiler/shape"
)

// weights are constants of a graph's text that are given no elements.
var weights = regexp.MustCompile(`float\[([0-9,]+)\] [wgv]\b`)

// told writes ends of a graph in text down: the output, its part, what it is, and what is
// taught.
func told(t *testing.T, opset int, graph string) string {
	t.Helper()
	graph = weights.ReplaceAllStringFunc(graph, func(w string) string {
		elements := 1
		for _, d := range weights.FindStringSubmatch(w)[1:] {
			for _, n := range strings.Split(d, ",") {
				size, _ := strconv.Atoi(n)
				elements *= size
			}
		}
		return w + " = {" + strings.TrimSuffix(strings.Repeat("0.5,", elements), ",") + "}"
	})
	m, err := onnxtext.Parse(fmt.Sprintf(`<ir_version: 8, opset_import: ["" : %d, "bnc" : 1]> g %s`, opset, graph))
	if err != nil {
		t.Fatal(err)
	}
	info, err := shape.Infer(m, shape.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, e := range ends.Of(m, info) {
		line := e.Output.Name()
		for _, r := range e.Where {
			line += fmt.Sprintf(" %d[%d:%d]", r.Axis, r.Start, r.Stop)
		}
		line += fmt.Sprintf(" %s %d <-", e.Kind, e.Axis)
		for _, x := range e.Taught {
			line += fmt.Sprintf(" %s %s %d", x.Value.Name(), x.Kind, x.Axis)
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}

// TestOf names ends by hand, in the spellings that exporters have.
func TestOf(t *testing.T) {
	const image = `(float[N,3,8,8] x) => (TYPE y) <float[6,3,1,1] w, float[4,192] g, int64[2] flat = {0, -1}, int64[3] rows = {0, 3, -1}, int64[1] last = {-1},
		int64[1] one = {1}, int64[1] four = {4}, float eps = {0.00001}, float two = {2}, float half = {0.5}, int64[1] ks = {3}, float[1] big = {64}, int64[4] taken = {0, 1, 2, 3}> `
	for _, c := range []struct {
		opset             int
		name, graph, want string
	}{
		{17, "scores", `{ r = Reshape (x, flat) y = Gemm <transB = 1> (r, g) }`, "y values 1 <- y values 1"},
		{17, "classes", `{ r = Reshape (x, flat) s = Gemm <transB = 1> (r, g) y = Softmax (s) }`, "y softmax 1 <- s softmax 1"},
		{11, "classes of before, [N,K,1,1]", `{ c = Conv (x, w) a = GlobalAveragePool (c) p = Softmax (a) y = Flatten (p) }`, "y softmax 1 <- a softmax 1"},
		{11, "over all axes behind", `{ c = Conv (x, w) y = Softmax (c) }`, "y values 1 <- y values 1"},
		{17, "classes of pixels", `{ c = Conv (x, w) y = LogSoftmax <axis = 1> (c) }`, "y softmax 1 <- c softmax 1"},
		{17, "classes of pixels, turned twice", `{ c = Conv (x, w) t = Transpose <perm = [0, 3, 2, 1]> (c) s = Softmax <axis = -1> (t) y = Transpose <perm = [0, 3, 2, 1]> (s) }`,
			"y softmax 1 <- t softmax 3"},
		{17, "text", `{ c = Conv (x, w) p = GlobalAveragePool (c) q = Reshape (c, rows) t = Transpose <perm = [2, 0, 1]> (q) y = Softmax <axis = 2> (t) }`, "y softmax 2 <- t softmax 2"},
		{17, "a mask", `{ c = Conv (x, w) s = Sigmoid (c) y = Identity (s) }`, "y sigmoid -1 <- c sigmoid -1"},
		{17, "coordinates", `{ c = Conv (x, w) s = Sigmoid (c) y = Mul (s, two) }`, "y values 1 <- y values 1"},
		{17, "an embedding", `{ r = Reshape (x, flat) v = Gemm <transB = 1> (r, g) l = ReduceL2 <axes = [1]> (v) y = Div (v, l) }`, "y l2norm 1 <- v l2norm 1"},
		{17, "an embedding, kept from 0", `{ r = Reshape (x, flat) v = Gemm <transB = 1> (r, g) q = Mul (v, v) u = ReduceSum (q, one) c = Add (u, eps) l = Sqrt (c) i = Reciprocal (l) y = Mul (v, i) }`,
			"y l2norm 1 <- v l2norm 1"},
		{17, "an embedding by Pow", `{ r = Reshape (x, flat) v = Gemm <transB = 1> (r, g) q = Pow (v, two) u = ReduceSum (q, last) l = Pow (u, half) y = Div (v, l) }`, "y l2norm 1 <- v l2norm 1"},
		{17, "an embedding by its operator", `{ r = Reshape (x, flat) v = Gemm <transB = 1> (r, g) n = LpNormalization (v) y = Unsqueeze (n, one) }`, "y l2norm 2 <- v l2norm 1"},
		{17, "an L1 norm", `{ r = Reshape (x, flat) v = Gemm <transB = 1> (r, g) y = LpNormalization <p = 1> (v) }`, "y values 1 <- y values 1"},
		{17, "a detector's maps", `{ o = Conv (x, w) s = Sigmoid (o) b = Conv (x, w) d = Conv (x, w) t = Transpose <perm = [0, 3, 2, 1]> (d) p = Softmax <axis = 3> (t) c = Transpose <perm = [0, 3, 2, 1]> (p)
			y = Concat <axis = 1> (s, b, c) }`,
			"y 1[0:6] sigmoid -1 <- o sigmoid -1\ny 1[6:12] values 1 <- b values 1\ny 1[12:18] softmax 1 <- t softmax 3"},
		{17, "two levels of a detector", `{ o = Conv (x, w) s = Sigmoid (o) b = Conv (x, w) c = Concat <axis = 1> (s, b) r = Reshape (c, rows) y = Concat <axis = 2> (r, r) }`,
			"y values 1 <- y values 1"},
		{17, "two levels, divided below", `{ o = Conv (x, w) ro = Reshape (o, flat) s = Sigmoid (ro) b = Conv (x, w) rb = Reshape (b, flat) c = Concat <axis = 1> (s, rb) y = Concat <axis = 1> (c, c) }`,
			"y 1[0:384] sigmoid -1 <- ro sigmoid -1\ny 1[384:768] values 1 <- rb values 1\ny 1[768:1152] sigmoid -1 <- ro sigmoid -1\ny 1[1152:1536] values 1 <- rb values 1"},
		{17, "numbers side by side", `{ a = Conv (x, w) b = Conv (x, w) y = Concat <axis = 1> (a, b) }`, "y values 1 <- y values 1"},
		{17, "a part of scores", `{ c = Conv (x, w) s = Sigmoid (c) y = Slice (s, one, four, one) }`, "y sigmoid -1 <- y values 1"},
		{17, "the class", `int64 { r = Reshape (x, flat) s = Gemm <transB = 1> (r, g) p = Softmax (s) y = ArgMax <axis = 1> (p) }`, "y indices -1 <- s softmax 1"},
		{17, "the best", `{ r = Reshape (x, flat) s = Gemm <transB = 1> (r, g) p = Sigmoid (s) y, i = TopK (p, ks) }`, "y indices -1 <- s sigmoid -1"},
		{17, "boxes of the best", `{ c = Conv (x, w) b = Reshape (c, rows) m = ReduceMax <axes = [2], keepdims = 0> (b) v, i = TopK <axis = 1> (m, ks) u = Unsqueeze (i, last) y = GatherND <batch_dims = 1> (b, u) }`,
			"y indices -1 <- b values 1"},
		{17, "a fixed choice", `{ c = Conv (x, w) y = Gather <axis = 1> (c, taken) }`, "y values 1 <- y values 1"},
		{17, "rounded", `{ c = Conv (x, w) y = Round (c) }`, "y indices -1 <- c values 1"},
		{17, "bytes", `uint8 { c = Conv (x, w) y = Cast <to = 2> (c) }`, "y indices -1 <- c values 1"},
		{17, "another float", `{ c = Conv (x, w) s = Sigmoid (c) h = Cast <to = 10> (s) y = Cast <to = 1> (h) }`, "y sigmoid -1 <- c sigmoid -1"},
		{17, "a leaky slope by hand", `{ c = Conv (x, w) b = Greater (c, eps) h = Mul (c, half) y = Where (b, c, h) }`, "y values 1 <- y values 1"},
		{17, "rounding inside", `{ c = Round (x) r = Reshape (c, flat) y = Gemm <transB = 1> (r, g) }`, "y values 1 <- y values 1"},
		{17, "a size", `int64 { y = Shape (x) }`, "y values -1 <-"},
		{17, "by positions in the file", `{ c = Conv (x, w) y = Mul (c, big) }`, "y values 1 <- y values 1"},
	} {
		dtype, nodes, _ := strings.Cut(c.graph, "{")
		if got := told(t, c.opset, strings.Replace(image, "TYPE", cmp.Or(strings.TrimSpace(dtype), "float"), 1)+"{"+nodes); got != c.want {
			t.Errorf("%s:\nexpected %s\nfound    %s", c.name, c.want, got)
		}
	}
}

// TestBoxesAfterSuppression: what NonMaxSuppression chooses is made of boxes and scores.
func TestBoxesAfterSuppression(t *testing.T) {
	got := told(t, 17, `(float[1,3,4,4] x) => (float[M,4] boxes, float[M] scores, int64[M] classes)
		<float[4,3,1,1] w, float[2,3,1,1] v, int64[3] rows = {0, 4, -1}, int64[3] two = {0, 2, -1}, int64[1] most = {10}, float[1] iou = {0.5}, float[1] least = {0.1},
		int64[1] i0 = {0}, int64[1] i1 = {1}, int64[1] i2 = {2}, int64[1] i3 = {3}> {
		b = Conv (x, w) q = Reshape (b, rows) r = Transpose <perm = [0, 2, 1]> (q)
		s = Conv (x, v) t = Reshape (s, two) p = Sigmoid (t)
		found = NonMaxSuppression (r, p, most, iou, least)
		at = Slice (found, i2, i3, i1) of = Slice (found, i1, i2, i1) classes = Squeeze (of, i1)
		flat = Squeeze (r, i0) index = Squeeze (at, i1) boxes = Gather (flat, index) scores = GatherND (p, found) }`)
	want := "boxes indices -1 <- t sigmoid -1 r values 2\nscores indices -1 <- t sigmoid -1 r values 2\nclasses indices -1 <- t sigmoid -1 r values 2"
	if got != want {
		t.Errorf("expected %s\nfound    %s", want, got)
	}
}
