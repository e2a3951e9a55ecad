package convert

import (
	"fmt"

	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/shape"
	"github.com/bottlenet/bnc/passes"
)

// Requests is how a server that may join requests into batches sees a model.
type Requests struct {
	// Joined tells that requests may be joined: each output has as many rows as the inputs
	// have images.
	Joined          bool
	Inputs, Outputs []Port
	Guarded         bool     // OneRecordEach was applied: its inputs are to be given
	Notices         []string // why requests may not be joined
}

// Port is an input or output as a request has it.
type Port struct {
	Name  string
	DType ir.DType
	Dims  []int64 // -1 where any size goes; without the batch where requests are joined
	// Ragged inputs have another size in each request: they are joined into one of rank 1.
	Ragged bool
}

// ForRequests prepares a whole model, or a cloud half, whose payload decode takes apart
// (nil for none), for a server that may join requests where join says so, and tells how
// the server is to see it. What outputs are becomes declared. A model that no such server
// takes is an [passes.UnsuitableError].
func ForRequests(m *ir.Model, decode *ir.Node, join bool) (*Requests, error) {
	if decode != nil {
		// The file leaves the payload's rank open. A backend would take that for a
		// scalar, and refuse ragged inputs that are not declared as [-1].
		m.Graph.SetType(decode.Input(0), ir.TensorType(ir.Uint8, []ir.Dim{ir.Sym("payload_bytes")}))
	}
	info, err := shape.Infer(m, shape.Options{})
	if err != nil {
		return nil, err
	}
	r := &Requests{}
	if join {
		r.join(m, info, decode)
	}
	for _, v := range m.Graph.Feeds() {
		ragged := decode != nil && v == decode.Input(0) && r.Joined
		port, err := portOf(v, info, r.Joined && !ragged)
		if err != nil {
			return nil, passes.Unsuitable("input "+v.Name(), "%v", err)
		}
		port.Ragged = ragged
		r.Inputs = append(r.Inputs, port)
	}
	for _, p := range m.Graph.Outputs() {
		port, err := portOf(p.Value, info, r.Joined)
		if err != nil {
			return nil, passes.Unsuitable("output "+p.Value.Name(), "%v", err)
		}
		r.Outputs = append(r.Outputs, port)
		declare(m.Graph, p.Value, info.Of(p.Value)) // backends compare configurations with it
	}
	if decode == nil || !r.Joined {
		return r, nil
	}
	r.Guarded = true
	_, err = passes.Run(m, []passes.Pass{OneRecordEach(decode)}, nil)
	return r, err
}

// join decides whether a server may join requests: every output must have as many rows as
// the inputs have images.
func (r *Requests) join(m *ir.Model, info *shape.Info, decode *ir.Node) {
	values := m.Graph.Feeds()
	if decode != nil {
		values = []*ir.Value{decode.Output(0)}
	}
	for _, p := range m.Graph.Outputs() {
		values = append(values, p.Value)
	}
	refuse := func(format string, args ...any) {
		r.Notices = append(r.Notices, "no batching: "+fmt.Sprintf(format, args...))
	}
	if decode != nil && shape.Of(decode).Name == shape.SplitRecords {
		refuse("its records are of several tensors, which are not told to be of as many images")
		return
	}
	var rows shape.Dim
	for i, v := range values {
		dims, _ := info.Dims(v)
		if len(dims) < 2 { // dims without the batch must not be empty
			refuse("%s is %v, without dimensions for images and what belongs to one", v.Name(), info.Of(v))
			return
		}
		if i == 0 {
			rows = dims[0]
		}
		if _, fixed := rows.Int(); fixed || !rows.Known() {
			refuse("the first dimension of %s is %v in the file", v.Name(), rows)
			return
		}
		if !dims[0].Equal(rows) {
			refuse("the first dimension of %s is %v, that of %s is %v", v.Name(), dims[0], values[0].Name(), rows)
			return
		}
	}
	r.Joined = true
}

// portOf describes an input or output, without its first dimension where joined.
func portOf(v *ir.Value, info *shape.Info, joined bool) (Port, error) {
	t := info.Of(v)
	p := Port{Name: v.Name(), DType: t.DType}
	if t.Kind != shape.Tensor {
		return p, fmt.Errorf("it is %v: a server takes tensors", t)
	}
	if !t.Ranked {
		return p, fmt.Errorf("it has no known shape: a server needs at least its rank; declare it in the model")
	}
	for _, d := range t.Dims {
		n, ok := d.Int()
		if !ok {
			n = -1
		}
		p.Dims = append(p.Dims, n)
	}
	if joined {
		p.Dims = p.Dims[1:]
	}
	return p, nil
}

// declare writes what inference knows of an output's dimensions into the graph.
func declare(g *ir.Graph, v *ir.Value, t shape.Type) {
	dims := make([]ir.Dim, len(t.Dims))
	for i, d := range t.Dims {
		dims[i] = d.Declared()
	}
	g.SetType(v, ir.TensorType(t.DType, dims))
}
