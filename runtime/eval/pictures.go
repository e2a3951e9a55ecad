package eval

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"slices"

	"github.com/bottlenet/bnc/internal/files"
	"github.com/bottlenet/bnc/runtime/data"
	"github.com/bottlenet/bnc/runtime/draw"
	"github.com/bottlenet/bnc/runtime/feed"
	"github.com/bottlenet/bnc/runtime/imagein"
	"github.com/bottlenet/bnc/runtime/task"
)

// Picture shows an image with what the teacher says of it on the left and the subject on
// the right.
type Picture struct {
	Which     string  `json:"which"` // worst, median or best
	Input     string  `json:"input"`
	Agreement float64 `json:"agreement"`      // of the two answers, 0..1
	File      string  `json:"file,omitempty"` // a PNG
	PNG       []byte  `json:"-"`
}

// seenMost is how many classes are told below a picture.
const seenMost = 3

// Pictures draws the images of which teacher and subject agree worst, in the middle and
// best, at a quality that Run has measured. Items that are no pictures have none.
func (e *Evaluation) Pictures(ctx context.Context, quality int, labels []string) ([]Picture, error) {
	judge := e.judges[quality]
	if e.Said == nil || judge == nil {
		return nil, nil // there is nothing to compare
	}
	each, err := judge.Each(e.Said)
	if err != nil {
		return nil, err
	}
	items := make([]int, 0, len(each))
	for i, x := range each {
		if !math.IsNaN(x) {
			items = append(items, i)
		}
	}
	slices.SortStableFunc(items, func(a, b int) int { return cmp.Compare(each[a], each[b]) })
	if len(items) == 0 {
		return nil, nil
	}
	sight := task.Sight{Labels: labels, Most: seenMost}
	taught, err := e.see(ctx, e.Teacher, 0, e.Set, e.TeacherChoose, e.Asked, sight, items)
	if err != nil {
		return nil, fmt.Errorf("teacher: %w", err)
	}
	set, _, _, err := e.input(quality)
	if err != nil {
		return nil, err
	}
	seen, err := e.see(ctx, e.Subject, quality, set, e.Choose, e.Outputs, sight, items)
	if err != nil {
		return nil, err
	}
	var all []Picture
	for _, one := range []struct {
		which string
		at    int
	}{{"worst", 0}, {"median", len(items) / 2}, {"best", len(items) - 1}} {
		item := items[one.at]
		content, err := e.Set.Item(item)
		if err != nil || content.Image == nil {
			continue
		}
		var b bytes.Buffer
		panel := func(title string, a answer) draw.Panel {
			img := content.Image
			if o, ok := img.(*imagein.Oriented); ok && a.raw {
				img = o.Raw
			}
			return draw.Panel{Title: title, Image: draw.Answer(img, a.frame, a.Seen, a.Words(labels))}
		}
		if err := png.Encode(&b, draw.Beside(panel("whole model", taught[item]), panel("with the bottleneck", seen[item]))); err != nil {
			return nil, err
		}
		all = append(all, Picture{Which: one.which, Input: e.Set.Name(item), Agreement: each[item], PNG: b.Bytes()})
	}
	return all, nil
}

// answer is what is seen of an item.
type answer struct {
	task.Seen
	frame imagein.Frame
	raw   bool // the picture is taken as the file has it
}

// see runs a subject on the worst, the median and the best of items, and returns what is
// seen of each.
func (e *Evaluation) see(ctx context.Context, s *Subject, quality int, set *data.Set, choose feed.Chooser, outputs task.Outputs, sight task.Sight, items []int) (map[int]answer, error) {
	m, closer, err := s.open(quality)
	if err != nil {
		return nil, err
	}
	defer closer.Close()
	feeder, err := e.Given.New(s.Inputs, choose)
	if err != nil {
		return nil, err
	}
	sight.Outputs = outputs
	all := map[int]answer{}
	for _, item := range []int{items[0], items[len(items)/2], items[len(items)-1]} {
		if _, done := all[item]; done {
			continue
		}
		var watch watcher
		if _, err := Run(ctx, m, feeder, set.Select([]int{item}), &watch, s.Batches(feeder.Port(), 1)); err != nil {
			return nil, err
		}
		seen, err := e.Task.See(watch.Batch, sight)
		if err != nil || len(seen) == 0 {
			return nil, fmt.Errorf("%s: %w", e.Set.Name(item), err)
		}
		all[item] = answer{Seen: seen[0], frame: watch.Frames[0], raw: s.Meta.Preprocess != nil && !s.Meta.Preprocess.Orient}
	}
	return all, nil
}

// watcher is a judge that keeps what it hears.
type watcher struct {
	task.Judge
	task.Batch
}

// Add keeps a batch.
func (w *watcher) Add(b task.Batch, _ []int) error {
	w.Batch = b
	return nil
}

// SavePictures writes pictures into a folder, which it makes, as WHICH.png.
func SavePictures(dir string, all []Picture) error {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	for i := range all {
		all[i].File = filepath.Join(dir, all[i].Which+".png")
		if err := files.Write(all[i].File, all[i].PNG); err != nil {
			return err
		}
	}
	return nil
}
