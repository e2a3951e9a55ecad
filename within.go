package bnc

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/bottlenet/bnc/compiler/cut"
	"github.com/bottlenet/bnc/compiler/onnx"
	"github.com/bottlenet/bnc/compiler/survey"
	"github.com/bottlenet/bnc/internal/progress"
	"github.com/bottlenet/bnc/passes/bottleneck"
	"github.com/bottlenet/bnc/passes/split"
	"github.com/bottlenet/bnc/runtime/budget"
	"github.com/bottlenet/bnc/runtime/eval"
	"github.com/bottlenet/bnc/runtime/heldout"
	"github.com/bottlenet/bnc/runtime/plan"
	"github.com/bottlenet/bnc/runtime/probe"
	"github.com/bottlenet/bnc/runtime/task"
)

// CodecAuto stands for the codec that is best for Bytes of a payload.
const CodecAuto = "auto"

// Choice is a bottleneck that was tried, or chosen, for a number of bytes.
type Choice struct {
	Cut     string         `json:"cut"`
	C       Each[Channels] `json:"c,omitempty"`
	S       Each[int]      `json:"s,omitempty"`
	Codec   string         `json:"codec,omitempty"`
	Quality int            `json:"quality,omitempty"` // of the codec, 0 where it has none
	// PayloadBytes and Agreement, with the whole model by the task's measure, are those on N
	// images that the calibration has not seen. They are nil where even the lowest quality
	// takes more bytes, Least in the mean.
	PayloadBytes *eval.Summary `json:"payload_bytes"`
	Agreement    *task.Primary `json:"agreement"`
	N            int           `json:"n,omitempty"`
	Least        float64       `json:"least,omitempty"`
	// MACsBefore are the multiply-adds before the cut, LatencyMS what a profile predicts.
	MACsBefore *int64   `json:"macs_before,omitempty"`
	LatencyMS  *float64 `json:"latency_ms,omitempty"`
	Why        string   `json:"why,omitempty"` // there is no bottleneck at the cut
	// Seconds are how long the trial took.
	Seconds float64 `json:"-"`
}

// mostChannels bounds the channels of a tensor that are chosen: the components behind them
// explain next to nothing, and the device computes them.
const mostChannels = 512

// checkBytes finds what cannot be of options that say bytes, or lack them.
func (o *SplitOptions) checkBytes() error {
	auto := slices.Contains(o.Channels, Auto)
	switch {
	case auto && len(o.Channels) > 1:
		return usage("c", "auto is for all tensors: give it alone")
	case auto && o.Bytes == 0:
		return usage("c", "auto needs option bytes B, how many a payload may take")
	case o.Codec == CodecAuto && o.Bytes == 0:
		return usage("codec", "auto needs option bytes B, how many a payload may take")
	case len(o.Profiles) > 0 && (o.Bytes == 0 || o.After != ""):
		return usage("profile", "chooses the cut: it needs option bytes, and no option after")
	case len(o.Profiles) == 0 && (o.Network != "" || o.CloudProfile != ""):
		return usage("network", "needs option profile: what a cut takes on the device")
	case o.Bytes == 0:
		return nil
	case o.Plain:
		return usage("bytes", "has no meaning with option plain")
	case o.Calibrate == "":
		return usage("bytes", "needs option calib DATA: images tell what payloads take and what is lost")
	}
	return nil
}

// within chooses what Bytes of a payload are best spent on.
type within struct {
	*SplitOptions
	path    string
	a       *cut.Analysis
	request split.Request
	source  func(tensors []string) calibrationSource
	judging judging
	measure plan.Measure
	latency func(cut, tensor string) (ms float64, known bool) // nil without profiles
	p       progress.Progress

	seen  *probe.Seen // by the calibration at the place that was opened last
	tried []Choice
}

// within chooses what Bytes of a payload are best spent on at a place, or everywhere where it
// has no cut.
func (o *SplitOptions) within(ctx context.Context, path string, a *cut.Analysis, at *where, k *prepared, src calibrationSource) (*probe.Seen, error) {
	rest, held, err := heldout.HoldOption(src.Set, "calib", o.Calibrate, o.progress().Notice)
	if err != nil {
		return nil, err
	}
	outputs, _, err := k.subject.JudgedBy(k.task.Task, eval.Want{})
	if err != nil {
		return nil, err
	}
	src.Set = rest
	w := &within{
		SplitOptions: o, path: path, a: a, request: o.raw(), judging: judging{held.Unlabelled(), k.task.Task, outputs},
		measure: *k.task.Agreement().Named(), p: o.progress(),
		source: func(tensors []string) calibrationSource { src.Tensors = tensors; return src },
	}
	if at.cut == nil {
		err = w.anywhere(ctx, at)
	} else {
		err = w.at(ctx, at)
	}
	if err != nil {
		return nil, err
	}
	at.tried = w.tried
	w.seen.Read(held)
	return w.seen, nil
}

