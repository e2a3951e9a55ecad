package feed

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/bottlenet/bnc/runtime/data"
	"github.com/bottlenet/bnc/runtime/imagein"
	"github.com/bottlenet/bnc/runtime/tensor"
)

// worker fills places of batches, one after the other, in memory of its own.
type worker struct {
	l       *Loader
	key     uint64
	pcg     *rand.PCG
	rng     *rand.Rand
	reader  data.Reader
	scratch imagein.Scratch
	padded  []uint8
}

func newWorker(l *Loader, key uint64) *worker {
	pcg := rand.NewPCG(0, 0)
	return &worker{l: l, key: key, pcg: pcg, rng: rand.New(pcg)}
}

// fill puts an item into place index of a batch. How it varies depends on the
// epoch's key and the item alone. Errors name the item.
func (w *worker) fill(b *Batch, index, i int) error {
	item, err := w.l.set.Read(i, &w.reader)
	if err != nil {
		return err
	}
	w.pcg.Seed(w.key, uint64(i))
	if err := w.prepare(b, index, i, item); err != nil {
		return fmt.Errorf("%s: %w", w.l.set.Name(i), err)
	}
	return nil
}

// prepare brings an item into the input's form, varied.
func (w *worker) prepare(b *Batch, index, i int, item data.Item) error {
	if label, classes := w.l.set.Label(i), len(w.l.set.Classes()); w.l.o.Labels && w.l.o.Masks == nil && (label < 0 || label >= classes) {
		return fmt.Errorf("label %d: expected 0 to %d", label, classes-1)
	}
	b.Frames[index] = imagein.Frame{}
	if item.Tensor != nil && w.l.o.Masks != nil {
		return errors.New("it is a tensor: masks are of pictures")
	}
	if item.Tensor != nil {
		return w.fillTensor(b, index, item.Tensor)
	}
	prep, img, err := w.l.feeder.preparer(item.Image)
	if err != nil {
		return err
	}
	pixels, frame, err := w.l.o.Augment.pixels(prep, img, w.rng, &w.scratch, &w.padded)
	if err != nil {
		return err
	}
	prep.Fill(b.X, index, pixels)
	b.Frames[index] = frame
	if w.l.o.Masks == nil {
		return nil
	}
	return w.fillMask(b, index, i, frame)
}

// fillMask puts an item's mask, as the item is varied, into place index of a batch.
func (w *worker) fillMask(b *Batch, index, i int, frame imagein.Frame) error {
	mask, err := w.l.set.Mask(i)
	if err != nil {
		return err
	}
	m := w.l.o.Masks
	classes, err := frame.Places(mask, m.Grid, m.Classes)
	for at, class := range classes {
		b.Masks[index*m.Grid.X*m.Grid.Y+at] = int64(class)
	}
	return err
}

// fillTensor puts a prepared tensor into place index of a batch. It is flipped
// along the width that the input's layout tells, and varied in no other way.
func (w *worker) fillTensor(b *Batch, index int, t *tensor.Tensor) error {
	x, err := w.l.feeder.batched(t)
	if err != nil {
		return err
	}
	if shape := w.l.shape; len(x.Shape) != len(shape) || x.Shape[0] != 1 || !slices.Equal(x.Shape[1:], shape[1:]) {
		return fmt.Errorf("expected a tensor %v%v, found %v", x.DType, append([]int64{1}, shape[1:]...), x)
	}
	row := b.X.Data[index*len(x.Data):][:len(x.Data)]
	copy(row, x.Data)
	if w.l.o.Augment.Flip && w.rng.Uint64()&1 == 1 {
		width, keep := int(x.Shape[3]), t.DType.Size()
		if w.l.layout.ChannelsLast {
			width, keep = int(x.Shape[2]), keep*int(x.Shape[3])
		}
		rows{row, width, keep}.flip()
	}
	return nil
}
