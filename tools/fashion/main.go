// Command fashion writes the tables and plots of what tools/fashion.sh measured:
//
//	fashion RESULTS-FOLDER DOCS-NAME
//
// reads the JSON documents of bnc train and bnc eval in the folder and writes
// DOCS-NAME.md and DOCS-NAME-*.svg. Rows that were not measured are left out.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/bottlenet/bnc/runtime/chart"
)

// evaluation is what bnc eval --json prints.
type evaluation struct {
	N       int      `json:"n"`
	Top1    *float64 `json:"top1"`
	Payload *struct {
		Mean float64 `json:"mean"`
		P95  float64 `json:"p95"`
	} `json:"payload_bytes"`
	Sweep []point `json:"sweep"`
}

type point struct {
	Quality int      `json:"quality"`
	Top1    *float64 `json:"top1"`
	Payload float64  `json:"payload_bytes"`
}

// training is what bnc train --json prints.
type training struct {
	Epochs []struct {
		Seconds float64 `json:"seconds"`
	} `json:"epochs"`
	Images int      `json:"images"` // of an epoch
	Top1   *float64 `json:"top1"`
}

// image is how good the images themselves are as some codec.
type image struct {
	codec string
	*evaluation
}

// row is a bottleneck, trained with some seed.
type row struct {
	cut, c, s, seed string
	aware, naive    *evaluation
	epochs          float64 // over all images
}

// rated is a bottleneck of codec transform: calibrated, trained, and trained to a target of
// bytes.
type rated struct {
	cut, c, s                  string
	calibrated, fixed, steered *evaluation
	epochs                     float64
}

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: fashion RESULTS-FOLDER DOCS-NAME")
		os.Exit(2)
	}
	if err := write(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "fashion:", err)
		os.Exit(1)
	}
}

func read[T any](path string) (*T, error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	v := new(T)
	if err := json.Unmarshal(b, v); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return v, nil
}

var pairName = regexp.MustCompile(`^(rb\d+)-c(\w+)-s(\d)-seed(\d+)(--naive)?\.json$`)

func write(dir, name string) error {
	base, err := read[evaluation](filepath.Join(dir, "base.json"))
	if err != nil || base == nil {
		return errors.Join(err, fmt.Errorf("%s has no base.json: run tools/fashion.sh", dir))
	}
	var images []image
	for _, codec := range []string{"AVIF", "WebP", "JPEG"} {
		e, err := read[evaluation](filepath.Join(dir, "input-"+strings.ToLower(codec)+".json"))
		if err != nil {
			return err
		}
		if e != nil {
			images = append(images, image{codec, e})
		}
	}
	png, err := read[evaluation](filepath.Join(dir, "input-png.json"))
	if err != nil {
		return err
	}
	rows, err := readRows(dir)
	if err != nil {
		return err
	}
	scratch, err := read[training](filepath.Join(dir, "base.train.json"))
	if err != nil {
		return err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "# Fashion-MNIST, ResNet-20\n\nMade by `tools/fashion.sh`: a ResNet-20 from scratch, then a bottleneck put in and\ntrained on for a few epochs, with the codec (*aware*) and without it (*naive*), JPEG\nquality 20, 8 bits. Top-1 and mean payload on the 10,000 test images.\n\n")
	fmt.Fprintf(&b, "The whole network: **%s** top-1", rate(base.Top1))
	if scratch != nil {
		fmt.Fprintf(&b, " after %d epochs", len(scratch.Epochs))
	}
	b.WriteString(".\n\n")
	writePairs(&b, rows, *base.Top1)
	writeSmallest(&b, rows, images, *base.Top1)
	writeSeeds(&b, rows)
	if err := writeOthers(&b, dir, *base.Top1); err != nil {
		return err
	}
	transforms, err := readTransforms(dir)
	if err != nil {
		return err
	}
	writeTransforms(&b, transforms, rows, *base.Top1)
	writeInputs(&b, images, png)
	if err := writeSweeps(&b, rows, transforms, images, name); err != nil {
		return err
	}
	return os.WriteFile(name+".md", []byte(b.String()), 0o644)
}

