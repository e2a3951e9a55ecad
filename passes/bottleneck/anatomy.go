package bottleneck

import (
	"fmt"
	"maps"
	"strings"

	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/internal/fault"
	"github.com/bottlenet/bnc/passes"
	"github.com/bottlenet/bnc/passes/opt"
)

// Joined is a bottleneck of a joined network, bottlenet.onnx: its record, and the tensors
// that its sites name.
type Joined struct {
	Record
	Cut, Reduced, Grey, Tile, Decoded, Planes, Restored *ir.Value
	Range                                               *ir.Value // nil where the range is static
	Codec                                               *ir.Node  // its RoundTrip
}

// Anatomy finds the bottlenecks of a joined network, one a crossing tensor. A model
// without any is an [passes.UnsuitableError].
func Anatomy(m *ir.Model) ([]*Joined, error) {
	records, err := Records(m)
	if err != nil {
		return nil, err
	}
	var all []*Joined
	for _, r := range records {
		j := &Joined{Record: r}
		s := r.Sites
		for _, site := range []struct {
			name string
			at   **ir.Value
		}{
			{s.Cut, &j.Cut}, {s.Reduced, &j.Reduced}, {s.Grey, &j.Grey}, {s.Tile, &j.Tile}, {s.Range, &j.Range}, {s.Decoded, &j.Decoded},
			{s.Planes, &j.Planes}, {s.Restored, &j.Restored},
		} {
			if *site.at = m.Graph.Value(site.name); *site.at == nil && site.name != "" {
				return nil, passes.Unsuitable("metadata "+recordKey, "it names a tensor %q, which is not there: split the model again", site.name)
			}
		}
		if j.Codec = j.Decoded.Producer(); j.Codec == nil {
			return nil, passes.Unsuitable(fmt.Sprintf("tensor %q", s.Decoded), "expected what the codec of a joined network gives back: this is another part of a bundle")
		}
		all = append(all, j)
	}
	return all, nil
}

// Restored finds the tensors that stand for the cut tensors behind the bottlenecks of a
// joined network.
func Restored(m *ir.Model) ([]*ir.Value, error) {
	return sites(m, func(j *Joined) []*ir.Value { return []*ir.Value{j.Restored} })
}

// Sent finds what the mobile half of a joined network sends: of each crossing tensor the
// tile and, where the range is dynamic, the range.
func Sent(m *ir.Model) ([]*ir.Value, error) {
	return sites(m, func(j *Joined) []*ir.Value { return with(j.Tile, j.Range) })
}

// Received finds what the cloud half starts from: of each crossing tensor the decoded
// tile and, where it is dynamic, the range.
func Received(m *ir.Model) ([]*ir.Value, error) {
	return sites(m, func(j *Joined) []*ir.Value { return with(j.Decoded, j.Range) })
}

func with(tile, bounds *ir.Value) []*ir.Value {
	if bounds == nil {
		return []*ir.Value{tile}
	}
	return []*ir.Value{tile, bounds}
}

func sites(m *ir.Model, of func(*Joined) []*ir.Value) (values []*ir.Value, err error) {
	all, err := Anatomy(m)
	for _, j := range all {
		values = append(values, of(j)...)
	}
	return values, err
}

// Uncoded takes quantisers and codecs out of a joined network: the restoration
// units read what the quantiser read. Byte counts go with them.
var Uncoded = passes.Pass{
	Name:      "uncoded",
	Ensures:   []*passes.Property{opt.NoDeadCode},
	Interface: true,
	Run: func(m *ir.Model) (int, error) {
		all, err := Anatomy(m)
		if err != nil {
			return 0, err
		}
		for _, j := range all {
			if err := j.Planes.Replace(j.Reduced); err != nil {
				return 0, err
			}
		}
		Forget(m)
		uncounted(m)
		return opt.DeadCode.Run(m)
	},
}

// uncounted takes the bytes of each image off the outputs.
func uncounted(m *ir.Model) {
	var outputs []*ir.Value
	for _, p := range m.Graph.Outputs() {
		if p.Value.Name() != payloadBytes {
			outputs = append(outputs, p.Value)
		}
	}
	m.Graph.SetOutputs(outputs...)
}

// SetCodecs gives the codecs of a joined network, one a crossing tensor, other values of
// their parameters.
func SetCodecs(m *ir.Model, change func(tensor int, c Codec) Codec) error {
	all, err := Anatomy(m)
	if err != nil {
		return err
	}
	var records []Record
	for i, j := range all {
		j.Spec.Codec = change(i, j.Spec.Codec)
		if err := j.Spec.Codec.set(j.Codec); err != nil {
			return err
		}
		records = append(records, j.Record)
	}
	return record(m, records)
}

