// Command photos writes the table of what tools/photos.sh measured:
//
//	photos RESULTS-FOLDER DOCS-NAME
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

type evaluation struct {
	N         int      `json:"n"`
	Codec     string   `json:"input_codec"` // of images that are sent themselves
	Size      int      `json:"input_size"`
	Top1      float64  `json:"top1"`
	Agreement *float64 `json:"agreement"`
	Device    *float64 `json:"device_share"`
	Payload   *struct {
		Mean float64 `json:"mean"`
	} `json:"payload_bytes"`
	Sweep []struct {
		Quality int     `json:"quality"`
		Top1    float64 `json:"top1"`
		Payload float64 `json:"payload_bytes"`
	} `json:"sweep"`
}

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: photos RESULTS-FOLDER DOCS-NAME")
		os.Exit(2)
	}
	if err := write(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "photos:", err)
		os.Exit(1)
	}
}

func read(path string) (*evaluation, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	e := &evaluation{}
	if err := json.Unmarshal(b, e); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return e, nil
}

var pairName = regexp.MustCompile(`^(.+)-(rb\d+)-c(\w+)-s(\d)-q(\d+)-e(\d+)(.*)\.json$`)

func write(dir, doc string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	var b strings.Builder
	b.WriteString("# MobileNetV2 with ImageNet's weights, trained without labels\n\nMade by `tools/photos.sh`: 1,000 unlabelled photographs, judged on 500 others. The\nbottleneck has 8 bits and a restoration of width 64; it begins\ncalibrated (*untrained*). Rows beside --freeze backbone change the whole network.\nThe best image codec is the one of those that were measured which takes the fewest bytes for the same\naccuracy, between measurements linear in the logarithm of the bytes. AVIF is by libavif 1.1, which bnc\nbrings; 1.4 takes 5 to 17% fewer bytes for the same accuracy ([evidence.md](evidence.md)).\n")
	models := map[string]bool{}
	for _, e := range entries {
		if m := pairName.FindStringSubmatch(e.Name()); m != nil && !strings.HasSuffix(m[7], "train") {
			models[m[1]] = true
		}
	}
	var names []string
	for name := range models {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		if err := writeModel(&b, dir, doc, name, entries); err != nil {
			return err
		}
	}
	return os.WriteFile(doc+".md", []byte(b.String()), 0o644)
}

func writeModel(b *strings.Builder, dir, doc, name string, entries []os.DirEntry) error {
	whole, err := read(filepath.Join(dir, name+".json"))
	if err != nil {
		return err
	}
	var images []*evaluation
	for _, codec := range []string{"avif", "avif160", "webp", "jpeg"} {
		e, err := read(filepath.Join(dir, name+"-"+codec+".json"))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		images = append(images, e)
	}
	fmt.Fprintf(b, "\n## %s\n\nWhole model: **%.1f%%** top-1 on %d photographs.\n\n| cut | c | s | quality | epochs | flags | multiply-adds on the device | bytes | untrained | trained | agreement | the best image codec at that accuracy | its bytes | share |\n|---|---|---|---|---|---|---|---|---|---|---|---|---|---|\n", name, 100*whole.Top1, whole.N)
	var rows []row
	for _, e := range entries {
		m := pairName.FindStringSubmatch(e.Name())
		if m == nil || m[1] != name || strings.HasSuffix(m[7], "train") || strings.HasSuffix(m[7], "untrained") {
			continue
		}
		v, err := read(filepath.Join(dir, e.Name()))
		if err != nil {
			return err
		}
		rows = append(rows, row{fmt.Sprintf("%s, c=%s, s=%s, trained at quality %s, %s epochs %s", m[2], m[3], m[4], m[5], m[6], strings.TrimSpace(strings.ReplaceAll(m[7], "_", " "))), v})
		before, err := read(filepath.Join(dir, strings.TrimSuffix(e.Name(), ".json")+".untrained.json"))
		if err != nil {
			return err
		}
		image, bytes, share := "-", "-", "-"
		if best, size, atMost := imageAt(images, v.Top1); best != nil {
			image, bytes, share = best.name(), fmt.Sprintf("%.0f", size), fmt.Sprintf("%.2f", v.Payload.Mean/size)
			if atMost {
				bytes, share = "at most "+bytes, "at least "+share
			}
		}
		agreement, device := "-", "-"
		if v.Device != nil {
			device = fmt.Sprintf("%.1f%%", 100**v.Device)
		}
		if v.Agreement != nil {
			agreement = fmt.Sprintf("%.1f%%", 100**v.Agreement)
		}
		fmt.Fprintf(b, "| %s | %s | %s | %s | %s | `%s` | %s | %.0f | %.1f%% | %.1f%% | %s | %s | %s | %s |\n", m[2], m[3], m[4], m[5], m[6], strings.ReplaceAll(m[7], "_", " "), device, v.Payload.Mean,
			100*before.Top1, 100*v.Top1, agreement, image, bytes, share)
	}
	writeGoals(b, rows, images)
	if err := plot(fmt.Sprintf("%s-%s.svg", doc, name), name, rows, images); err != nil {
		return err
	}
	fmt.Fprintf(b, "\n![top-1 over payload](%s-%s.svg)\n", filepath.Base(doc), name)
	b.WriteString("\n| the image itself | quality | bytes | top-1 |\n|---|---|---|---|\n")
	for _, e := range images {
		for _, p := range e.Sweep {
			fmt.Fprintf(b, "| %s | %d | %.0f | %.1f%% |\n", e.name(), p.Quality, p.Payload, 100*p.Top1)
		}
	}
	return nil
}