func readRows(dir string) ([]*row, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	found := map[string]*row{}
	var rows []*row
	for _, e := range entries {
		m := pairName.FindStringSubmatch(e.Name())
		if m == nil {
			continue
		}
		id := strings.Join(m[1:5], " ")
		if found[id] == nil {
			found[id] = &row{cut: m[1], c: m[2], s: m[3], seed: m[4]}
			rows = append(rows, found[id])
		}
		v, err := read[evaluation](filepath.Join(dir, e.Name()))
		if err != nil {
			return nil, err
		}
		r := found[id]
		if m[5] != "" {
			r.naive = v
			continue
		}
		r.aware = v
		t, err := read[training](filepath.Join(dir, strings.TrimSuffix(e.Name(), ".json")+".train.json"))
		if err != nil {
			return nil, err
		}
		if t != nil {
			r.epochs = float64(len(t.Epochs))
			if t.Images > 0 {
				r.epochs *= float64(t.Images) / 60000
			}
		}
	}
	slices.SortFunc(rows, func(a, b *row) int {
		return strings.Compare(a.cut+fmt.Sprintf("%5s", a.c)+a.s+fmt.Sprintf("%4s", a.seed), b.cut+fmt.Sprintf("%5s", b.c)+b.s+fmt.Sprintf("%4s", b.seed))
	})
	return rows, nil
}

// readTransforms reads what tools/fashion.sh wrote of codec transform.
func readTransforms(dir string) (all []*rated, err error) {
	paths, err := filepath.Glob(filepath.Join(dir, "transform-*-calibrated.json"))
	if err != nil {
		return nil, err
	}
	for _, path := range paths {
		stem := strings.TrimSuffix(path, "-calibrated.json")
		of := strings.Split(strings.TrimPrefix(filepath.Base(stem), "transform-"), "-")
		t := &rated{cut: of[0], c: strings.TrimPrefix(of[1], "c"), s: strings.TrimPrefix(of[2], "s")}
		for ending, to := range map[string]**evaluation{"-calibrated": &t.calibrated, "-fixed": &t.fixed, "-steered": &t.steered} {
			if *to, err = read[evaluation](stem + ending + ".json"); err != nil {
				return nil, err
			}
		}
		trained, err := read[training](stem + "-steered.train.json")
		if err != nil {
			return nil, err
		}
		if trained != nil {
			t.epochs = float64(len(trained.Epochs))
		}
		all = append(all, t)
	}
	return all, nil
}

func rate(v *float64) string {
	if v == nil {
		return "-"
	}
	return fmt.Sprintf("%.2f%%", 100**v)
}

// atBytes interpolates a sweep's accuracy at a payload, over the logarithm of the
// bytes; nil outside of what was measured.
func atBytes(e *evaluation, bytes float64) *float64 {
	if e == nil {
		return nil
	}
	points := slices.Clone(e.Sweep)
	slices.SortFunc(points, func(a, b point) int { return int(math.Copysign(1, a.Payload-b.Payload)) })
	for i := 1; i < len(points); i++ {
		p, q := points[i-1], points[i]
		if bytes >= p.Payload && bytes <= q.Payload && q.Payload > p.Payload {
			t := math.Log(bytes/p.Payload) / math.Log(q.Payload/p.Payload)
			v := *p.Top1 + t*(*q.Top1-*p.Top1)
			return &v
		}
	}
	return nil
}

func writePairs(b *strings.Builder, rows []*row, whole float64) {
	b.WriteString("| cut | c | s | epochs | bytes | aware | loss | naive, same quality | its bytes | naive, same bytes |\n|---|---|---|---|---|---|---|---|---|---|\n")
	for _, r := range rows {
		if r.seed != "0" && r.epochs == 4 || r.aware == nil {
			continue
		}
		naive, size := "-", "-"
		if r.naive != nil {
			naive, size = rate(r.naive.Top1), fmt.Sprintf("%.1f", r.naive.Payload.Mean)
		}
		fmt.Fprintf(b, "| %s | %s | %s | %g | %.1f | %s | %.2f | %s | %s | %s |\n", r.cut, r.c, r.s, r.epochs, r.aware.Payload.Mean,
			rate(r.aware.Top1), 100*(whole-*r.aware.Top1), naive, size, rate(atBytes(r.naive, r.aware.Payload.Mean)))
	}
	b.WriteString("\nLoss is in points below the whole network. *Same bytes* is read off the naive\npair's own sweep of qualities; - is outside of it.\n\n")
}

