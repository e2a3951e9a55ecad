package passes

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"github.com/bottlenet/bnc/compiler/cut"
	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/shape"
)

// Settings say how a model is split.
type Settings struct {
	// Plain inserts no bottleneck: the cut tensor itself crosses.
	Plain bool
	// Geometry of the bottleneck; see [CutGeometry].
	Geometry Geometry
	// Units are the weights of the bottleneck, nil for [InitialUnits].
	Units     *Units
	Quantiser Quantiser
	Quality   int    // of the JPEG codec, 1..100
	CodecAt   string // one of the Codec constants
	FP16      bool
	TX2       bool // lower the mobile half for TensorRT 8 on a Jetson TX2
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

// CutGeometry returns the geometry of a bottleneck at c that reduces to the
// given number of channels (0: all of them, without channel units) and stride
// (0: the default, 2, or 1 where height or width is 1).
func CutGeometry(c *cut.Cut, channels, stride int64) (Geometry, error) {
	if c.NoBottleneck != "" {
		return Geometry{}, fmt.Errorf("cut %s takes no bottleneck: %s; use --plain, or another cut", c, c.NoBottleneck)
	}
	dims, _ := c.Type.Shape()
	if dims == nil { // a symbolic batch
		dims = []int64{0}
		for _, d := range c.Type.Dims[1:] {
			n, _ := d.Int()
			dims = append(dims, n)
		}
	}
	g := Geometry{C: dims[1], H: dims[2], W: dims[3], Signed: canBeNegative(c.Value), Reduced: channels, Stride: stride}
	if channels == 0 {
		g.Reduced, g.Full = g.C, true
	}
	if stride == 0 {
		g.Stride = 2
		if g.H == 1 || g.W == 1 {
			g.Stride = 1
		}
	}
	return g, g.Check()
}

// Split divides the analysed model at c. It takes the model over: where there is
// a bottleneck, the model becomes the joined network. Dump may be nil. Split ends
// early with ctx.
func Split(ctx context.Context, a *cut.Analysis, c *cut.Cut, s Settings, dump Dumper) (*Bundle, []Report, error) {
	run := recipes{ctx: ctx, dump: dump}
	var early, late []string
	for _, p := range a.Model.Graph.Outputs() {
		if a.Late(c.Value, p.Value) {
			late = append(late, p.Value.Name())
		} else {
			early = append(early, p.Value.Name())
		}
	}
	if s.Plain {
		return run.plain(a, c, early, late)
	}
	return run.bottleneck(a, c, s, early, late)
}

// recipes runs recipes one after another, numbering their passes through.
type recipes struct {
	ctx     context.Context
	dump    Dumper
	reports []Report
	err     error
}

func (r *recipes) run(m *ir.Model, recipe ...Pass) {
	if r.err != nil {
		return
	}
	done := len(r.reports)
	var dump Dumper
	if r.dump != nil {
		dump = func(i int, name string, m *ir.Model) error { return r.dump(done+i, name, m) }
	}
	reports, err := RunContext(r.ctx, m, recipe, dump)
	r.reports, r.err = append(r.reports, reports...), err
}

func (r *recipes) plain(a *cut.Analysis, c *cut.Cut, early, late []string) (*Bundle, []Report, error) {
	joined := a.Model
	r.run(joined,
		LocalShapes(a, c, func() *ir.Value { return c.Value }),
	)
	crossing := []string{c.Value.Name()}
	declare(joined, c)
	b := &Bundle{Mobile: joined.Clone(), Cloud: joined.Clone()}
	r.run(b.Mobile,
		Initializers,
		MobileSide(crossing, early),
	)
	r.run(b.Cloud,
		Initializers,
		CloudSide(crossing, late),
	)
	return b, r.reports, r.err
}

func (r *recipes) bottleneck(a *cut.Analysis, c *cut.Cut, s Settings, early, late []string) (*Bundle, []Report, error) {
	units := s.Units
	if units == nil {
		units = InitialUnits(s.Geometry)
	}
	joined := a.Model
	declare(joined, c)
	batch := declaredDim(c.Type.Dims[0])
	var inserted Inserted
	shapeOnly := func(n *ir.Node) bool { return n.Output(0) != nil && a.IsShape(n.Output(0)) }
	r.run(joined,
		Initializers,
		ReserveNames,
		InsertBottleneck(c.Value, batch, s, units, shapeOnly, &inserted),
		LocalShapes(a, c, func() *ir.Value { return inserted.Restored }),
		DeadCode,
		FoldConstants,
		DeadCode,
	)
	if r.err != nil {
		return nil, r.reports, r.err
	}
	trip := inserted.Codec
	var sent, received []string
	for _, v := range trip.Inputs() {
		sent = append(sent, v.Name())
	}
	received = append([]string{trip.Output(0).Name()}, sent[1:]...)

	b := &Bundle{Mobile: joined.Clone(), Cloud: joined.Clone(), Bottlenet: joined}
	r.run(b.Mobile,
		MobileSide(sent, early),
		Identities,
		FoldBatchNorm,
		DeadCode,
	)
	r.run(b.Cloud,
		CloudSide(received, late),
		Identities,
		FoldBatchNorm,
		DeadCode,
	)
	if s.FP16 {
		r.run(b.Mobile, HalfPrecision, DeadCode)
		r.run(b.Cloud, HalfPrecision, DeadCode)
	}
	if s.CodecAt == CodecInGraph {
		r.run(b.Mobile, EncodePayload(s.Quantiser.Dynamic, s.Quality))
	}
	if s.CodecAt == CodecOnHost {
		r.run(b.Cloud, TileInput())
	} else {
		r.run(b.Cloud, DecodePayload(s.Geometry, s.Quantiser.Dynamic, s.Quality))
	}
	if s.TX2 {
		r.run(b.Mobile, LowerForTX2, DeadCode, CheckTensorRT)
	}
	for _, m := range []*ir.Model{b.Mobile, b.Cloud} {
		r.run(m, DropUnusedDomains)
	}
	return b, r.reports, r.err
}

// DropUnusedDomains takes operator sets that no node needs off the imports:
// what a runtime does not have it would refuse.
var DropUnusedDomains = Pass{
	Name: "unused-domains",
	Doc:  "drop imports of operator sets that nothing uses",
	Run: func(m *ir.Model) (int, error) {
		if usesDomain(m, codecDomain) {
			return 0, nil
		}
		return m.DropOpset(codecDomain), nil
	},
}

func usesDomain(m *ir.Model, domain string) bool {
	found := false
	m.Graph.Walk(func(n *ir.Node) { found = found || n.Domain == domain })
	return found
}

// declare gives the cut tensor the inferred type, which its file may lack: it
// becomes an input and an output.
func declare(m *ir.Model, c *cut.Cut) {
	var dims []ir.Dim
	for _, d := range c.Type.Dims {
		dims = append(dims, declaredDim(d))
	}
	t := ir.TensorType(c.Type.DType, dims)
	if !c.Type.Ranked {
		t.GetTensorType().Shape = nil
	}
	m.Graph.SetType(c.Value, t)
}

// declaredDim is how a file states d: expressions that it cannot state are left
// open.
func declaredDim(d shape.Dim) ir.Dim {
	if n, ok := d.Int(); ok {
		return ir.Dim{N: n}
	}
	if s, ok := d.Symbol(); ok {
		return ir.Sym(s)
	}
	return ir.UnknownDim
}

// PairID is the identity of a split: SHA-256 over the source's hash, the
// settings and the weights of the new units. Files with different ones do not
// belong together.
func PairID(sourceSHA256 string, c *cut.Cut, s Settings) (string, error) {
	units := s.Units
	if units == nil && !s.Plain {
		units = InitialUnits(s.Geometry)
	}
	b, err := json.Marshal(struct {
		Source, Tensor string
		Settings       Settings
		Units          *Units
	}{sourceSHA256, c.Value.Name(), s, units})
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:]), nil
}
