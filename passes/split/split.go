// Package split divides a model at a cut: the recipes of both kinds of split, with
// and without a bottleneck, and the partition itself.
package split

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"github.com/bottlenet/bnc/compiler/cut"
	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/passes"
	"github.com/bottlenet/bnc/passes/bottleneck"
	"github.com/bottlenet/bnc/passes/convert"
)

// Settings say how a model is split.
type Settings struct {
	// Plain inserts no bottleneck: the cut tensor itself crosses.
	Plain bool
	// Tensors say what is done to each of the cut's tensors, in its order.
	Tensors []Tensor
	CodecAt string // one of the Codec constants
	FP16    bool
	// Target is what the mobile half is for, one of [convert.Targets]; "" for the default.
	Target string
}

// Tensor is the bottleneck of a crossing tensor.
type Tensor struct {
	bottleneck.Spec
	// Units are its weights, nil for [bottleneck.InitialUnits].
	Units *bottleneck.Units
}

// Bottlenecks are those of several tensors that differ in their geometries; see
// [bottleneck.Geometries].
func Bottlenecks(geometries []bottleneck.Geometry, q bottleneck.Quantiser, codec bottleneck.Codec) []Tensor {
	var all []Tensor
	for _, g := range geometries {
		all = append(all, Tensor{Spec: bottleneck.Spec{Geometry: g, Quantiser: q, Codec: codec}})
	}
	return all
}

func (t Tensor) units() *bottleneck.Units {
	if t.Units == nil {
		return bottleneck.InitialUnits(t.Geometry)
	}
	return t.Units
}

// Meta returns what the files of a bundle say about the bottleneck. The cut, the source
// and what is known of images and classes are the caller's to add.
func (s Settings) Meta() bottleneck.Meta {
	if s.Plain {
		return bottleneck.Meta{Format: bottleneck.MetaFormat, Codec: bottleneck.NoCodec}
	}
	meta := bottleneck.MetaOf(s.Specs())
	meta.CodecAt, meta.FP16 = s.CodecAt, s.FP16
	if s.Target != convert.DefaultTarget {
		meta.Target = s.Target
	}
	return meta
}

// MetaAt is Meta with what the analysed model and the cut say.
func (s Settings) MetaAt(a *cut.Analysis, c *cut.Cut) bottleneck.Meta {
	meta := s.Meta()
	meta.Cut, meta.Tensor = c.Name(), c.Names()
	if len(c.Late) > 0 {
		for _, v := range a.Model.Graph.Feeds() {
			meta.Inputs = append(meta.Inputs, v.Name())
		}
	}
	for _, p := range a.Model.Graph.Outputs() {
		meta.Outputs = append(meta.Outputs, p.Value.Name())
	}
	return meta
}

// SetDynamic makes the ranges of all tensors each image's own, or static.
func (s *Settings) SetDynamic(dynamic bool) {
	for i := range s.Tensors {
		s.Tensors[i].Dynamic = dynamic
	}
}

// Specs returns what the settings say of the bottlenecks.
func (s Settings) Specs() []bottleneck.Spec {
	var all []bottleneck.Spec
	for _, t := range s.Tensors {
		all = append(all, t.Spec)
	}
	return all
}

// Bundle is a split model.
type Bundle struct {
	Mobile, Cloud *ir.Model
	// Bottlenet is the joined, trainable network; nil for a plain split.
	Bottlenet *ir.Model
}

// Parts returns the models with their names in the metadata, nil ones left out.
func (b *Bundle) Parts() map[string]*ir.Model {
	parts := map[string]*ir.Model{"mobile": b.Mobile, "cloud": b.Cloud}
	if b.Bottlenet != nil {
		parts["bottlenet"] = b.Bottlenet
	}
	return parts
}

