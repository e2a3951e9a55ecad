package bottleneck

import (
	"fmt"

	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/shape"
	"github.com/bottlenet/bnc/passes"
)

// Places of the codec (--codec-at).
const (
	CodecInGraph      = "graph"       // a node in both graphs
	CodecOnDeviceHost = "device-host" // the device's program encodes, the cloud graph decodes
	CodecOnHost       = "host"        // both programs; neither graph has a custom operator
)

// interfaceNames are the names of what crosses of so many tensors and of the byte counts:
// those of the interface between the graphs and what runs them.
func interfaceNames(tensors int) []string {
	names := []string{"payload", "tile", "range", payloadBytes}
	for i := 1; i < tensors; i++ {
		tile, bounds := tileNames(i)
		names = append(names, tile, bounds)
	}
	return names
}

// tileNames are the names of crossing tensor i's tile and of its range: "tile" and
// "range", from the second on with a number.
func tileNames(i int) (tile, bounds string) {
	if i == 0 {
		return "tile", "range"
	}
	return fmt.Sprintf("tile_%d", i+1), fmt.Sprintf("range_%d", i+1)
}

// ReserveNames renames tensors inside of the model that have a name of the
// interface of so many crossing tensors. An input or output of the model cannot be
// renamed: the model is refused.
func ReserveNames(tensors int) passes.Pass {
	return passes.Pass{
		Name:    "reserve-names",
		Ensures: []*passes.Property{NamesReserved},
		Run:     func(m *ir.Model) (int, error) { return reserveNames(m.Graph, interfaceNames(tensors)) },
	}
}

// NamesReserved is ensured by [ReserveNames], for the first crossing tensor and those that
// it was asked of besides.
var NamesReserved = &passes.Property{
	Name:  "no tensor has the name of what a bottleneck sends",
	Check: func(m *ir.Model) error { return namesReserved(m.Graph) },
}

func namesReserved(g *ir.Graph) error {
	for _, name := range interfaceNames(1) {
		if g.Value(name) != nil {
			return fmt.Errorf("graph %q has a tensor %q", g.Name, name)
		}
	}
	for _, n := range g.Nodes() {
		for _, body := range n.Bodies() {
			if err := namesReserved(body); err != nil {
				return err
			}
		}
	}
	return nil
}

// reserveNames renames in a graph and in the bodies of its nodes.
func reserveNames(g *ir.Graph, names []string) (renamed int, err error) {
	for _, name := range names {
		v := g.Value(name)
		switch {
		case v == nil:
		case v.IsInput() || v.IsOutput():
			return renamed, passes.Unsuitable(fmt.Sprintf("tensor %q", name), "an input or output of the model, or of a body of one of its nodes, has the name of what a bottleneck sends; rename it, or use option plain")
		default:
			g.Rename(v, g.FreeName("model."+name))
			renamed++
		}
	}
	for _, n := range g.Nodes() {
		for _, body := range n.Bodies() {
			more, err := reserveNames(body, names)
			if renamed += more; err != nil {
				return renamed, err
			}
		}
	}
	return renamed, nil
}

// EncodePayload ends a mobile graph whose first outputs are for each of specs the tile and,
// where the range is dynamic, the range with the encoders: then payload is its first output.
func EncodePayload(specs []Spec) passes.Pass {
	return passes.Pass{
		Name:      "encode-payload",
		Interface: true,
		Run: func(m *ir.Model) (int, error) {
			g := m.Graph
			var outs, parts []*ir.Value
			for _, p := range g.Outputs() {
				outs = append(outs, p.Value)
			}
			payload := g.Temp("payload", ir.TensorType(ir.Uint8, []ir.Dim{ir.Sym("payload_bytes")}))
			for _, spec := range specs {
				n, part := spec.crossing(), payload
				if len(specs) > 1 {
					part = g.Temp("bnc.part", nil)
				}
				node, err := spec.Codec.node(m, shape.Encode, outs[:n:n], []*ir.Value{part})
				if err != nil {
					return 0, err
				}
				node.SetName("bnc.encode")
				outs, parts = outs[n:], append(parts, part)
			}
			rest := parts[len(parts)-1]
			for i := len(parts) - 2; i >= 0; i-- {
				joined := payload
				if i > 0 {
					joined = g.Temp("bnc.joined", nil)
				}
				g.NewNode(shape.CodecDomain, shape.JoinRecords, []*ir.Value{parts[i], rest}, []*ir.Value{joined}).SetName("bnc.join")
				rest = joined
			}
			g.SetOutputs(append([]*ir.Value{payload}, outs...)...)
			return 2*len(specs) - 1, nil
		},
	}
}

