package bundle

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/bottlenet/bnc/ops"
	"github.com/bottlenet/bnc/runtime/model"
	"github.com/bottlenet/bnc/runtime/ort"
	"github.com/bottlenet/bnc/runtime/tensor"
)

// Mobile is a loaded mobile half: the graph and, where the codec is not in
// it, the host's encoder.
type Mobile struct {
	meta    Meta
	session *ort.Session
	leaving []string  // the graph's outputs that make up what crosses
	late    []string  // inputs of the model that only the cloud half reads
	host    *payloads // nil where the graph encodes, or the pair has no codec
}

// OpenMobile loads the mobile half. Where each image has a rate of its own the host encodes:
// a node's attributes are the session's. Its graph is loaded without the encoder then.
func (b *Bundle) OpenMobile(opts ort.Options) (*Mobile, error) {
	m := &Mobile{meta: b.Meta, leaving: b.leaves(), late: b.late()}
	path, inGraph := filepath.Join(b.Dir, MobileFile), b.Meta.CodecAt == AtGraph
	var err error
	if !b.Meta.Plain() && (!inGraph || b.Meta.Variable()) {
		m.leaving = b.tiles()
		if m.host, err = b.Meta.payloads(); err != nil {
			return nil, err
		}
	}
	if m.host != nil && inGraph {
		m.session, err = b.openTiles(path, opts)
	} else {
		m.session, err = ort.Open(path, opts)
	}
	if err != nil {
		return nil, err
	}
	return m, nil
}

// openTiles loads the mobile graph at path, which has the encoder, without it.
func (b *Bundle) openTiles(path string, opts ort.Options) (*ort.Session, error) {
	file, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var ends []model.Port
	for i, c := range b.Meta.Crossing() {
		tile, limits := tileNames(i)
		ends = append(ends, model.Port{Name: tile, DType: tensor.Uint8})
		if c.Part.Dynamic {
			ends = append(ends, model.Port{Name: limits, DType: tensor.Float32})
		}
	}
	if file, err = model.EndBefore(file, ops.Domain, ends); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	opts.Weights = b.Dir
	return ort.OpenBytes(path, file, opts)
}

// Session returns the graph's session.
func (m *Mobile) Session() *ort.Session { return m.session }

// Close frees the half.
func (m *Mobile) Close() error { return m.session.Close() }

// Run computes what crosses, by the names of [Bundle.Crosses]: the payload, uint8
// [L], or a plain pair's cut tensors; and the outputs that were computed before the
// cut, in the graph's order.
func (m *Mobile) Run(ctx context.Context, feed ort.Feed) (crossing ort.Feed, early ort.Results, err error) {
	return m.runInto(ctx, feed, nil, Rate{})
}

// RunAt is Run at a rate that [Meta.CheckRate] lets through.
func (m *Mobile) RunAt(ctx context.Context, feed ort.Feed, rate Rate) (crossing ort.Feed, early ort.Results, err error) {
	return m.runInto(ctx, feed, nil, rate)
}

// runInto is RunAt with the graph's outputs of into written in place.
func (m *Mobile) runInto(ctx context.Context, feed, into ort.Feed, rate Rate) (crossing ort.Feed, early ort.Results, err error) {
	for _, name := range m.late {
		if feed[name] == nil {
			return nil, nil, &ort.InputError{Input: name, Expected: "a tensor", Found: "none"}
		}
	}
	results, err := m.session.RunInto(ctx, m.own(feed), into)
	if err != nil {
		return nil, nil, err
	}
	if crossing, err = m.cross(results, rate); err != nil {
		return nil, nil, fmt.Errorf("%s: %w", m.session.Name(), err)
	}
	for _, name := range m.late {
		crossing[name] = feed[name]
	}
	return crossing, results[len(m.leaving):], nil
}

// own are the graph's inputs of the model's.
func (m *Mobile) own(feed ort.Feed) ort.Feed {
	if len(m.late) == 0 {
		return feed
	}
	own := maps.Clone(feed)
	for _, name := range m.late {
		delete(own, name)
	}
	return own
}

// cross makes what crosses of what leaves the graph.
func (m *Mobile) cross(results ort.Results, rate Rate) (ort.Feed, error) {
	if m.host != nil {
		payload, err := m.host.encode(results, rate)
		return ort.Feed{PayloadName: payload}, err
	}
	crossing := ort.Feed{}
	for _, name := range m.leaving {
		t, err := results.Tensor(name)
		if err != nil {
			return nil, err
		}
		crossing[name] = t
	}
	return crossing, nil
}

// Cloud is a loaded cloud half: the graph and, where the codec is not in it,
// the host's decoder.
type Cloud struct {
	meta    Meta
	session *ort.Session
	host    *payloads // nil where the graph has the codec, or the pair none
}

// OpenCloud loads the cloud half.
func (b *Bundle) OpenCloud(opts ort.Options) (*Cloud, error) {
	c := &Cloud{meta: b.Meta}
	var err error
	if !b.Meta.Plain() && b.Meta.CodecAt == AtHost {
		if c.host, err = b.Meta.payloads(); err != nil {
			return nil, err
		}
	}
	c.session, err = ort.Open(filepath.Join(b.Dir, CloudFile), opts)
	if err != nil {
		return nil, err
	}
	return c, nil
}

// Session returns the graph's session, for requests that bring the graph's
// own inputs (tile and range).
func (c *Cloud) Session() *ort.Session { return c.session }

// Close frees the half.
func (c *Cloud) Close() error { return c.session.Close() }

// Run computes the outputs after the cut from what crossed, by the names of
// [Bundle.Crosses]: a payload of rank 1 [L] or 2 [1 L], or a plain pair's cut tensors.
// A damaged payload gives an *ort.InputError.
func (c *Cloud) Run(ctx context.Context, crossing ort.Feed) (ort.Results, error) {
	feed := crossing
	if c.host != nil {
		var err error
		if feed, err = c.host.decode(crossing[PayloadName]); err != nil {
			return nil, c.damaged(err)
		}
		for name, t := range crossing {
			if name != PayloadName {
				feed[name] = t
			}
		}
	}
	results, err := c.session.RunInto(ctx, feed, c.room(crossing))
	var failed *ort.NodeError
	if errors.As(err, &failed) && c.decodes(failed.Op) {
		return nil, c.damaged(errors.New(failed.Message))
	}
	return results, err
}

// room makes room for outputs of 16 bits, which the binding cannot hand over where the
// inputs do not tell their shape: that of a payload does not, but how many records it
// holds does, where only the batch is open.
func (c *Cloud) room(crossing ort.Feed) ort.Feed {
	payload := crossing[PayloadName]
	if c.meta.Plain() || payload == nil {
		return nil
	}
	sizes, err := RecordSizes(payload.Data)
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

// decodes tells whether an operator takes the payload, or a part of it, where the codec is
// in the cloud graph.
func (c *Cloud) decodes(op string) bool {
	return op == ops.SplitRecords || slices.ContainsFunc(c.meta.Crossing(), func(x Crossing) bool { return x.Part.Codec.Operators().Decode == op })
}

// damaged is the error for a payload that no mobile half of this pair made.
func (c *Cloud) damaged(cause error) error {
	return fmt.Errorf("%s: %w", c.session.Name(), &ort.InputError{
		Input: PayloadName, Expected: "records of this pair's tiles", Found: cause.Error()})
}

// closeAll closes several things and joins their errors.
func closeAll(closers ...interface{ Close() error }) error {
	var errs []error
	for _, c := range closers {
		errs = append(errs, c.Close())
	}
	return errors.Join(errs...)
}
