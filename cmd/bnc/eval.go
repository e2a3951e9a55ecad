package main

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/bottlenet/bnc"
	"github.com/bottlenet/bnc/internal/flags"
	"github.com/bottlenet/bnc/internal/table"
	"github.com/bottlenet/bnc/runtime/eval"
	"github.com/bottlenet/bnc/runtime/task"
	"github.com/spf13/pflag"
)

var evalCommand = command{
	name:  "eval",
	args:  "BUNDLE|MODEL --data DATA [FLAGS]",
	short: "Measure accuracy, payload and agreement with a teacher over a set of images",
	long: `
DATA is an image folder (one sub-folder a class), a flat folder without labels, a
folder with MNIST-named IDX files, or .npy arrays; of a divided one val/ or t10k-*
is taken. A bundle is evaluated by its bottlenet.onnx, in batches; its halves
compute the same function (in float16 where they were split with --fp16).

What is measured is the task's (docs/tasks.md): the best class, average precision
of boxes (--annotations), mean IoU of masks, ... Agreement is the same beside what
the teacher says, of classes the share of images that get the same one. It sees
them uncompressed: --teacher, or without it the bundle's own network without the
bottleneck, as long as its weights are still the original model's, or with
--input-codec the model itself. Where there are labels, too, the two are compared
image by image. Three axes belong together: how good it is, bytes (mean, of 95 in
100 images at most, of all), and multiply-adds on the device.

--quality takes numbers and ranges, FIRST-LAST or FIRST-LAST:STEP. One quality
replaces the bundle's own, several give a row each beside it. With --max-bytes the
halves of a pair of many rates are run instead, image by image, as bnc run does with
it: an image that takes more gets the highest quality that fits. With --input-codec
the images themselves are sent, as without a bottleneck: a whole model gets each
one, resized and cropped, as the codec gives it back. --input-size makes images
smaller before they are coded, and larger again for the model behind it. AVIF is
the one to beat. Payload bytes are those that the receiver cannot know beforehand:
no headers and no tables. File bytes are the same as a whole file.

An image that cannot be used is told and left out: the results are those of the
others, and the exit code is 3.

Examples:
  bnc eval net-rb1 --data imagenette
  bnc eval net-rb1 --data photos --quality 1,5-95:10 --plot rates.svg
  bnc eval net-rb6 --data photos --max-bytes 400
  bnc eval net-rb1 --data unlabelled --teacher net.onnx --json
  bnc eval net.onnx --data photos --input-codec avif --quality 10-60:10 --input-size 160
  bnc eval yolo-cut9-c24-s1 --data coco/val2017 --annotations instances_val2017.json`,
	setup: setupEval,
}

// scoresUsage says what --scores does.
const scoresUsage = "output with the scores of the classes (default: all that have them; labels are of the first of as many classes as the data)"

func setupEval(fs *pflag.FlagSet) func(context.Context, streams, []string) error {
	var o bnc.EvalOptions
	var quality, plot string
	var asJSON bool
	fs.StringVar(&o.Data, "data", "", "images to evaluate on")
	fs.StringVar(&o.Annotations, "annotations", "", "what is to be detected in the images: a file in COCO's JSON")
	fs.StringVar(&o.Scores, "scores", "", scoresUsage)
	fs.StringVar(&o.Teacher, "teacher", "", "model (or bundle) whose answers are compared with")
	fs.StringVar(&quality, "quality", "", "qualities of the codec, 1..100 (default: the bundle's, 75 for images)")
	fs.Var(flags.CountFrom1(&o.MaxBytes), "max-bytes", "no image takes more bytes, framing included: those that would get the highest quality that fits")
	fs.StringVar(&o.InputCodec, "input-codec", "", "send the images themselves, as "+strings.Join(bnc.InputCodecs(), ", "))
	fs.IntVar(&o.InputSize, "input-size", 0, "short side in pixels that images are sent with, enlarged again for the model (default: the input's own)")
	fs.StringVar(&plot, "plot", "", "SVG file to write: accuracy against payload")
	fs.StringVar(&o.Draw, "draw", "", "folder for pictures of the teacher's answer beside this one's: of the worst, the median and the best image")
	fs.Var(flags.CountFrom1(&o.Batch), "batch", fmt.Sprintf("images of a run, where the model does not fix it (default %d)", eval.DefaultBatch))
	fs.IntVar(&o.Limit, "limit", 0, "evaluate on that many images, spread over the set (default: all)")
	fs.IntVar(&o.Threads, "threads", 0, "threads of a session, 0 for one a core")
	declareTask(fs, &o.TaskOptions)
	declareImages(fs, &o.ImageOptions)
	declareFeed(fs, &o.FeedOptions)
	fs.BoolVar(&asJSON, "json", false, "print one JSON document")
	return func(ctx context.Context, s streams, args []string) error {
		path, err := oneArg(args, "bundle or model")
		if err != nil {
			return err
		}
		if o.Quality, err = parseQualities(quality); err != nil {
			return usagef("%w", err)
		}
		if err := fits("--plot", plot); err != nil {
			return err
		}
		r := newReporter(s.err)
		defer r.done()
		o.Plot, o.Reporter = plot != "", r
		result, failed := bnc.Eval(ctx, path, o)
		if result == nil {
			return failed
		}
		r.done()
		if plot != "" {
			var b bytes.Buffer
			if err := result.WriteSVG(&b); err != nil {
				return err
			}
			if err := s.writeFile(plot, b.Bytes()); err != nil {
				return err
			}
		}
		if asJSON {
			err = printJSON(s.out, result)
		} else {
			err = printEval(s, o.Data, result)
		}
		if err != nil {
			return err
		}
		return failed
	}
}