// crossing is how many values cross: the tile and, where it is dynamic, the range.
func (s Spec) crossing() int {
	if s.Dynamic {
		return 2
	}
	return 1
}

// DecodePayload makes payload the first input of a cloud graph whose first inputs are for
// each of specs the decoded tile and, where the range is dynamic, the range.
//
// ONNX Runtime takes payloads of any rank there: the declared shape is empty,
// which it does not check. With a declared rank of 1 it would refuse the [1, L]
// of servers that add a batch dimension.
func DecodePayload(specs []Spec) passes.Pass {
	return passes.Pass{
		Name:      "decode-payload",
		Interface: true,
		Run: func(m *ir.Model) (int, error) {
			g, ins := m.Graph, m.Graph.Feeds()
			payload := g.Temp("payload", ir.TensorType(ir.Uint8, nil))
			g.AddInput(payload, nil)
			for i, rest := 0, payload; i < len(specs); i++ {
				part := rest
				if i < len(specs)-1 {
					whole := rest
					part, rest = g.Temp("bnc.part", nil), g.Temp("bnc.rest", nil)
					g.NewNode(shape.CodecDomain, shape.SplitRecords, []*ir.Value{whole}, []*ir.Value{part, rest}).SetName("bnc.part")
				}
				n := specs[i].crossing()
				if err := specs[i].decode(m, part, ins[:n:n]); err != nil {
					return 0, err
				}
				ins = ins[n:]
			}
			g.SetInputs(payload)
			return 2*len(specs) - 1, g.Sort()
		},
	}
}

// decode makes outs, inputs of the graph until now, what the codec gives back of a tensor's
// payload.
func (s Spec) decode(m *ir.Model, payload *ir.Value, outs []*ir.Value) error {
	rows, cols := s.Grid()
	attrs := []*ir.Attr{ir.IntAttr("height", rows*s.ReducedH()), ir.IntAttr("width", cols*s.ReducedW())}
	for _, v := range outs {
		m.Graph.UnlistInput(v)
	}
	n, err := s.Codec.node(m, shape.Decode, []*ir.Value{payload}, outs, attrs...)
	if err != nil {
		return err
	}
	if s.Dynamic {
		n.SetAttr(ir.IntAttr("dynamic_range", 1))
	}
	n.SetName("bnc.decode")
	for _, v := range outs {
		m.Graph.AddInfo(v, nil)
	}
	return nil
}

// TileInputs names the first inputs of a cloud graph, for each of specs the decoded tile
// and, where the range is dynamic, the range, as the mobile graph names its outputs.
func TileInputs(specs []Spec) passes.Pass {
	return passes.Pass{
		Name:      "tile-input",
		Interface: true,
		Run: func(m *ir.Model) (int, error) {
			ins := m.Graph.Feeds()
			var crossing []*ir.Value
			for i, spec := range specs {
				name, _ := tileNames(i)
				old := ins[0]
				tile := m.Graph.Temp(name, old.Type())
				m.Graph.AddInput(tile, nil)
				if err := old.Replace(tile); err != nil {
					return 0, err
				}
				m.Graph.RemoveValues(old)
				crossing = append(append(crossing, tile), ins[1:spec.crossing()]...)
				ins = ins[spec.crossing():]
			}
			m.Graph.SetInputs(crossing...)
			return len(specs), nil
		},
	}
}