// SetQuality changes the quality of a joined network's codecs.
func SetQuality(m *ir.Model, to int64) error {
	without := ""
	err := SetCodecs(m, func(_ int, c Codec) Codec {
		if !c.HasQuality() {
			without = c.Name
			return c
		}
		return c.With(quality, to)
	})
	if err == nil && without != "" {
		return fault.Usage("quality", "has no meaning for codec %s, which has none", without)
	}
	return err
}

// Weights returns the names of the initializers of a model's bottlenecks, none where it
// has no bottleneck.
func Weights(m *ir.Model) map[string]bool {
	names := map[string]bool{}
	records, err := Records(m)
	if err != nil {
		return names
	}
	for _, r := range records {
		for _, name := range r.Sites.Weights {
			names[name] = true
		}
	}
	return names
}

// QuantiserOf returns the nodes of a model, joined or a half, that are between the
// reduction and the restoration units: they compute in float32 whatever the others do,
// and gradients pass straight through what of them rounds.
func QuantiserOf(m *ir.Model) map[*ir.Node]bool {
	nodes := map[*ir.Node]bool{}
	records, err := Records(m)
	if err != nil {
		return nodes
	}
	for _, r := range records {
		s := r.Sites
		between(m, nodes, []string{s.Reduced}, s.Tile, s.Range)
		between(m, nodes, []string{s.Decoded, s.Range}, s.Planes)
	}
	return nodes
}

// between adds the nodes that compute the values called to from those called from.
func between(m *ir.Model, nodes map[*ir.Node]bool, from []string, to ...string) {
	stop := map[*ir.Value]bool{}
	for _, name := range from {
		stop[m.Graph.Value(name)] = true
	}
	var todo []*ir.Value
	for _, name := range to {
		if v := m.Graph.Value(name); v != nil {
			todo = append(todo, v)
		}
	}
	for len(todo) > 0 {
		v := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if n := v.Producer(); n != nil && !stop[v] && !nodes[n] {
			nodes[n] = true
			todo = append(todo, n.Reads()...)
		}
	}
}

// UnitsOf reads the weights of a joined network's bottleneck. The quantiser's range is
// left open.
func UnitsOf(m *ir.Model, r Record) (*Units, error) {
	u := InitialUnits(r.Spec.Geometry)
	var missing []string
	read := func(name string, into []float32) {
		v := m.Graph.Value(r.Sites.Weights[name])
		if v == nil || v.Init() == nil || int(v.Init().Len()) != len(into) {
			missing = append(missing, name)
			return
		}
		values, err := v.Init().Floats()
		if err != nil {
			missing = append(missing, name)
			return
		}
		copy(into, values)
	}
	for name, into := range u.arrays() {
		read(name, into)
	}
	if len(missing) > 0 {
		return nil, passes.Unsuitable("model", "expected the bottleneck's weights %s with the sizes that its metadata tells; split the model again", strings.Join(missing, ", "))
	}
	return u, nil
}

// arrays are the arrays of the units by what they are called in [Sites.Weights].
func (u *Units) arrays() map[string][]float32 {
	all := map[string][]float32{}
	norm := func(name string, n *Norm) {
		maps.Copy(all, map[string][]float32{name + ".bn.gamma": n.Gamma, name + ".bn.beta": n.Beta, name + ".bn.mean": n.Mean, name + ".bn.var": n.Var})
	}
	for name, unit := range map[string]*Unit{
		"reduce.channel": u.ReduceChannel, "reduce.spatial": u.ReduceSpatial,
		"restore.spatial": u.RestoreSpatial, "restore.channel": u.RestoreChannel,
	} {
		if unit != nil {
			all[name+".weight"] = unit.Weight
			norm(name, &unit.Norm)
		}
	}
	if u.RestoreNorm != nil {
		norm("restore.norm", u.RestoreNorm)
	}
	if r := u.Residual; r != nil {
		maps.Copy(all, map[string][]float32{
			"restore.residual.conv1.weight": r.W1, "restore.residual.conv1.bias": r.B1,
			"restore.residual.conv2.weight": r.W2, "restore.residual.conv2.bias": r.B2,
		})
	}
	return all
}

// MobileSideOf returns the names of the initializers that the mobile half of a
// joined network reads: what the codecs' inputs are computed from.
func MobileSideOf(m *ir.Model) (map[string]bool, error) {
	todo, err := Sent(m)
	if err != nil {
		return nil, err
	}
	names, seen := map[string]bool{}, map[*ir.Value]bool{}
	for len(todo) > 0 {
		v := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if seen[v] {
			continue
		}
		seen[v] = true
		if v.Init() != nil {
			names[v.Name()] = true
		}
		if n := v.Producer(); n != nil {
			todo = append(todo, n.Reads()...)
		}
	}
	return names, nil
}
