package shape

import "github.com/bottlenet/bnc/compiler/ir"

// Rules of domain bnc, the codecs: tiles are uint8 [N,1,H,W], ranges float32
// [N,2], payloads uint8 of any length.

// codecEncode: a tile, and where the range is dynamic a range; the payload.
func codecEncode(c *call) ([]Type, error) {
	if err := c.wantTile(); err != nil {
		return nil, err
	}
	if r := c.arg(1); c.has(1) && r.Ranked {
		if len(r.Dims) != 2 || r.Dims[1].Differs(Const(2)) {
			return nil, c.badInput(1, "a range [N,2]")
		}
	}
	return one(TensorOf(ir.Uint8, Dim{}))
}

func (c *call) wantTile() error {
	if err := c.wantRank(0, 4); err != nil {
		return err
	}
	if t := c.arg(0); t.Ranked && t.Dims[1].Differs(Const(1)) {
		return c.badInput(0, "a tile [N,1,H,W]")
	}
	return nil
}

// codecDecode: a payload; as many tiles as it holds images, height by width, and
// where dynamic_range is set their ranges.
func codecDecode(c *call) ([]Type, error) {
	// Rank 0 is how a cloud graph declares that it takes one payload or several.
	if t := c.arg(0); !t.Ranked || len(t.Dims) > 0 {
		if err := c.wantRank(0, 1, 2); err != nil {
			return nil, err
		}
	}
	n := c.count("images")
	return []Type{
		TensorOf(ir.Uint8, n, Const(1), Const(c.int("height", 0)), Const(c.int("width", 0))),
		TensorOf(ir.Float32, n, Const(2)),
	}, nil
}

// count returns a fresh symbol that several outputs share.
func (c *call) count(of string) Dim {
	name := of
	if v := c.node.Output(0); v != nil {
		name = v.Name()
	}
	return c.freshDim(name, 0)
}

// codecRoundTrip: a tile; the tile decoded again, and the bytes of each record.
func codecRoundTrip(c *call) ([]Type, error) {
	if err := c.wantTile(); err != nil {
		return nil, err
	}
	x := c.arg(0)
	n := Dim{}
	if x.Ranked {
		n = x.Dims[0]
	}
	return []Type{{Kind: Tensor, DType: x.DType, Ranked: x.Ranked, Dims: x.Dims}, TensorOf(ir.Int64, n)}, nil
}

// payloads: so many payloads, each of a length of its own.
func payloads(n int) func(*call) ([]Type, error) {
	return func(*call) ([]Type, error) {
		var all []Type
		for range n {
			all = append(all, TensorOf(ir.Uint8, Dim{}))
		}
		return all, nil
	}
}