// writeSmallest names the smallest payload within a loss.
func writeSmallest(b *strings.Builder, rows []*row, images []image, whole float64) {
	b.WriteString("| at most below the whole network | smallest payload | of | the image itself, smallest |\n|---|---|---|---|\n")
	for _, loss := range []float64{2, 1} {
		best, of := math.Inf(1), "-"
		for _, r := range rows {
			if r.aware == nil {
				continue
			}
			for _, p := range append([]point{{0, r.aware.Top1, r.aware.Payload.Mean}}, r.aware.Sweep...) {
				if 100*(whole-*p.Top1) <= loss && p.Payload < best {
					best, of = p.Payload, fmt.Sprintf("%s, c=%s, s=%s", r.cut, r.c, r.s)
					if p.Quality > 0 {
						of += fmt.Sprintf(", quality %d", p.Quality)
					}
				}
			}
		}
		itself, least := "-", math.Inf(1)
		for _, e := range images {
			for _, p := range e.Sweep {
				if 100*(whole-*p.Top1) <= loss && p.Payload < least {
					itself, least = fmt.Sprintf("%.0f B (%s, quality %d)", p.Payload, e.codec, p.Quality), p.Payload
				}
			}
		}
		size := "-"
		if !math.IsInf(best, 1) {
			size = fmt.Sprintf("%.1f B", best)
		}
		fmt.Fprintf(b, "| %.1f points | %s | %s | %s |\n", loss, size, of, itself)
	}
	b.WriteString("\n")
}

// writeSeeds gives mean and spread where there are several seeds.
func writeSeeds(b *strings.Builder, rows []*row) {
	groups := map[string][]*row{}
	var order []string
	for _, r := range rows {
		if r.epochs != 4 || r.aware == nil {
			continue
		}
		id := r.cut + " c=" + r.c + " s=" + r.s
		if groups[id] == nil {
			order = append(order, id)
		}
		groups[id] = append(groups[id], r)
	}
	head := false
	for _, id := range order {
		g := groups[id]
		if len(g) < 2 {
			continue
		}
		if !head {
			b.WriteString("| several seeds | seeds | aware, mean | spread | naive, mean | spread | bytes, mean |\n|---|---|---|---|---|---|---|\n")
			head = true
		}
		var aware, naive, size []float64
		for _, r := range g {
			aware, size = append(aware, 100**r.aware.Top1), append(size, r.aware.Payload.Mean)
			if r.naive != nil {
				naive = append(naive, 100**r.naive.Top1)
			}
		}
		cells := []string{"-", "-"}
		if len(naive) > 0 {
			cells = []string{fmt.Sprintf("%.2f%%", mean(naive)), fmt.Sprintf("%.2f", slices.Max(naive)-slices.Min(naive))}
		}
		fmt.Fprintf(b, "| %s | %d | %.2f%% | %.2f | %s | %s | %.1f |\n", id, len(g), mean(aware), slices.Max(aware)-slices.Min(aware), cells[0], cells[1], mean(size))
	}
	if head {
		b.WriteString("\nSpread is the largest less the smallest.\n\n")
	}
}

// writeTransforms puts codec transform beside codec jpeg at the same bytes.
func writeTransforms(b *strings.Builder, all []*rated, rows []*row, whole float64) {
	if len(all) == 0 {
		return
	}
	b.WriteString("## Codec transform\n\nCalibrated on training images only; trained at that quality; and trained with a byte's share of\nthe loss steered to a target (`--target-bytes`). *Loss* is in points below the whole network.\n\n")
	b.WriteString("| cut | c | s | epochs | what | bytes (p95) | top-1 | loss | jpeg of the cut, best at no more bytes |\n|---|---|---|---|---|---|---|---|---|\n")
	for _, t := range all {
		for _, v := range []struct {
			what string
			*evaluation
			epochs float64
		}{{"calibrated", t.calibrated, 0}, {"trained", t.fixed, t.epochs}, {"to a target", t.steered, t.epochs}} {
			if v.evaluation == nil {
				continue
			}
			fmt.Fprintf(b, "| %s | %s | %s | %g | %s | %.1f (%.0f) | %s | %.2f | %s |\n", t.cut, t.c, t.s, v.epochs, v.what, v.Payload.Mean, v.Payload.P95,
				rate(v.Top1), 100*(whole-*v.Top1), rate(bestWithin(rows, t.cut, v.Payload.Mean)))
		}
	}
	b.WriteString("\n")
}

// bestWithin is the best that a pair of a cut reaches within so many bytes, nil for none.
func bestWithin(rows []*row, cut string, bytes float64) (best *float64) {
	for _, r := range rows {
		if r.cut != cut || r.aware == nil {
			continue
		}
		for _, p := range append([]point{{0, r.aware.Top1, r.aware.Payload.Mean}}, r.aware.Sweep...) {
			if p.Payload <= bytes && (best == nil || *p.Top1 > *best) {
				best = p.Top1
			}
		}
	}
	return best
}

