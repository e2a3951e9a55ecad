// Command equal prints the bytes of two bundles' codecs at one error of the tile: equal A B
// IMAGES. Both are of one model and cut, calibrated alike (--calib-by variance) and split with
// --codec-at host, so that their mobile halves give the same tiles. A's codec is taken at its
// quality, B's at the lowest one whose squared error is no larger.
package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/bottlenet/bnc/ops"
	"github.com/bottlenet/bnc/runtime/bundle"
	"github.com/bottlenet/bnc/runtime/data"
	"github.com/bottlenet/bnc/runtime/feed"
	"github.com/bottlenet/bnc/runtime/ort"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "equal:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 3 {
		return errors.New("usage: equal A B IMAGES")
	}
	var sides [2]*side
	for i := range sides {
		s, err := open(args[i], args[2])
		if err != nil {
			return err
		}
		sides[i] = s
	}
	a, b := sides[0], sides[1]
	if !slices.Equal(a.tiles, b.tiles) {
		return fmt.Errorf("%s and %s do not give the same tiles: split both with --calib-by variance and --codec-at host", args[0], args[1])
	}
	bytes, wanted, err := a.coded(a.part.Parameters)
	if err != nil {
		return err
	}
	for quality := int64(1); quality <= 100; quality++ {
		p := maps.Clone(b.part.Parameters)
		p[bundle.QualityParameter] = quality
		fewer, squares, err := b.coded(p)
		if err != nil {
			return err
		}
		if squares <= wanted {
			fmt.Printf("%.0f %.0f %d\n", bytes, fewer, quality)
			return nil
		}
	}
	return fmt.Errorf("%s has a larger error than %s at every quality", args[1], args[0])
}

// side is a bundle's codec and the tiles of the images.
type side struct {
	part  ops.Part
	tiles []byte
	n     int
}

// open runs the mobile half of the bundle at path on the images of a folder.
func open(path, images string) (*side, error) {
	pair, err := bundle.Open(path)
	if err != nil {
		return nil, err
	}
	all := pair.Meta.Crossing()
	if len(all) != 1 || all[0].Part.Dynamic {
		return nil, fmt.Errorf("%s: expected one crossing tensor with a static range", path)
	}
	session, err := ort.Open(filepath.Join(path, bundle.MobileFile), ort.Options{})
	if err != nil {
		return nil, err
	}
	defer session.Close()
	feeder, err := feed.New(session.Inputs(), feed.Always(pair.Meta.Preprocess))
	if err != nil {
		return nil, err
	}
	set, err := data.Open(images, data.Train)
	if err != nil {
		return nil, err
	}
	s := &side{part: all[0].Part, n: set.Len()}
	for i := range s.n {
		item, err := set.Item(i)
		if err != nil {
			return nil, err
		}
		x, err := feeder.One(item)
		if err != nil {
			return nil, err
		}
		results, err := session.Run(context.Background(), ort.Feed{feeder.Input(): x})
		if err != nil {
			return nil, err
		}
		s.tiles = append(s.tiles, results[0].Tensor.Data...)
	}
	return s, nil
}

// coded returns the mean length of a record, and the squared error of all tiles.
func (s *side) coded(p ops.Parameters) (bytes float64, squares int, err error) {
	part := s.part
	part.Parameters = p
	coder, err := ops.Record{part}.Coder()
	if err != nil {
		return 0, 0, err
	}
	payload, _, err := coder.Encode([][]byte{s.tiles}, make([][]float32, 1))
	if err != nil {
		return 0, 0, err
	}
	decoded, _, err := coder.Decode(payload)
	if err != nil {
		return 0, 0, err
	}
	for i, v := range decoded[0] {
		d := int(v) - int(s.tiles[i])
		squares += d * d
	}
	return float64(len(payload)) / float64(s.n), squares, nil
}