// Split divides the analysed model at c. It takes the model over: where there is
// a bottleneck, the model becomes the joined network. Dump may be nil. Split ends
// early with ctx.
func Split(ctx context.Context, a *cut.Analysis, c *cut.Cut, s Settings, dump passes.Dumper) (*Bundle, []passes.Report, error) {
	target, known := convert.TargetNamed(s.Target)
	if !known {
		return nil, nil, fmt.Errorf("target %q: expected one of %q", s.Target, convert.Targets())
	}
	r := runner{ctx: ctx, dump: dump}
	joined := a.Model
	var mobile, cloud []string // outputs of the model
	for _, p := range joined.Graph.Outputs() {
		if a.BelongsBehind(c, p.Value) {
			cloud = append(cloud, p.Value.Name())
		} else {
			mobile = append(mobile, p.Value.Name())
		}
	}
	for _, t := range c.Tensors {
		joined.Graph.SetType(t.Value, t.Type.Proto()) // its file may lack it, and it may become an input and an output
	}
	r.run(joined, joinedRecipe(a, c, s))
	if r.err != nil {
		return nil, r.reports, r.err
	}
	b := &Bundle{Mobile: joined.Clone(), Cloud: joined.Clone()}
	if !s.Plain {
		b.Bottlenet = joined
	}
	r.run(b.Mobile, mobileRecipe(c, s, target, mobile))
	r.run(b.Cloud, cloudRecipe(c, s, cloud))
	return b, r.reports, r.err
}

// runner runs recipes one after another, numbering their passes through.
type runner struct {
	ctx     context.Context
	dump    passes.Dumper
	reports []passes.Report
	err     error
}

func (r *runner) run(m *ir.Model, recipe []passes.Pass) {
	if r.err != nil {
		return
	}
	done := len(r.reports)
	var dump passes.Dumper
	if r.dump != nil {
		dump = func(i int, name string, m *ir.Model) error { return r.dump(done+i, name, m) }
	}
	reports, err := passes.RunContext(r.ctx, m, recipe, dump)
	r.reports, r.err = append(r.reports, reports...), err
}

// PairID is the identity of a split: SHA-256 over the source's hash, the
// settings and the weights of the new units. Files with different ones do not
// belong together.
func PairID(sourceSHA256 string, c *cut.Cut, s Settings) (string, error) {
	var first Tensor // that of a plain split says nothing
	var units *bottleneck.Units
	var more []hashedTensor
	for i, t := range s.Tensors {
		if i == 0 {
			first, units = t, t.units()
		} else {
			more = append(more, t.hashed())
		}
	}
	b, err := json.Marshal(struct {
		Source, Tensor string
		Settings       hashed
		Units          *bottleneck.Units
		More           []hashedTensor `json:",omitempty"` // tensors, behind the first
	}{sourceSHA256, c.Tensor(), s.hashed(first), units, more})
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:]), nil
}

// hashed are the settings as identities of splits have always held them.
type hashed struct {
	Plain     bool
	Geometry  hashedGeometry
	Units     *bottleneck.Units
	Quantiser hashedQuantiser
	Quality   int64
	CodecAt   string
	FP16      bool
	TX2       bool              // the only target that there was
	Target    string            `json:",omitempty"` // another one
	Codec     *bottleneck.Codec `json:",omitempty"` // another one than JPEG, which was the only one
}

type hashedGeometry struct {
	C, H, W       int64
	Signed        bool
	Reduced       int64
	Full          bool
	Stride, Width int64
	Seed          uint64
}

type hashedQuantiser struct {
	Bits    int
	Dynamic bool
	Lo, Hi  float32
}

// hashedTensor is a crossing tensor behind the first.
type hashedTensor struct {
	Geometry  hashedGeometry
	Quantiser hashedQuantiser
	Codec     bottleneck.Codec
	Units     *bottleneck.Units
}

func (t Tensor) hashed() hashedTensor {
	return hashedTensor{hashedGeometry(t.Geometry), hashedQuantiser(t.Quantiser), t.Codec, t.units()}
}

func (s Settings) hashed(t Tensor) hashed {
	h := hashed{Plain: s.Plain, Geometry: hashedGeometry(t.Geometry), Units: t.Units, Quantiser: hashedQuantiser(t.Quantiser), CodecAt: s.CodecAt, FP16: s.FP16}
	if jpeg := bottleneck.JPEG(1).Name; s.Plain || t.Codec.Name == jpeg {
		h.Quality = t.Codec.Number("quality")
	} else {
		h.Codec = &t.Codec
	}
	switch s.Target {
	case "", convert.DefaultTarget:
	case convert.TX2:
		h.TX2 = true
	default:
		h.Target = s.Target
	}
	return h
}
