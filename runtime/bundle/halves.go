package bundle

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/bottlenet/bnc/runtime/ort"
	"github.com/bottlenet/bnc/runtime/tensor"
)

// Mobile is a loaded mobile half: the graph and, where the codec is not in
// it, the host's encoder.
type Mobile struct {
	meta    Meta
	session *ort.Session
	leaving []string
}

// OpenMobile loads the mobile half.
func (b *Bundle) OpenMobile(opts ort.Options) (*Mobile, error) {
	session, err := ort.Open(filepath.Join(b.Dir, MobileFile), opts)
	if err != nil {
		return nil, err
	}
	return &Mobile{meta: b.Meta, session: session, leaving: leaves(b.Meta, b.Mobile)}, nil
}

// Session returns the graph's session.
func (m *Mobile) Session() *ort.Session { return m.session }

// Close frees the half.
func (m *Mobile) Close() error { return m.session.Close() }

// Run computes what crosses: the payload, uint8 [L], or a plain pair's cut
// tensor; and the outputs that were computed before the cut, in the graph's
// order.
func (m *Mobile) Run(ctx context.Context, feed ort.Feed) (crossing *tensor.Tensor, early ort.Results, err error) {
	return m.runInto(ctx, feed, nil)
}

// runInto is Run with the graph's outputs of into written in place.
func (m *Mobile) runInto(ctx context.Context, feed, into ort.Feed) (crossing *tensor.Tensor, early ort.Results, err error) {
	results, err := m.session.RunInto(ctx, feed, into)
	if err != nil {
		return nil, nil, err
	}
	crossing, err = results.Tensor(m.leaving[0])
	if err == nil && !m.meta.Plain() && m.meta.CodecAt != AtGraph {
		var limits *tensor.Tensor
		if m.meta.Dynamic() {
			limits, err = results.Tensor(rangeName)
		}
		if err == nil {
			crossing, err = encode(m.meta, crossing, limits)
		}
	}
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", m.session.Name(), err)
	}
	return crossing, results[len(m.leaving):], nil
}

// Cloud is a loaded cloud half: the graph and, where the codec is not in it,
// the host's decoder.
type Cloud struct {
	meta     Meta
	session  *ort.Session
	entering []string
}

// OpenCloud loads the cloud half.
func (b *Bundle) OpenCloud(opts ort.Options) (*Cloud, error) {
	session, err := ort.Open(filepath.Join(b.Dir, CloudFile), opts)
	if err != nil {
		return nil, err
	}
	return &Cloud{meta: b.Meta, session: session, entering: enters(b.Meta, b.Cloud)}, nil
}

// Session returns the graph's session, for requests that bring the graph's
// own inputs (tile and range).
func (c *Cloud) Session() *ort.Session { return c.session }

// Close frees the half.
func (c *Cloud) Close() error { return c.session.Close() }

// Run computes the outputs after the cut from what crossed: a payload of rank
// 1 [L] or 2 [1 L], or a plain pair's cut tensor. A damaged payload gives an
// *ort.InputError.
func (c *Cloud) Run(ctx context.Context, crossing *tensor.Tensor) (ort.Results, error) {
	feed := ort.Feed{c.entering[0]: crossing}
	if !c.meta.Plain() && c.meta.CodecAt == AtHost {
		var err error
		if feed, err = Tiles(c.meta, crossing); err != nil {
			return nil, c.damaged(err)
		}
	}
	results, err := c.session.RunInto(ctx, feed, c.room(crossing))
	var failed *ort.NodeError
	if errors.As(err, &failed) && failed.Op == decodeOp {
		return nil, c.damaged(errors.New(failed.Message))
	}
	return results, err
}

// room makes room for outputs of 16 bits, which the binding cannot hand over where the
// inputs do not tell their shape: that of a payload does not, but how many records it
// holds does, where only the batch is open.
func (c *Cloud) room(crossing *tensor.Tensor) ort.Feed {
	if c.meta.Plain() {
		return nil
	}
	sizes, err := RecordSizes(crossing.Data)
	if err != nil {
		return nil // the run tells
	}
	room := ort.Feed{}
	for _, out := range c.session.Outputs() {
		if !out.Ranked || len(out.Shape) == 0 || out.Shape[0].Size >= 0 || out.DType != tensor.Float16 && out.DType != tensor.BFloat16 {
			continue
		}
		shape := out.Sizes()
		shape[0] = int64(len(sizes))
		if t, err := tensor.New(out.DType, shape...); err == nil {
			room[out.Name] = t
		}
	}
	return room
}

// decodeOp is the operator that takes the payload where the codec is in the
// cloud graph.
const decodeOp = "JpegDecode"

// damaged is the error for a payload that no mobile half of this pair made.
func (c *Cloud) damaged(cause error) error {
	return fmt.Errorf("%s: %w", c.session.Name(), &ort.InputError{
		Input: payloadName, Expected: "records of this pair's tiles", Found: cause.Error()})
}

// closeAll closes several things and joins their errors.
func closeAll(closers ...interface{ Close() error }) error {
	var errs []error
	for _, c := range closers {
		errs = append(errs, c.Close())
	}
	return errors.Join(errs...)
}
