package bnc

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/bottlenet/bnc/compiler/cut"
	"github.com/bottlenet/bnc/compiler/onnx"
	"github.com/bottlenet/bnc/compiler/survey"
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
	// MACsBefore are the multiply-adds before the cut, DeviceMACs those of the bottleneck's side
	// on the device, too, and LatencyMS what a profile predicts.
	MACsBefore *int64   `json:"macs_before,omitempty"`
	DeviceMACs *int64   `json:"device_macs,omitempty"`
	LatencyMS  *float64 `json:"latency_ms,omitempty"`
	Why        string   `json:"why,omitempty"` // there is no bottleneck at the cut
	// Seconds are how long the trial took.
	Seconds float64 `json:"-"`
}

// checkBytes finds what cannot be of options that say bytes, or lack them.
func (o *SplitOptions) checkBytes() error {
	return budget.Asked{
		Bytes: o.Bytes, Cut: o.After != "", Calibrated: o.Calibrate != "", Plain: o.Plain,
		AutoChannels: slices.Contains(o.Channels, Auto), Several: len(o.Channels) > 1, AutoCodec: o.Codec == CodecAuto, Sources: o.sources(),
	}.Check()
}

// sources are the profiles by which a cut is chosen.
func (o *SplitOptions) sources() plan.Sources {
	s := plan.Sources{Profiles: o.Profiles, CloudProfile: o.CloudProfile}
	if o.Network != "" {
		s.Networks = []string{o.Network}
	}
	return s
}

// within chooses what Bytes of a payload are best spent on.
type within struct {
	*SplitOptions
	a       *cut.Analysis
	cuts    map[string]*cut.Cut // by their names
	src     calibrationSource   // but for the cut
	judged  heldout.Judged
	measure plan.Measure
	seen    *probe.Seen // by the calibration at the cut that was opened last
}

// within chooses what Bytes of a payload are best spent on at a place, or everywhere where it
// has no cut.
func (o *SplitOptions) within(ctx context.Context, path string, a *cut.Analysis, at *where, k *prepared, src calibrationSource) (*probe.Seen, error) {
	rest, held, err := heldout.HoldOption(src.Set, "calib", o.Calibrate, o.progress().Notice)
	if err != nil {
		return nil, err
	}
	src.Set = rest
	w := &within{SplitOptions: o, a: a, cuts: map[string]*cut.Cut{}, src: src, measure: *k.task.Agreement().Named()}
	if w.judged, err = k.judged(held); err != nil {
		return nil, err
	}
	s := &budget.Spending{
		Bytes: o.Bytes, Model: path, Progress: o.progress(), Open: w.open,
		Measure: w.measure, Sources: o.sources(), Hash: func() (string, error) { return onnx.Hash(path) },
	}
	if at.cut == nil {
		err = w.anywhere(ctx, s, at)
	} else {
		err = w.at(ctx, s, at)
	}
	if err != nil {
		return nil, err
	}
	w.seen.Read(held)
	return w.seen, nil
}

// at chooses a bottleneck at a cut.
func (w *within) at(ctx context.Context, s *budget.Spending, at *where) error {
	w.cuts[at.cut.Name()] = at.cut
	best, tried, err := s.At(ctx, at.cut.Name())
	if err != nil {
		return err
	}
	for _, t := range tried {
		at.tried = append(at.tried, w.choiceOf(at.cut, &t))
	}
	at.take(best, w.choiceOf(at.cut, best))
	return nil
}

// anywhere chooses the cut, too.
func (w *within) anywhere(ctx context.Context, s *budget.Spending, at *where) error {
	single, several := survey.Places(w.a)
	best, err := s.Anywhere(ctx, survey.MACs(w.a), w.sites(single), w.sites(several), func(t budget.CutTrial) {
		c := w.choiceAt(t)
		if at.tried = append(at.tried, c); c.Agreement == nil {
			s.Progress.Notice("%s: %s (%.0f s)", c.Cut, c.Why, c.Seconds)
		} else {
			s.Progress.Notice("%s: %s %s at %.0f bytes (%.0f s)", c.Cut, task.Text(c.Agreement.Name), w.measure.Short(c.Agreement.Value), c.PayloadBytes.Mean, c.Seconds)
		}
	})
	if err != nil {
		return err
	}
	at.cut = w.cuts[best.Name]
	at.take(best.Trial, w.choiceAt(*best))
	return nil
}

// sites are places as cuts that can be chosen.
func (w *within) sites(places []survey.Place) (all []budget.Site) {
	for _, p := range places {
		w.cuts[p.Name()] = p.Cut
		all = append(all, budget.Site{Name: p.Name(), Tensor: p.Tensor(), Before: p.Before, Elements: p.Elements, Cost: float64(p.Before), CostMAC: 1})
	}
	return all
}

// codecs are those to choose from: the one that is named, or those for which the other options
// have a meaning.
func (o *SplitOptions) codecs() []string {
	if o.Codec != "" && o.Codec != CodecAuto {
		return []string{o.Codec}
	}
	return bottleneck.CodecsFor(o.Quality, o.VariableRate)
}

// choiceAt says what was tried where the cut is chosen.
func (w *within) choiceAt(t budget.CutTrial) Choice {
	c := w.choiceOf(w.cuts[t.Name], t.Trial)
	if c.Seconds = t.Took; t.Why != nil {
		c.Why = t.Why.Error()
	}
	if len(w.Profiles) > 0 {
		c.LatencyMS = &t.Cost
	}
	return c
}

// choiceOf says what was tried at a cut; nothing but the cut where t is nil.
func (w *within) choiceOf(c *cut.Cut, t *budget.Trial) Choice {
	choice := Choice{Cut: c.Name()}
	choice.MACsBefore, _ = w.a.Before(c)
	if t == nil {
		return choice
	}
	for _, n := range t.Channels {
		choice.C = append(choice.C, Channels(n))
	}
	choice.S, choice.Codec, choice.Quality = t.Stride, t.Codec, t.Quality
	if choice.MACsBefore != nil {
		choice.DeviceMACs = new(*choice.MACsBefore + t.MACs)
	}
	if j := t.Judgement; j != nil {
		choice.PayloadBytes, choice.N = eval.Summarise(j.Bytes), len(j.Bytes)
		choice.Agreement = &task.Primary{Name: w.measure.Name, Value: j.Agreement, Interval: j.Interval}
	} else {
		choice.Least = t.Mean
	}
	return choice
}

// take gives a place what was chosen, with the quality at which it was judged.
func (w *where) take(t *budget.Trial, c Choice) {
	w.settings = t.Bottleneck.(*heldout.Trial).What.(split.Settings)
	w.settings.SetQuality(t.Quality)
	w.choice = &c
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
