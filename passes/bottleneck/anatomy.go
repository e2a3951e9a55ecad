package bottleneck

import (
	"strings"

	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/passes"
	"github.com/bottlenet/bnc/passes/opt"
)

// Joined is the anatomy of a joined network: bottlenet.onnx.
type Joined struct {
	Cut      *ir.Value // the tensor that the bottleneck reads
	Reduced  *ir.Value // float32, what the quantiser reads
	Decoded  *ir.Value // float32, what the restoration units read
	Restored *ir.Value // stands for the cut tensor
	Codec    *ir.Node
	Tile     *ir.Value // float32, what is rounded to bytes and encoded
}

// Anatomy finds the bottleneck of a joined network. A model without exactly one
// is an [passes.UnsuitableError].
func Anatomy(m *ir.Model) (*Joined, error) {
	codec, err := findCodec(m)
	if err != nil {
		return nil, err
	}
	j := &Joined{Codec: codec}
	if j.Cut, err = cutTensor(m, codec); err != nil {
		return nil, err
	}
	if j.Restored, err = restoredTensor(codec); err != nil {
		return nil, err
	}
	for _, n := range m.Graph.Nodes() {
		switch n.Name {
		case quantiserPrefix + "sub":
			j.Reduced = n.Input(0)
		case quantiserPrefix + "decode.add":
			j.Decoded = n.Output(0)
		}
	}
	if cast := codec.Input(0).Producer(); cast != nil {
		j.Tile = cast.Input(0)
	}
	if j.Reduced == nil || j.Decoded == nil || j.Tile == nil {
		return nil, passes.Unsuitable(codec.Label(), "its quantiser was not written by this version of bnc split: split the model again")
	}
	return j, nil
}

// Signed reports whether the bottleneck ends without a ReLU, as it does where the cut
// tensor could be negative when it was inserted. That training may turn the sign of what
// the cut tensor is computed of changes nothing about that.
func (j *Joined) Signed() bool {
	n := j.Restored.Producer()
	if n.Op == "Cast" { // of a cut tensor that is no float32
		n = n.Input(0).Producer()
	}
	return n.Op != "Relu"
}

// Restored finds the tensor that stands for the cut tensor behind the bottleneck of a
// joined network.
func Restored(m *ir.Model) ([]*ir.Value, error) {
	codec, err := findCodec(m)
	if err != nil {
		return nil, err
	}
	v, err := restoredTensor(codec)
	return []*ir.Value{v}, err
}

// Sent finds what the mobile half of a joined network sends: the tile and, where the
// range is dynamic, the range.
func Sent(m *ir.Model) ([]*ir.Value, error) {
	codec, err := findCodec(m)
	if err != nil {
		return nil, err
	}
	return codec.Inputs(), nil
}

// Received finds what the cloud half starts from: the decoded tile and, where it is
// dynamic, the range.
func Received(m *ir.Model) ([]*ir.Value, error) {
	codec, err := findCodec(m)
	if err != nil {
		return nil, err
	}
	return append([]*ir.Value{codec.Output(0)}, codec.Inputs()[1:]...), nil
}

// Uncoded takes quantiser and codec out of a joined network: the restoration
// units read what the quantiser read. Byte counts go with them.
var Uncoded = passes.Pass{
	Name:      "uncoded",
	Ensures:   []*passes.Property{opt.NoDeadCode},
	Interface: true,
	Run: func(m *ir.Model) (int, error) {
		j, err := Anatomy(m)
		if err != nil {
			return 0, err
		}
		if err := j.Decoded.Replace(j.Reduced); err != nil {
			return 0, err
		}
		dropByteCounts(m, j.Codec)
		return opt.DeadCode.Run(m)
	},
}

// UnitsOf reads the weights of a joined network's bottleneck, of geometry g.
// The quantiser's range is left open.
func UnitsOf(m *ir.Model, g Geometry) (*Units, error) {
	u := InitialUnits(g)
	var missing []string
	read := func(name string, into []float32) {
		v := m.Graph.Value("bnc." + name)
		if v == nil || v.Init() == nil || int(v.Init().Len()) != len(into) {
			missing = append(missing, "bnc."+name)
			return
		}
		values, err := v.Init().Floats()
		if err != nil {
			missing = append(missing, "bnc."+name)
			return
		}
		copy(into, values)
	}
	norm := func(name string, n *Norm) {
		read(name+".bn.gamma", n.Gamma)
		read(name+".bn.beta", n.Beta)
		read(name+".bn.mean", n.Mean)
		read(name+".bn.var", n.Var)
	}
	for name, unit := range map[string]*Unit{
		"reduce.channel": u.ReduceChannel, "reduce.spatial": u.ReduceSpatial,
		"restore.spatial": u.RestoreSpatial, "restore.channel": u.RestoreChannel,
	} {
		if unit != nil {
			read(name+".weight", unit.Weight)
			norm(name, &unit.Norm)
		}
	}
	if u.RestoreNorm != nil {
		norm("restore.norm", u.RestoreNorm)
	}
	if r := u.Residual; r != nil {
		read("restore.residual.conv1.weight", r.W1)
		read("restore.residual.conv1.bias", r.B1)
		read("restore.residual.conv2.weight", r.W2)
		read("restore.residual.conv2.bias", r.B2)
	}
	if len(missing) > 0 {
		return nil, passes.Unsuitable("model", "expected the bottleneck's weights %s with the sizes that its metadata tells; split the model again", strings.Join(missing, ", "))
	}
	return u, nil
}

// UnitName begins the names of the weights of a bottleneck's units.
const UnitName = "bnc."

// MobileSideOf returns the names of the initializers that the mobile half of a
// joined network reads: what the codec's input is computed from.
func MobileSideOf(m *ir.Model) (map[string]bool, error) {
	codec, err := findCodec(m)
	if err != nil {
		return nil, err
	}
	names, seen := map[string]bool{}, map[*ir.Node]bool{}
	todo := []*ir.Node{codec}
	for len(todo) > 0 {
		n := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if seen[n] {
			continue
		}
		seen[n] = true
		for _, v := range n.Reads() {
			if v.Init() != nil {
				names[v.Name()] = true
			}
			if p := v.Producer(); p != nil {
				todo = append(todo, p)
			}
		}
	}
	return names, nil
}