// parseQualities reads numbers and ranges FIRST-LAST[:STEP] of 1..100, each
// quality once.
func parseQualities(list string) ([]int, error) {
	if list == "" {
		return nil, nil
	}
	var out []int
	for part := range strings.SplitSeq(list, ",") {
		bounds, by, stepped := strings.Cut(part, ":")
		first, last, ranged := strings.Cut(bounds, "-")
		if !ranged {
			last = first
		}
		if !stepped {
			by = "1"
		}
		from, err1 := strconv.Atoi(first)
		to, err2 := strconv.Atoi(last)
		step, err3 := strconv.Atoi(by)
		if err1 != nil || err2 != nil || err3 != nil || from < 1 || to > 100 || from > to || step < 1 || stepped && !ranged {
			return nil, fmt.Errorf("--quality %q: expected 1 to 100, or a range such as 5-95:10", part)
		}
		for q := from; q <= to; q += step {
			if !slices.Contains(out, q) {
				out = append(out, q)
			}
		}
	}
	return out, nil
}

func printEval(s streams, data string, r *bnc.EvalResult) error {
	fmt.Fprintf(s.out, "%d images of %s\n", r.N, data)
	head := []string{"quality"}
	for _, m := range r.Measures {
		head = append(head, m.Text)
	}
	head = append(head, agreementText(r.Agreed))
	paired := slices.ContainsFunc(r.Rows, func(row eval.Row) bool { return row.Paired != nil })
	if paired {
		head = append(head, "beside the teacher")
	}
	rows := [][]string{append(head, "payload bytes", "p95", "max", "file bytes", "p95", "max")}
	for _, row := range r.Rows {
		cells := []string{"-"}
		if row.Quality > 0 {
			cells[0] = strconv.Itoa(row.Quality)
		}
		for _, m := range r.Measures {
			cells = append(cells, withInterval(m, row.Of(m.Name), row.Primary))
		}
		cells = append(cells, withInterval(r.Agreed, row.Agreement, row.Primary))
		if paired {
			cells = append(cells, pairedText(row.Paired))
		}
		rows = append(rows, slices.Concat(cells, sizeCells(row.PayloadBytes), sizeCells(row.FileBytes)))
	}
	if err := table.Right(s.out, rows); err != nil {
		return err
	}
	if r.Primary != nil {
		fmt.Fprintln(s.out, "in brackets: 95% confidence intervals; beside the teacher: points gained, image by image")
	}
	if r.MaxBytes > 0 {
		fmt.Fprintf(s.out, "no record is longer than %d bytes: images that take more have the highest quality that fits\n", r.MaxBytes)
	}
	if text := computesText(r); text != "" {
		fmt.Fprintln(s.out, text)
	}
	for _, out := range r.Outputs {
		fmt.Fprintf(s.out, "output %s: %s %s\n", out.Output, out.Words(), valueText(task.MeasureOf(out.Measure), &out.Value))
	}
	for _, p := range r.Pictures {
		fmt.Fprintf(s.out, "%s: %s, agreement %s: %s\n", p.Which, p.Input, rateText(&p.Agreement), p.File)
	}
	return nil
}

// agreementText calls a measure that compares with a teacher.
func agreementText(m task.Measure) string {
	if m.Name == task.Agreement.Name {
		return m.Text
	}
	return "agreement: " + m.Text
}

// valueText writes a value of a measure.
func valueText(m task.Measure, v *float64) string {
	if v == nil {
		return "-"
	}
	return m.Short(*v)
}

// withInterval is valueText with the interval where the value is the primary one.
func withInterval(m task.Measure, v *float64, primary *task.Primary) string {
	if v == nil || primary == nil || primary.Name != m.Name || primary.Value != *v || primary.Interval == [2]float64{} {
		return valueText(m, v)
	}
	return fmt.Sprintf("%s [%s, %s]", m.Short(*v), bare(m, primary.Interval[0]), bare(m, primary.Interval[1]))
}

// bare writes a value in points as Short does, without the unit.
func bare(m task.Measure, v float64) string {
	m.Unit = ""
	return m.Format(v, 1)
}

// pairedText writes a difference to the teacher in points.
func pairedText(p *task.Paired) string {
	if p == nil {
		return "-"
	}
	m := task.MeasureOf(p.Name)
	return fmt.Sprintf("%+.1f [%s, %s]", m.Points*p.Difference, bare(m, p.Interval[0]), bare(m, p.Interval[1]))
}

// computesText says what the device computes, "" where that is not known.
func computesText(r *bnc.EvalResult) string {
	switch {
	case r.DeviceMACs == nil:
		return ""
	case r.InputCodec != "":
		return fmt.Sprintf("on the device: no multiply-adds, an image of %d pixels is coded", r.InputSize)
	case r.DeviceShare == nil:
		return fmt.Sprintf("on the device: %s multiply-adds an image", count(*r.DeviceMACs))
	}
	return fmt.Sprintf("on the device: %s multiply-adds an image, %.1f%% of the model's %s", count(*r.DeviceMACs), 100**r.DeviceShare, count(*r.ModelMACs))
}

func rateText(v *float64) string {
	if v == nil {
		return "-"
	}
	return fmt.Sprintf("%.1f%%", 100**v)
}

// sizeCells returns mean, 95th percentile and maximum as cells.
func sizeCells(s *eval.Summary) []string {
	if s == nil {
		return []string{"-", "-", "-"}
	}
	return []string{fmt.Sprintf("%.1f", s.Mean), fmt.Sprintf("%.0f", s.P95), strconv.Itoa(s.Max)}
}