// row is a trained bottleneck.
type row struct {
	name string
	*evaluation
}

// writeGoals names the smallest payloads that reach an accuracy, at any quality.
func writeGoals(b *strings.Builder, rows []row, images []*evaluation) {
	b.WriteString("\n| top-1 of at least | smallest payload | of | the best image codec | its bytes | share |\n|---|---|---|---|---|---|\n")
	for _, goal := range []float64{0.62, 0.70, 0.75} {
		best, of := math.Inf(1), ""
		for _, r := range rows {
			for _, p := range r.Sweep {
				if p.Top1 >= goal && p.Payload < best {
					best, of = p.Payload, fmt.Sprintf("%s, at quality %d", r.name, p.Quality)
				}
			}
		}
		if image, size, _ := imageAt(images, goal); image != nil && !math.IsInf(best, 1) {
			fmt.Fprintf(b, "| %.0f%% | %.0f | %s | %s | %.0f | %.2f |\n", 100*goal, best, of, image.name(), size, best/size)
		}
	}
}

// plot draws accuracy over bytes, every bottleneck at every quality.
func plot(file, model string, rows []row, images []*evaluation) error {
	c := chart.Chart{Title: model + ", top-1 over payload, each line over qualities", X: "payload, bytes an image", Y: "top-1, %", LogX: true}
	for _, e := range images {
		rows = append(rows, row{"the image as " + e.name(), e})
	}
	for _, r := range rows {
		s := chart.Series{Name: r.name}
		for _, p := range r.Sweep {
			s.Points = append(s.Points, chart.Point{X: p.Payload, Y: 100 * p.Top1, Label: fmt.Sprintf("quality %d", p.Quality)})
		}
		c.Series = append(c.Series, s)
	}
	var svg bytes.Buffer
	if err := c.WriteSVG(&svg); err != nil {
		return err
	}
	return os.WriteFile(file, svg.Bytes(), 0o644)
}

// name is what an image is sent as.
func (e *evaluation) name() string {
	if e.Codec == "webp" {
		return fmt.Sprintf("WebP at %d px", e.Size)
	}
	return fmt.Sprintf("%s at %d px", strings.ToUpper(e.Codec), e.Size)
}

// imageAt returns what the image takes the fewest bytes as for an accuracy, and these, or
// where nothing so bad was measured the most that it can be; nil where nothing is so good.
func imageAt(images []*evaluation, top1 float64) (best *evaluation, bytes float64, atMost bool) {
	for _, e := range images {
		size := e.bytesAt(top1)
		under := size == 0 && top1 < e.Sweep[0].Top1
		if under {
			size = e.Sweep[0].Payload
		}
		if size > 0 && (best == nil || size < bytes) {
			best, bytes, atMost = e, size, under
		}
	}
	return best, bytes, atMost
}

// bytesAt interpolates the bytes for an accuracy, linear in their logarithm; 0 outside of
// what was measured.
func (e *evaluation) bytesAt(top1 float64) float64 {
	for i := 1; i < len(e.Sweep); i++ {
		p, q := e.Sweep[i-1], e.Sweep[i]
		if top1 >= p.Top1 && top1 <= q.Top1 && q.Top1 > p.Top1 {
			return p.Payload * math.Pow(q.Payload/p.Payload, (top1-p.Top1)/(q.Top1-p.Top1))
		}
	}
	return 0
}
