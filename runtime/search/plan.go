package search

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"slices"

	"github.com/bottlenet/bnc/internal/fault"
	"github.com/bottlenet/bnc/runtime/plan"
)

// KindPlan is the kind of a plan's file.
const KindPlan = "search-plan"

// Versions of plans, which differ in the trainer's settings.
const (
	PlanFormat = 2
	// FlagsFormat is that of settings as flags of the command line. It is read.
	FlagsFormat = 1
)

// Plan says what a search is to find and which candidates there are.
//
// At each place, unless it is exhaustive, in this order:
//
//  1. Every size is screened, from the most channels and the highest quality down. Where
//     one loses more than the margin above MaxLoss, fewer channels, or the same, of the
//     same stride and codec at no higher quality are skipped: accuracy is monotone in
//     both.
//  2. Sizes that lose more than the margin above MaxLoss in the screening are out;
//     where all are, the most accurate is tried nevertheless.
//  3. The others are trained in full, the smallest payload first: two of them, and
//     more until one keeps MaxLoss. Behind one that does, the next begins with its
//     weights. Fewer channels and lower qualities are passed over where more have failed
//     by far.
//
// Codecs are sizes like others there: what is smallest and good enough is found among
// those of all.
type Plan struct {
	Format       int             `json:"format"` // PlanFormat
	Kind         string          `json:"kind"`   // KindPlan
	Model        string          `json:"model"`
	SourceSHA256 string          `json:"source_sha256"`
	DataSHA256   string          `json:"data_sha256"` // identity of the images
	Settings     json.RawMessage `json:"settings"`    // an object, the trainer's own
	// MaxLoss is the accuracy that may be lost, and Margin how much of what a
	// screening loses a full training is trusted to win back: points of the measure.
	MaxLoss    float64       `json:"max_loss"`
	Margin     float64       `json:"margin"`
	Exhaustive bool          `json:"exhaustive"` // train everything, from the model's own weights
	Task       string        `json:"task,omitempty"`
	Measure    *plan.Measure `json:"measure,omitempty"` // as in plan.Results
	Baseline   plan.Accuracy `json:"baseline"`
	// Candidates have a reason where they cannot be trained.
	Candidates []plan.Candidate `json:"candidates"`
}

// Place is a cut that bottlenecks are tried at.
type Place struct {
	Cut, Tensor string
	Channels    int // that AllChannels stands for
}

// Size is what a bottleneck reduces to, and how that is coded.
type Size struct {
	C, S int // C may be AllChannels
	plan.Coding
}

// AllChannels is as many channels as a place has.
const AllChannels = math.MaxInt32

// Candidates lists places times sizes: of each size, the smallest first, all
// places, so that tasks of an array that begin together are of different places
// and do not wait for one another.
func Candidates(places []Place, sizes []Size, seed uint64) []plan.Candidate {
	sizes = slices.Clone(sizes)
	slices.SortStableFunc(sizes, func(a, b Size) int {
		return cmp.Or(cmp.Compare(a.C*b.S*b.S, b.C*a.S*a.S), cmp.Compare(a.C, b.C), cmp.Compare(a.Quality, b.Quality))
	})
	var list []plan.Candidate
	for _, size := range sizes {
		for _, p := range places {
			c := plan.Candidate{Index: len(list), Cut: p.Cut, Tensor: p.Tensor, C: size.C, S: size.S, Coding: size.Coding, Seed: seed}
			if c.C == AllChannels {
				c.C = p.Channels
			}
			c.Codec = cmp.Or(c.Codec, plan.JPEG)
			list = append(list, c)
		}
	}
	return list
}

// Places returns the indices of the candidates of each place, in the plan's order.
func (p *Plan) Places() [][]int {
	var places [][]int
	at := map[string]int{}
	for _, c := range p.Candidates {
		i, known := at[c.Cut]
		if !known {
			i = len(places)
			at[c.Cut] = i
			places = append(places, nil)
		}
		places[i] = append(places[i], c.Index)
	}
	return places
}

// Goal returns the rate that a candidate must reach, as [plan.Measure.Rate] has it.
func (p *Plan) Goal() float64 { return p.baseline() - p.MaxLoss/100 - 1e-11 } // as [Plan.judge] rounds

// measure is what candidates are compared by.
func (p *Plan) measure() plan.Measure { return plan.MeasureOf(p.Measure, p.Baseline) }

// baseline is the rate of the model without a bottleneck.
func (p *Plan) baseline() float64 {
	if b := p.Baseline.Best(); b != nil {
		return p.measure().Rate(*b)
	}
	return 1
}

// Validate names what cannot be.
func (p *Plan) Validate() error {
	switch {
	case p.Format != PlanFormat && p.Format != FlagsFormat || p.Kind != KindPlan:
		return fmt.Errorf("format %d, kind %q: expected %d and %q, as bnc search plan writes it", p.Format, p.Kind, PlanFormat, KindPlan)
	case !(p.MaxLoss >= 0) || !(p.Margin >= 0) || math.IsInf(p.MaxLoss+p.Margin, 1):
		return fmt.Errorf("max_loss %v, margin %v: expected percentage points from 0 on", p.MaxLoss, p.Margin)
	case len(p.Candidates) == 0:
		return fmt.Errorf("there are no candidates")
	}
	for i, c := range p.Candidates {
		if c.Index != i || c.Cut == "" || c.C < 0 || c.S < 1 {
			return fmt.Errorf("candidates[%d]: index %d, cut %q, c %d, s %d: expected its index, a cut, c from 0 and s from 1 on", i, c.Index, c.Cut, c.C, c.S)
		}
	}
	return nil
}

// Belongs tells whether a model, by the SHA-256 of its file, and images are the plan's.
func (p *Plan) Belongs(model, source, data string) error {
	if source != p.SourceSHA256 {
		return fault.Unusable("%s: its SHA-256 is %.12s, the plan is for %.12s: give the model that was planned with, or plan anew", model, source, p.SourceSHA256)
	}
	if data != p.DataSHA256 {
		return fault.Unusable("option data: names and labels of the images are others than those that were planned with: plan anew, into another folder")
	}
	return nil
}

// encode is the plan's file.
func (p *Plan) encode() ([]byte, error) { return encode(p) }

// OpenPlan reads and checks a plan's file.
func OpenPlan(path string) (*Plan, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	p := new(Plan)
	if err := json.Unmarshal(data, p); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if err := p.Validate(); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return p, nil
}

// Same returns an error that names the first difference to another plan.
func (p *Plan) Same(other *Plan) error {
	mine, err := fields(p)
	if err != nil {
		return err
	}
	theirs, err := fields(other)
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(keys(mine)) {
		if a, b := mine[name], theirs[name]; !bytes.Equal(a, b) {
			return fmt.Errorf("%s is %s there and %s now", name, short(b), short(a))
		}
	}
	return nil
}

// fields are the plan's, and its settings, as JSON.
func fields(p *Plan) (map[string]json.RawMessage, error) {
	b, err := p.encode()
	if err != nil {
		return nil, err
	}
	all := map[string]json.RawMessage{}
	return all, json.Unmarshal(b, &all)
}

func keys(m map[string]json.RawMessage) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

// short is the beginning of a JSON value on one line.
func short(b json.RawMessage) string {
	var line bytes.Buffer
	if json.Compact(&line, b) != nil || line.Len() == 0 {
		return "nothing"
	}
	if line.Len() > 200 {
		return line.String()[:200] + "..."
	}
	return line.String()
}

func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return b.Bytes(), err
}