// writeOthers gives the rows of a folded network and of training without labels.
func writeOthers(b *strings.Builder, dir string, whole float64) error {
	for _, o := range []struct{ file, what string }{
		{"folded-rb1-c1-s2-seed0", "rb1, c=1, s=2 from the network with batch normalisation folded"},
		{"distill", "rb1, c=4, s=1 without labels: `--distill --freeze backbone`, 2 epochs"},
	} {
		e, err := read[evaluation](filepath.Join(dir, o.file+".json"))
		if err != nil {
			return err
		}
		if e != nil {
			fmt.Fprintf(b, "%s: **%s** at %.1f bytes, %.2f points below the whole network.\n\n", o.what, rate(e.Top1), e.Payload.Mean, 100*(whole-*e.Top1))
		}
	}
	return nil
}

func mean(v []float64) float64 {
	sum := 0.0
	for _, x := range v {
		sum += x
	}
	return sum / float64(len(v))
}

func writeInputs(b *strings.Builder, images []image, png *evaluation) {
	b.WriteString("## The images themselves\n\nThe whole network on the test images as image codecs have them (bytes without headers).\n\n| codec | bytes | top-1 |\n|---|---|---|\n")
	for _, e := range images {
		for _, p := range e.Sweep {
			fmt.Fprintf(b, "| %s, quality %d | %.0f | %s |\n", e.codec, p.Quality, p.Payload, rate(p.Top1))
		}
	}
	if png != nil {
		fmt.Fprintf(b, "| PNG | %.0f | %s |\n", png.Payload.Mean, rate(png.Top1))
	}
	b.WriteString("\n")
}

// writeSweeps plots accuracy over bytes (Fig. 7 of the paper) and tables it.
func writeSweeps(b *strings.Builder, rows []*row, transforms []*rated, images []image, name string) error {
	c := chart.Chart{Title: "Top-1 over payload, quality 1 to 100", X: "payload, bytes an image", Y: "top-1, %", LogX: true}
	add := func(name string, e *evaluation) {
		if e == nil || len(e.Sweep) < 10 {
			return
		}
		s := chart.Series{Name: name}
		for _, p := range e.Sweep {
			s.Points = append(s.Points, chart.Point{X: p.Payload, Y: 100 * *p.Top1, Label: fmt.Sprintf("quality %d", p.Quality)})
		}
		c.Series = append(c.Series, s)
	}
	for _, r := range rows {
		label := fmt.Sprintf("%s, c=%s, s=%s, %g epochs", r.cut, r.c, r.s, r.epochs)
		add(label+", aware", r.aware)
		add(label+", naive", r.naive)
	}
	for _, t := range transforms {
		label := fmt.Sprintf("%s, c=%s, s=%s, transform, ", t.cut, t.c, t.s)
		add(label+"calibrated", t.calibrated)
		add(label+"trained", t.fixed)
		add(label+"trained to a target", t.steered)
	}
	for _, e := range images {
		add("the image as "+e.codec, e.evaluation)
	}
	if len(c.Series) == 0 {
		return nil
	}
	var svg bytes.Buffer
	if err := c.WriteSVG(&svg); err != nil {
		return err
	}
	if err := os.WriteFile(name+"-sweep.svg", svg.Bytes(), 0o644); err != nil {
		return err
	}
	fmt.Fprintf(b, "## Sweep of quality (the paper's Fig. 7)\n\n![top-1 over payload](%s-sweep.svg)\n\n", filepath.Base(name))
	for _, r := range rows {
		if r.aware == nil || len(r.aware.Sweep) < 10 {
			continue
		}
		fmt.Fprintf(b, "%s, c=%s, s=%s, %g epochs:\n\n| quality | aware, bytes | top-1 | naive, bytes | top-1 |\n|---|---|---|---|---|\n", r.cut, r.c, r.s, r.epochs)
		for i, p := range r.aware.Sweep {
			size, top1 := "-", "-"
			if r.naive != nil && i < len(r.naive.Sweep) {
				size, top1 = fmt.Sprintf("%.1f", r.naive.Sweep[i].Payload), rate(r.naive.Sweep[i].Top1)
			}
			fmt.Fprintf(b, "| %d | %.1f | %s | %s | %s |\n", p.Quality, p.Payload, rate(p.Top1), size, top1)
		}
		b.WriteString("\n")
	}
	return nil
}