// at chooses a bottleneck at a cut.
func (w *within) at(ctx context.Context, at *where) error {
	start := time.Now()
	best, tried, err := w.choose(ctx, at.cut)
	if err != nil {
		return w.told(at.cut, err)
	}
	w.p.Notice("%d bottlenecks were tried in %.0f s", len(tried), time.Since(start).Seconds())
	for _, t := range tried {
		w.tried = append(w.tried, w.choiceOf(at.cut, &t))
	}
	w.take(at, best)
	return nil
}

// told is an error as people can use it.
func (w *within) told(c *cut.Cut, err error) error {
	if small := (*budget.TooSmallError)(nil); errors.As(err, &small) {
		return unusable("option bytes: at cut %s %w; give as many, or a cut further behind", c.Name(), small)
	}
	return err
}

// choose tries bottlenecks at a cut.
func (w *within) choose(ctx context.Context, c *cut.Cut) (*budget.Trial, []budget.Trial, error) {
	pl, err := openPlace(ctx, w.p, w.source(c.Names()), w.request, c, w.judging)
	if err != nil {
		return nil, nil, err
	}
	defer pl.Close()
	w.seen = pl.run.Seen
	space, err := w.space(pl)
	if err != nil {
		return nil, nil, err
	}
	bar := w.p.Phase("trying bottlenecks", 0)
	return budget.Choose(ctx, pl, space, budget.Options{Bytes: w.Bytes, Step: func(budget.Trial) { bar.Step(1) }})
}

// space are the candidates at a place.
func (w *within) space(pl *place) (budget.Space, error) {
	var s budget.Space
	var most []int
	for i, t := range pl.cut.Tensors {
		channels, _ := t.Type.Dims[1].Int()
		most = append(most, int(min(channels, mostChannels)))
		s.Most += most[i]
		s.Unmixed = append(s.Unmixed, int(Full))
		if len(w.Channels) > 0 && w.Channels[0] != Auto {
			s.Channels = append(s.Channels, int(w.Channels[min(i, len(w.Channels)-1)]))
		}
	}
	order, err := bottleneck.Order(pl.tensors)
	if err != nil {
		return s, err
	}
	s.Divide = func(n int) ([]int, error) { return budget.Divide(n, most, order), nil }
	s.Families, err = w.families(pl.cut)
	return s, err
}

// families are the strides and codecs to choose from. Where a cut is chosen codecs that are fitted
// to their tiles are the only ones that are tried, unless another is named.
func (w *within) families(c *cut.Cut) (all []budget.Family, err error) {
	names := w.codecs()
	if some := slices.DeleteFunc(slices.Clone(names), func(name string) bool { return !bottleneck.FittedNamed(name) }); w.After == "" && len(some) > 0 {
		names = some
	}
	var codecs []budget.Family
	for _, name := range names {
		codec, err := bottleneck.CodecNamed(name, w.Quality)
		if err != nil {
			return nil, usage("codec", ": %w", err)
		}
		f := budget.Family{Codec: name}
		if codec.HasQuality() {
			f.Lowest, f.Highest = cmp.Or(w.Quality, 1), cmp.Or(w.Quality, 100)
		}
		codecs = append(codecs, f)
	}
	var sizes [][2]int
	for _, t := range c.Tensors {
		height, _ := t.Type.Dims[2].Int()
		width, _ := t.Type.Dims[3].Int()
		sizes = append(sizes, [2]int{int(height), int(width)})
	}
	return budget.Strided(codecs, sizes, w.Stride), nil
}

// codecs are those to choose from: the one that is named, or those for which the other options
// have a meaning.
func (o *SplitOptions) codecs() []string {
	if o.Codec != "" && o.Codec != CodecAuto {
		return []string{o.Codec}
	}
	return bottleneck.CodecsFor(o.Quality, o.VariableRate)
}

// anywhere chooses the cut, too.
func (w *within) anywhere(ctx context.Context, at *where) error {
	whole := survey.MACs(w.a)
	if whole == nil {
		return unusable("%s: sizes or operators leave the multiply-adds open, by which cuts are chosen: tell the sizes by option input, or name a cut with option after", w.path)
	}
	sites, cuts, err := w.sites(*whole)
	if err != nil {
		return err
	}
	start := time.Now()
	for i := range sites {
		c := cuts[sites[i].Name]
		sites[i].Choose = func(ctx context.Context) (*budget.Trial, error) {
			start = time.Now()
			t, _, err := w.choose(ctx, c)
			return t, err
		}
	}
	best, _, err := budget.ChooseCut(ctx, sites, w.measure, func(t budget.CutTrial) {
		c := w.choiceOf(cuts[t.Name], t.Trial)
		c.Seconds, c.Why = time.Since(start).Seconds(), fmt.Sprint(t.Why)
		if t.Why == nil {
			c.Why = ""
		}
		w.tried = append(w.tried, c)
		w.p.Notice("%s", w.line(c))
	})
	if unfit := (*DataError)(nil); errors.As(err, &unfit) || errors.As(err, new(*budget.TooSmallError)) {
		return unusable("option bytes: no cut can be used, the last because: %w", err)
	}
	if err != nil {
		return err
	}
	at.cut = cuts[best.Name]
	w.take(at, best.Trial)
	return nil
}

