package bottleneck

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/shape"
	"github.com/bottlenet/bnc/passes"
)

// unrecorded finds the one bottleneck of a joined network that a bnc wrote which recorded
// none: by the names that it gave nodes and weights, and the metadata of then.
func unrecorded(m *ir.Model) ([]Record, error) {
	codec, err := onlyCodec(m)
	if err != nil {
		return nil, err
	}
	cut, err := cutTensor(m, codec)
	if err != nil {
		return nil, err
	}
	restored, err := restoredTensor(codec)
	if err != nil {
		return nil, err
	}
	s := Sites{
		Cut: cut.Name(), Tile: codec.Input(0).Name(), Decoded: codec.Output(0).Name(), Restored: restored.Name(), Weights: map[string]string{},
	}
	if bounds := codec.Input(1); bounds != nil {
		s.Range = bounds.Name()
	}
	for _, n := range m.Graph.Nodes() {
		switch n.Name {
		case quantiserPrefix + "sub":
			s.Reduced = n.Input(0).Name()
		case quantiserPrefix + "decode.add":
			s.Planes = n.Output(0).Name()
		}
	}
	if cast := codec.Input(0).Producer(); cast != nil {
		s.Grey = cast.Input(0).Name()
	}
	if s.Reduced == "" || s.Planes == "" || s.Grey == "" {
		return nil, passes.Unsuitable(codec.Label(), "its quantiser was not written by a bnc split that this version knows: split the model again")
	}
	spec, err := unrecordedSpec(m, codec, cut, restored)
	if err != nil {
		return nil, err
	}
	for name := range InitialUnits(spec.Geometry).arrays() {
		s.Weights[name] = metaPrefix + name
	}
	return []Record{{spec, s}}, nil
}

// unrecordedSpec reads the metadata c, s, bits, range, lo and hi, and from the graph what
// they do not tell.
func unrecordedSpec(m *ir.Model, codec *ir.Node, cut, restored *ir.Value) (Spec, error) {
	spec := Spec{Codec: JPEG(int(codec.Int(quality, 0)))}
	g, q := &spec.Geometry, &spec.Quantiser
	bounds, stride := "", int64(1)
	for key, into := range map[string]any{"c": &g.Reduced, "s": &stride, "bits": &q.Bits, "range": &bounds, "lo": &q.Lo, "hi": &q.Hi} {
		if text, ok := m.Meta(metaPrefix + key); ok && text != `"full"` {
			if err := json.Unmarshal([]byte(text), into); err != nil {
				return spec, passes.Unsuitable("metadata "+metaPrefix+key, "%v: found %.80q", err, text)
			}
		}
	}
	g.Stride, q.Dynamic = stride, bounds == "dynamic"
	info, err := shape.Infer(m, shape.Options{})
	if err != nil {
		return spec, err
	}
	t := info.Of(cut)
	for axis, size := range []*int64{&g.C, &g.H, &g.W} {
		n, known := int64(0), false
		if len(t.Dims) == 4 {
			n, known = t.Dims[axis+1].Int()
		}
		if !known {
			return spec, passes.Unsuitable(fmt.Sprintf("tensor %q", cut.Name()), "expected a cut tensor [N,C,H,W] of known sizes, found %v", t)
		}
		*size = n
	}
	if m.Graph.Value("bnc.reduce.channel.weight") == nil {
		g.Reduced, g.Full = g.C, true
	}
	if w := m.Graph.Value("bnc.restore.residual.conv1.weight"); w != nil && w.Init() != nil {
		g.Width = w.Init().Dims()[0]
	}
	last := restored.Producer()
	if last.Op == "Cast" { // of a cut tensor that is no float32
		last = last.Input(0).Producer()
	}
	g.Signed = last.Op != "Relu" // that training may turn the sign of what the cut tensor is computed of changes nothing about that
	return spec, nil
}

// unitPrefixes begin the names of the nodes of a bottleneck beside the codec.
var unitPrefixes = []string{"bnc.cut", "bnc.reduce.", quantiserPrefix, "bnc.restore.", "bnc.restored"}

// ofBottleneck reports whether n was inserted.
func ofBottleneck(n *ir.Node) bool {
	return isCodec(n) || slices.ContainsFunc(unitPrefixes, func(p string) bool { return strings.HasPrefix(n.Name, p) })
}

func isCodec(n *ir.Node) bool {
	return n.Domain == shape.CodecDomain && shape.Of(n).Name == shape.RoundTrip
}

// onlyCodec returns the codec of a joined network.
func onlyCodec(m *ir.Model) (*ir.Node, error) {
	var found []*ir.Node
	for _, n := range m.Graph.Nodes() {
		if isCodec(n) {
			found = append(found, n)
		}
	}
	if len(found) != 1 {
		return nil, passes.Unsuitable("model", "expected one JpegRoundTrip node as in the bottlenet.onnx of bnc split, found %d", len(found))
	}
	return found[0], nil
}

// cutTensor returns what the bottleneck reads; metadata that names another
// tensor is an error.
func cutTensor(m *ir.Model, codec *ir.Node) (*ir.Value, error) {
	var found []*ir.Value
	seen := map[*ir.Value]bool{}
	todo := codec.Inputs()
	for len(todo) > 0 {
		v := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if v == nil || seen[v] || v.Const() != nil {
			continue
		}
		seen[v] = true
		if p := v.Producer(); p != nil && ofBottleneck(p) {
			todo = append(todo, p.Inputs()...)
		} else {
			found = append(found, v)
		}
	}
	if len(found) != 1 {
		return nil, passes.Unsuitable(codec.Label(), "expected a bottleneck that reads one tensor, found %d", len(found))
	}
	text, ok := m.Meta(metaPrefix + "tensor")
	var name string
	if ok && json.Unmarshal([]byte(text), &name) != nil {
		return nil, passes.Unsuitable("metadata bnc.tensor", "expected a name in quotes, found %s", text)
	}
	if ok && name != found[0].Name() {
		return nil, passes.Unsuitable(codec.Label(), "its bottleneck reads %q, and the metadata bnc.tensor is %q", found[0].Name(), name)
	}
	return found[0], nil
}

// restoredTensor returns the value behind the bottleneck that others read.
func restoredTensor(codec *ir.Node) (*ir.Value, error) {
	var found []*ir.Value
	seen := map[*ir.Value]bool{}
	todo := []*ir.Value{codec.Output(0)}
	for len(todo) > 0 {
		v := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if v == nil || seen[v] {
			continue
		}
		seen[v] = true
		outside := v.IsOutput()
		for _, u := range v.Uses() {
			if u.Node.Graph() == v.Graph() && ofBottleneck(u.Node) {
				todo = append(todo, u.Node.Outputs()...)
			} else {
				outside = true
			}
		}
		if outside {
			found = append(found, v)
		}
	}
	if len(found) != 1 {
		return nil, passes.Unsuitable(codec.Label(), "expected a bottleneck of which one tensor is read, found %d", len(found))
	}
	return found[0], nil
}
