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

// interfaceNames are the names of what crosses and of the byte counts: those of
// the interface between the graphs and what runs them.
var interfaceNames = []string{"payload", "tile", "range", "payload_bytes"}

// ReserveNames renames tensors inside of the model that have a name of the
// interface. An input or output of the model cannot be renamed: the model is
// refused.
var ReserveNames = passes.Pass{
	Name:    "reserve-names",
	Ensures: []*passes.Property{NamesReserved},
	Run:     func(m *ir.Model) (int, error) { return reserveNames(m.Graph) },
}

// NamesReserved is ensured by [ReserveNames].
var NamesReserved = &passes.Property{
	Name:  "no tensor has the name of what a bottleneck sends",
	Check: func(m *ir.Model) error { return namesReserved(m.Graph) },
}

func namesReserved(g *ir.Graph) error {
	for _, name := range interfaceNames {
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
func reserveNames(g *ir.Graph) (renamed int, err error) {
	for _, name := range interfaceNames {
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
			more, err := reserveNames(body)
			if renamed += more; err != nil {
				return renamed, err
			}
		}
	}
	return renamed, nil
}

// EncodePayload ends a mobile graph whose first outputs are the tile and, where the range
// is dynamic, the range of spec with the encoder: then payload is its first output.
func EncodePayload(spec Spec) passes.Pass {
	return passes.Pass{
		Name:      "encode-payload",
		Interface: true,
		Run: func(m *ir.Model) (int, error) {
			g := m.Graph
			var outs []*ir.Value
			for _, p := range g.Outputs() {
				outs = append(outs, p.Value)
			}
			crossing := outs[:spec.crossing():spec.crossing()]
			payload := g.Temp("payload", ir.TensorType(ir.Uint8, []ir.Dim{ir.Sym("payload_bytes")}))
			n, err := spec.Codec.node(m, shape.Encode, crossing, []*ir.Value{payload})
			if err != nil {
				return 0, err
			}
			n.SetName("bnc.encode")
			g.SetOutputs(append([]*ir.Value{payload}, outs[len(crossing):]...)...)
			return 1, nil
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

// DecodePayload makes payload the first input of a cloud graph whose first
// inputs are the decoded tile and, where the range is dynamic, the range of spec.
//
// ONNX Runtime takes payloads of any rank there: the declared shape is empty,
// which it does not check. With a declared rank of 1 it would refuse the [1, L]
// of servers that add a batch dimension.
func DecodePayload(spec Spec) passes.Pass {
	return passes.Pass{
		Name:      "decode-payload",
		Interface: true,
		Run: func(m *ir.Model) (int, error) {
			rows, cols := spec.Grid()
			outs := m.Graph.Feeds()[:spec.crossing()]
			payload := m.Graph.Temp("payload", ir.TensorType(ir.Uint8, nil))
			m.Graph.AddInput(payload, nil)
			attrs := []*ir.Attr{ir.IntAttr("height", rows*spec.ReducedH()), ir.IntAttr("width", cols*spec.ReducedW())}
			for _, v := range outs {
				m.Graph.UnlistInput(v)
			}
			n, err := spec.Codec.node(m, shape.Decode, []*ir.Value{payload}, outs, attrs...)
			if err != nil {
				return 0, err
			}
			if spec.Dynamic {
				n.SetAttr(ir.IntAttr("dynamic_range", 1))
			}
			n.SetName("bnc.decode")
			for _, v := range outs {
				m.Graph.AddInfo(v, nil)
			}
			m.Graph.SetInputs(payload)
			return 1, m.Graph.Sort()
		},
	}
}

// TileInput names the first input of a cloud graph that takes decoded tiles as
// the mobile graph names its output.
func TileInput() passes.Pass {
	return passes.Pass{
		Name:      "tile-input",
		Interface: true,
		Run: func(m *ir.Model) (int, error) {
			old := m.Graph.Feeds()[0]
			tile := m.Graph.Temp("tile", old.Type())
			m.Graph.AddInput(tile, nil)
			if err := old.Replace(tile); err != nil {
				return 0, err
			}
			m.Graph.RemoveValues(old)
			m.Graph.SetInputs(tile)
			return 1, nil
		},
	}
}