// line tells of a cut that was tried.
func (w *within) line(c Choice) string {
	if c.Agreement == nil {
		return fmt.Sprintf("%s: %s (%.0f s)", c.Cut, c.Why, c.Seconds)
	}
	return fmt.Sprintf("%s: %s %s at %.0f bytes (%.0f s)", c.Cut, task.Text(c.Agreement.Name), w.measure.Short(c.Agreement.Value), c.PayloadBytes.Mean, c.Seconds)
}

// sites are the cuts that are worth a trial: those of one tensor, and frontiers between them.
func (w *within) sites(whole int64) (sites []budget.Site, cuts map[string]*cut.Cut, err error) {
	if len(w.Profiles) > 0 {
		hash, err := onnx.Hash(w.path)
		if err != nil {
			return nil, nil, err
		}
		sources := plan.Sources{Profiles: w.Profiles, CloudProfile: w.CloudProfile, Networks: []string{cmp.Or(w.Network, "4g")}}
		if w.latency, err = sources.Predict(float64(w.Bytes), hash); err != nil {
			return nil, nil, err
		}
	}
	cuts = map[string]*cut.Cut{}
	site := func(to *[]budget.Site, c *cut.Cut) {
		macs, _ := w.a.Before(c)
		if c.NoBottleneck() != "" || macs == nil {
			return
		}
		s := budget.Site{Name: c.Name(), Before: *macs, Cost: float64(*macs)}
		if w.latency != nil {
			var known bool
			if s.Cost, known = w.latency(c.Name(), c.Tensor()); !known {
				return
			}
		}
		for _, t := range c.Tensors {
			elements := int64(1)
			for _, d := range t.Type.Dims[1:] {
				n, _ := d.Int()
				elements *= n
			}
			s.Elements += elements
		}
		*to, cuts[s.Name] = append(*to, s), c
	}
	var single, several []budget.Site
	for i := range w.a.Cuts {
		site(&single, &w.a.Cuts[i])
	}
	frontiers := w.a.Frontiers(cut.FrontierTensors)
	for i := range frontiers {
		site(&several, &frontiers[i])
	}
	sites = budget.Worth(single, several, whole)
	switch {
	case sites != nil:
		return sites, cuts, nil
	case w.latency != nil:
		return nil, nil, unusable("profile %s: it has no times of both sides of any cut that takes a bottleneck: give option after CUT, or a profile of this model", strings.Join(w.Profiles, ", "))
	}
	return nil, nil, unusable("%s: there is no cut that takes a bottleneck (bnc inspect tells why)", w.path)
}

// choiceOf says what was tried at a cut; nothing but the cut where t is nil.
func (w *within) choiceOf(c *cut.Cut, t *budget.Trial) Choice {
	choice := Choice{Cut: c.Name()}
	choice.MACsBefore, _ = w.a.Before(c)
	if w.latency != nil {
		ms, _ := w.latency(c.Name(), c.Tensor())
		choice.LatencyMS = &ms
	}
	if t == nil {
		return choice
	}
	for _, n := range t.Channels {
		choice.C = append(choice.C, Channels(n))
	}
	choice.S, choice.Codec, choice.Quality = t.Stride, t.Codec, t.Quality
	if j := t.Judgement; j != nil {
		choice.PayloadBytes, choice.N = eval.Summarise(j.Bytes), len(j.Bytes)
		choice.Agreement = &task.Primary{Name: w.measure.Name, Value: j.Agreement, Interval: j.Interval}
	} else {
		choice.Least = t.Mean
	}
	return choice
}

// take gives a place what was chosen, with the quality at which it was judged.
func (w *within) take(at *where, t *budget.Trial) {
	at.settings = t.Bottleneck.(*made).settings
	at.settings.SetQuality(t.Quality)
	at.choice = new(w.choiceOf(at.cut, t))
}

// boundName is what a bundle for a number of bytes is called where nothing else is said:
// MODEL-CUT-bB, without the cut where it is chosen.
func (o *SplitOptions) boundName(path string, c *cut.Cut) string {
	name := strings.TrimSuffix(filepath.Base(path), filepath.Ext(path))
	if c != nil {
		name = split.Place(path, o.After, c)
	}
	return fmt.Sprintf("%s-b%d", name, o.Bytes)
}
