package task

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/bottlenet/bnc/internal/fault"
	"github.com/bottlenet/bnc/runtime/detect"
)

// Auto stands for the task that a model's metadata or its outputs tell.
const Auto = "auto"

// Options say what a model's outputs are.
type Options struct {
	Task    string `json:"task,omitempty"`    // one of Kinds; "" or Auto for what the model's metadata say, else for what it looks like
	Decoder string `json:"decoder,omitempty"` // how boxes are read from a detector's outputs: a name, or a JSON file; "" for what metadata and outputs tell
}

// Check finds a task that there is none of.
func (o Options) Check() error {
	return fault.OneOf("task", o.Task, append([]string{"", Auto}, Kinds()...)...)
}

// Chosen is a task with how it was chosen.
type Chosen struct {
	Task
	Kind    string
	Decoder json.RawMessage // an object; nil for none
	// Why says why the outputs are taken for this, and Decoded why they are read that way;
	// "" where options or metadata say so.
	Why, Decoded string
}

// Decoding is a task that reads outputs in one of several ways.
type Decoding interface {
	Task
	// Decoder describes the way as a JSON object that Open understands, and says why it
	// was taken; "" where it was given.
	Decoder() (object json.RawMessage, why string)
}

// Open opens the task of a model: that of the options, else that which was recorded, ""
// for none, else the one that the model looks like. The model's Decoder is the one that
// was recorded.
func (o Options) Open(m Model, recorded string) (*Chosen, error) {
	if err := o.Check(); err != nil {
		return nil, err
	}
	if err := o.decode(&m); err != nil {
		return nil, err
	}
	c := &Chosen{Kind: o.Task}
	if c.Kind == "" || c.Kind == Auto {
		c.Kind = recorded
	}
	if c.Kind == "" {
		c.Kind, c.Why = Guess(m)
	}
	var err error
	if c.Task, err = Open(c.Kind, m); err != nil {
		return nil, fault.Unusable("%w", err)
	}
	d, ok := c.Task.(Decoding)
	if ok {
		c.Decoder, c.Decoded = d.Decoder()
	} else if o.Decoder != "" {
		return nil, fault.Usage("decoder", "has no meaning for task %s: it says how boxes are read", c.Kind)
	}
	return c, nil
}

// decode puts the decoder of the options into a model: a file's text, or {"name": NAME}.
func (o Options) decode(m *Model) (err error) {
	if o.Decoder == "" {
		return nil
	}
	text, err := os.ReadFile(o.Decoder)
	switch named := filepath.Base(o.Decoder) == o.Decoder && filepath.Ext(o.Decoder) == ""; {
	case err == nil && !(json.Valid(text) && bytes.HasPrefix(bytes.TrimSpace(text), []byte("{"))):
		return fault.Unusable("option decoder %s: expected a JSON object", o.Decoder)
	case err == nil:
		m.Decoder = text
		return nil
	case named && errors.Is(err, fs.ErrNotExist):
		if !slices.Contains(detect.Names(), o.Decoder) {
			return fault.Usage("decoder", "%q: expected one of %s, or a JSON file", o.Decoder, strings.Join(detect.Names(), ", "))
		}
		m.Decoder, err = json.Marshal(map[string]string{"name": o.Decoder})
		return err
	}
	return fault.Unusable("option decoder: %w", err)
}

// Tell says what was guessed, if anything.
func (c *Chosen) Tell(notice func(format string, args ...any)) {
	if c.Why != "" {
		notice("the outputs are taken for task %s (%s); option task says what they are", c.Kind, c.Why)
	}
	if c.Decoded != "" {
		notice("they are read by %s; option decoder names another way", c.Decoded)
	}
}

// OfAny stands for any number of classes.
const OfAny = -1

// ClassesBeside is how many classes there are beside images of so many: any number where
// option scores says that there are some.
func ClassesBeside(scores string, classes int) int {
	if scores != "" {
		return OfAny
	}
	return classes
}

// WithClasses is the task beside images of so many classes: where nothing is known of the
// outputs of a model, and one has as many scores, that of classes.
func (c *Chosen) WithClasses(m Model, classes int) *Chosen {
	if !c.unknown() || classes == 0 {
		return c
	}
	for _, p := range m.Outputs {
		if shape := trimmed(p); classes == OfAny || p.DType.IsFloat() && len(shape) == 2 && shape[1].Size == int64(classes) {
			t, err := Open(Classify, m)
			if err != nil {
				return c
			}
			return &Chosen{Task: t, Kind: Classify, Why: "labels or option scores say so, and nothing tells otherwise"}
		}
	}
	return c
}

// WithMasks is the task beside images with masks that teach: where nothing is known of the
// outputs of a model, that of the class of each place.
func (c *Chosen) WithMasks(m Model) *Chosen {
	t, err := Open(Segment, m)
	if !c.unknown() || err != nil {
		return c
	}
	return &Chosen{Task: t, Kind: Segment, Why: "labels that are masks say so, and nothing tells otherwise"}
}

// unknown tells that the task is a guess that says nothing.
func (c *Chosen) unknown() bool { return c.Kind == Raw && c.Why != "" }

// Recorded are the kind and the decoder as metadata hold them: "" where nothing is known,
// which labels may tell later, nil for no decoder.
func (c *Chosen) Recorded() (kind string, decoder any) {
	if c.unknown() {
		return "", nil
	}
	if c.Decoder != nil {
		decoder = c.Decoder
	}
	return c.Kind, decoder
}

// OfScores tells whether a task is judged by those outputs only that have scores of classes.
func OfScores(t Task) bool {
	_, ok := t.(interface{ ofScores() })
	return ok
}

// OfMasks tells whether a task is judged by how far masks overlap.
func OfMasks(t Task) bool {
	_, ok := t.(interface{ ofMasks() })
	return ok
}

// Told are those of Judge.Values and Judge.Agreement that are told of each output: all, but
// what labels say of classes beyond the best one. It marks those of a teacher that labels
// give, too.
func Told(t Task, values, agreement []Value) []Value {
	if OfScores(t) {
		values = values[:min(len(values), 1)]
	}
	told := slices.Concat(values, agreement)
	for i := range told[len(values):] {
		v := &told[len(values)+i]
		v.Taught = slices.ContainsFunc(values, func(l Value) bool { return l.Measure == v.Measure })
	}
	return told
}

// Annotated tells whether a task is judged by a file of annotations.
func Annotated(t Task) bool {
	_, ok := t.(interface{ annotated() })
	return ok
}

// Of are the outputs as a teacher is asked for them, each read from its own of that name;
// the first from its own first where there is none.
func (o Outputs) Of(teacher Outputs) Outputs {
	asked := Outputs{Except: teacher.Except, Annotations: o.Annotations}
	for i, out := range o.Judged {
		same := slices.IndexFunc(teacher.Judged, func(t Output) bool { return t.Name == out.Name })
		if same < 0 && i > 0 {
			continue
		}
		out.From = teacher.Judged[max(same, 0)].From
		asked.Judged = append(asked.Judged, out)
	}
	return asked
}

// All are all outputs of a model as they are judged, or only that of a name.
func (m Model) All(only string) Outputs {
	var o Outputs
	for _, p := range m.Outputs {
		if only != "" && p.Name != only {
			continue
		}
		out := Output{Name: p.Name, From: p.Name}
		if ends := m.Ends[p.Name]; len(ends) > 0 {
			out.End = ends[0]
		}
		o.Judged = append(o.Judged, out)
	}
	return o
}
