package client

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/bottlenet/bnc/runtime/bundle"
	"github.com/bottlenet/bnc/runtime/oip"
	"github.com/bottlenet/bnc/runtime/ort"
	"github.com/bottlenet/bnc/runtime/tensor"
)

// PairError says that the server's cloud half belongs to another mobile half.
type PairError struct {
	Model         string // the name on the server
	Mobile, Cloud string // bnc.pair here and there
}

// Error tells both identities and which side has which.
func (e *PairError) Error() string {
	return fmt.Sprintf("%s: the mobile half here has bnc.pair %s, the cloud half on the server %s: they are not of one split or training; give the server this bundle's cloud.onnx, or take the bundle that the server has",
		e.Model, e.Mobile, e.Cloud)
}

// ServerError says that what the server calls by a bundle's name takes or gives
// something else.
type ServerError struct {
	Model   string
	Message string
}

// Error names the model on the server.
func (e *ServerError) Error() string {
	return fmt.Sprintf("the server's model %s: %s", e.Model, e.Message)
}

// terms are how a server wants what crosses.
type terms struct {
	names  []string // of its inputs
	tiles  bool     // tile and range instead of the payload
	rank2  bool     // the payload as [1 L]
	shaped bool     // the payload, as [L] or [1 L]
}

// settle compares a candidate with what the server says about the model.
func (c *candidate) settle(m *oip.ModelMetadata) (*terms, error) {
	if theirs := m.Properties[oip.ParamPair]; c.pair != "" && theirs != "" && theirs != c.pair {
		return nil, &PairError{c.name, c.pair, theirs}
	}
	t := &terms{names: c.crosses}
	input, found := findPort(m.Inputs, bundle.PayloadName)
	switch {
	case c.meta.Part == "" || c.meta.Plain():
	case found:
		t.shaped = true
		if input.Datatype != "UINT8" || len(input.Shape) < 1 || len(input.Shape) > 2 {
			return nil, &ServerError{c.name, fmt.Sprintf("its input %s is %s %v, expected UINT8 [-1] or [1 -1]", input.Name, input.Datatype, input.Shape)}
		}
		t.rank2 = len(input.Shape) == 2
	case c.meta.CodecAt == bundle.AtHost:
		t.tiles = true
		t.names = c.tiles
	}
	for _, name := range t.names {
		if _, ok := findPort(m.Inputs, name); !ok {
			return nil, &ServerError{c.name, fmt.Sprintf("it has the inputs %s, expected %s: was it made from this bundle?", portNames(m.Inputs), strings.Join(t.names, ", "))}
		}
	}
	for _, p := range m.Inputs {
		if !slices.Contains(t.names, p.Name) {
			return nil, &ServerError{c.name, fmt.Sprintf("it also wants the input %s, which this bundle does not give", p.Name)}
		}
	}
	for _, name := range c.late {
		if _, ok := findPort(m.Outputs, name); !ok {
			return nil, &ServerError{c.name, fmt.Sprintf("it has the outputs %s, expected %s among them", portNames(m.Outputs), name)}
		}
	}
	return t, nil
}

// pack makes a request's inputs of what crosses. Its errors are *ort.InputError.
func (t *terms) pack(c *candidate, crossing ort.Feed) ([]oip.Tensor, error) {
	if t.tiles {
		tiles, err := bundle.Tiles(c.meta, crossing[bundle.PayloadName])
		if err != nil {
			return nil, &ort.InputError{Input: bundle.PayloadName, Expected: "records of this pair's tiles", Found: err.Error()}
		}
		maps.Copy(tiles, crossing) // inputs of the model that only the cloud half reads
		crossing = tiles
	}
	inputs := make([]oip.Tensor, len(t.names))
	for i, name := range t.names {
		value := crossing[name]
		if value == nil {
			return nil, &ort.InputError{Input: name, Expected: "a tensor", Found: "none"}
		}
		if t.shaped && name == bundle.PayloadName {
			var err error
			if value, err = shapePayload(value, t.rank2); err != nil {
				return nil, err
			}
		}
		inputs[i] = oip.Tensor{Name: name, Value: value}
	}
	return inputs, nil
}

// shapePayload gives a payload the rank that the server wants. Rank 2 holds
// one image.
func shapePayload(payload *tensor.Tensor, rank2 bool) (*tensor.Tensor, error) {
	length := int64(payload.Len())
	if !rank2 {
		return payload.Reshape(length)
	}
	records, err := bundle.RecordSizes(payload.Data)
	if err != nil {
		return nil, &ort.InputError{Input: bundle.PayloadName, Expected: "records", Found: err.Error()}
	}
	if len(records) != 1 {
		return nil, &ort.InputError{Input: bundle.PayloadName, Expected: "one image a request, as the server's payload has a batch axis [1 -1]", Found: fmt.Sprintf("%d images", len(records))}
	}
	return payload.Reshape(1, length)
}

func findPort(ports []oip.Port, name string) (oip.Port, bool) {
	i := slices.IndexFunc(ports, func(p oip.Port) bool { return p.Name == name })
	if i < 0 {
		return oip.Port{}, false
	}
	return ports[i], true
}

func portNames(ports []oip.Port) string {
	words := make([]string, len(ports))
	for i, p := range ports {
		words[i] = p.Name
	}
	return strings.Join(words, ", ")
}
