package predict

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/bottlenet/bnc/runtime/imagein"
	"github.com/bottlenet/bnc/runtime/ort"
	"github.com/bottlenet/bnc/runtime/task"
)

// Result is what one input gives. What does not apply to the task is left out.
type Result struct {
	Input        string       `json:"input"`
	Task         string       `json:"task,omitempty"`
	Top          []task.Class `json:"top,omitempty"`        // the best classes, best first
	Boxes        []task.Box   `json:"boxes,omitzero"`       // what was detected, best first; empty for nothing
	Areas        []task.Area  `json:"areas,omitzero"`       // of the classes of a mask, largest first
	Neighbours   []Neighbour  `json:"neighbours,omitempty"` // of an embedding among the inputs, nearest first
	Text         *string      `json:"text,omitempty"`       // what was read
	Unseen       string       `json:"unseen,omitempty"`     // why the outputs cannot be read as the task's
	Told         []Output     `json:"outputs,omitempty"`    // all of them, in the model's order
	PayloadBytes int          `json:"payload_bytes"`
	Rate         *int         `json:"rate,omitempty"` // the codec's quality, of pairs of many rates; 0 where nothing of the image fitted
	MobileMS     float64      `json:"mobile_ms"`
	LinkMS       float64      `json:"link_ms"`
	CloudMS      float64      `json:"cloud_ms"`
	TotalMS      float64      `json:"total_ms"`
	Where        string       `json:"where"`           // bundle.WhereSplit, WhereMobile or WhereCloud
	Model        string       `json:"model,omitempty"` // by which bundle, where there was a choice
	Retries      int          `json:"retries,omitempty"`
	Fallback     string       `json:"fallback,omitempty"` // why the device finished it itself

	Outputs ort.Results   `json:"-"` // in the model's order
	Seen    task.Seen     `json:"-"` // what a person sees of them
	Frame   imagein.Frame `json:"-"` // how the picture lies in the model's input
	File    string        `json:"-"` // of that picture
	Damage  error         `json:"-"` // why there is no result: it is about this input alone
	words   []string      // of what is seen
}

// Neighbour is an input whose embedding is near.
type Neighbour struct {
	Input  string  `json:"input"`
	Cosine float64 `json:"cosine"`
}

// see notes what a person sees.
func (r *Result) see(seen task.Seen, labels []string) {
	r.Seen, r.Top, r.Boxes = seen, seen.Top, seen.Boxes
	if r.Task == task.Lines {
		r.Text = &seen.Text
	}
	if seen.Mask != nil {
		r.Areas = seen.Mask.Areas(labels)
	}
	r.words = seen.Words(labels)
}

// Lines say in words what is seen, but for boxes.
func (r *Result) Lines() []string {
	lines := slices.Clone(r.words)
	for _, n := range r.Neighbours {
		lines = append(lines, fmt.Sprintf("%.4f  %s", n.Cosine, n.Input))
	}
	return lines
}

// findNeighbours tells each result that has an embedding the most inputs that are nearest to
// it by the cosine of the angle between them.
func findNeighbours(all []*Result, most int) {
	for _, r := range all {
		for _, other := range all {
			if other != r && len(other.Seen.Vector) == len(r.Seen.Vector) && r.Seen.Vector != nil {
				r.Neighbours = append(r.Neighbours, Neighbour{other.Input, task.Cosine(r.Seen.Vector, other.Seen.Vector)})
			}
		}
		slices.SortStableFunc(r.Neighbours, func(a, b Neighbour) int { return cmp.Compare(b.Cosine, a.Cosine) })
		r.Neighbours = r.Neighbours[:min(most, len(r.Neighbours))]
	}
}
