package bottleneck

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/shape"
	"github.com/bottlenet/bnc/passes"
	"github.com/bottlenet/bnc/passes/opt"
)

// unitPrefixes begin the names of the nodes that [Insert] makes beside
// the codec.
var unitPrefixes = []string{"bnc.cut", "bnc.reduce.", quantiserPrefix, "bnc.restore.", "bnc.restored"}

// ofBottleneck reports whether [Insert] made n.
func ofBottleneck(n *ir.Node) bool {
	return n.Domain == shape.CodecDomain && n.Op == "JpegRoundTrip" ||
		slices.ContainsFunc(unitPrefixes, func(p string) bool { return strings.HasPrefix(n.Name, p) })
}

// OfQuantiser reports whether n is between the reduction and the restoration units,
// where float32 computes whatever it is elsewhere.
func OfQuantiser(n *ir.Node) bool { return strings.HasPrefix(n.Name, quantiserPrefix) }

// Bypass makes the joined network that split.Split writes the original model again:
// what read the restored tensor reads the cut tensor, and bottleneck, byte
// counts and bnc's metadata go, but for preprocess and labels. The model's own
// weights stay as they are, trained or not. A model without exactly one
// bottleneck is an [passes.UnsuitableError].
func Bypass(m *ir.Model) error {
	codec, err := findCodec(m)
	if err != nil {
		return err
	}
	cut, err := cutTensor(m, codec)
	if err != nil {
		return err
	}
	restored, err := restoredTensor(codec)
	if err != nil {
		return err
	}
	connect := passes.Pass{
		Name:      "bypass",
		Interface: true,
		Breaks:    []*passes.Property{opt.NoDeadCode},
		Run: func(m *ir.Model) (int, error) {
			dropByteCounts(m, codec)
			return 1, restored.Replace(cut)
		},
	}
	if _, err := passes.Run(m, []passes.Pass{connect, opt.DeadCode, opt.DropUnusedDomains}, nil); err != nil {
		return err
	}
	m.DelMeta(func(key string) bool {
		return strings.HasPrefix(key, metaPrefix) && key != metaPrefix+"preprocess" && key != metaPrefix+"labels"
	})
	return nil
}

// dropByteCounts takes what codec counts off the outputs of the model.
func dropByteCounts(m *ir.Model, codec *ir.Node) {
	var outputs []*ir.Value
	for _, p := range m.Graph.Outputs() {
		if p.Value.Producer() != codec {
			outputs = append(outputs, p.Value)
		}
	}
	m.Graph.SetOutputs(outputs...)
}

func findCodec(m *ir.Model) (*ir.Node, error) {
	var found []*ir.Node
	for _, n := range m.Graph.Nodes() {
		if n.Domain == shape.CodecDomain && n.Op == "JpegRoundTrip" {
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
	if name, ok, err := CutName(m); err != nil || ok && name != found[0].Name() {
		return nil, passes.Unsuitable(codec.Label(), "its bottleneck reads %q, and the metadata bnc.tensor is %q", found[0].Name(), name)
	}
	return found[0], nil
}

// CutName returns the name of the cut tensor in the metadata, false for none.
func CutName(m *ir.Model) (name string, ok bool, err error) {
	text, ok := m.Meta(metaPrefix + "tensor")
	if !ok {
		return "", false, nil
	}
	if err := json.Unmarshal([]byte(text), &name); err != nil {
		return "", false, passes.Unsuitable("metadata bnc.tensor", "expected a name in quotes, found %s", text)
	}
	return name, true, nil
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
