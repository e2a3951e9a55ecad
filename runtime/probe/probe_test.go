package probe

import (
	"context"
	"errors"
	"image"
	"image/png"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/bottlenet/bnc/internal/rttest"
	"github.com/bottlenet/bnc/runtime/data"
	"github.com/bottlenet/bnc/runtime/feed"
	"github.com/bottlenet/bnc/runtime/ort"
	"github.com/bottlenet/bnc/runtime/tensor"
)

// network opens the mobile half of a plain pair, of images of 3 x 32 x 32.
func network(t *testing.T) (*ort.Session, *feed.Feeder) {
	t.Helper()
	rttest.Library(t)
	s, err := ort.Open(rttest.Source("runtime", "testdata", "plain/mobile.onnx"), ort.Options{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	f, err := feed.New(s.Inputs(), feed.Always(nil))
	if err != nil {
		t.Fatal(err)
	}
	return s, f
}

// TestRun: of a large set MostImages are run, spread over it, and each gives what the
// network gives for it alone.
func TestRun(t *testing.T) {
	session, feeder := network(t)
	const size = 3 * 32 * 32
	values := make([]float32, 2*MostImages*size)
	for i := range values {
		values[i] = float32(i % 89)
	}
	set, err := data.OfTensor("set", tensor.Of([]int64{2 * MostImages, 3, 32, 32}, values), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	steps, at := 0, 0
	seen, err := Run(t.Context(), session, Options{Set: set, Feeder: feeder, Step: func() { steps++ }}, func(name string, outputs []*tensor.Tensor) error {
		x := outputs[0]
		if name != set.Name(2*at) {
			t.Fatalf("image %d is %s, expected %s", at, name, set.Name(2*at))
		}
		if at%50 == 0 {
			item, err := set.Item(2 * at)
			if err != nil {
				return err
			}
			in, err := feeder.One(item)
			if err != nil {
				return err
			}
			want, err := session.Run(t.Context(), ort.Feed{feeder.Input(): in})
			if err != nil {
				return err
			}
			if !slices.Equal(x.Data, want[0].Tensor.Data) {
				t.Errorf("image %d is not what the network gives for it", at)
			}
		}
		at++
		return nil
	})
	if err != nil || seen.Images != MostImages || steps != MostImages || at != MostImages || seen.Preprocess != nil || seen.Files != nil {
		t.Errorf("%+v of %d steps, %d images, %v", seen, steps, at, err)
	}
}

// TestRunLeavesOut: images that cannot be read are told and left out, files are named, and
// an error of the one who collects or the end of the context ends the run.
func TestRunLeavesOut(t *testing.T) {
	session, feeder := network(t)
	dir := t.TempDir()
	for _, name := range []string{"a.png", "c.png"} {
		f, err := os.Create(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(png.Encode(f, image.NewRGBA(image.Rect(0, 0, 32, 32))), f.Close()); err != nil {
			t.Fatal(err)
		}
	}
	torn := filepath.Join(dir, "b.png")
	if err := os.WriteFile(torn, []byte("\x89PNG\r\n\x1a\ntorn"), 0o600); err != nil {
		t.Fatal(err)
	}
	set, err := data.Open(dir, data.Train)
	if err != nil {
		t.Fatal(err)
	}
	var left []string
	o := Options{Set: set, Feeder: feeder, LeftOut: func(name string, _ error) { left = append(left, name) }}
	seen, err := Run(t.Context(), session, o, func(string, []*tensor.Tensor) error { return nil })
	if err != nil || seen.Images != 2 || seen.Damage == nil || seen.Preprocess == nil || len(seen.Files) != 3 || !slices.Equal(left, []string{torn}) {
		t.Errorf("%+v, left out %q, %v", seen, left, err)
	}
	full := errors.New("full")
	if _, err := Run(t.Context(), session, o, func(string, []*tensor.Tensor) error { return full }); !errors.Is(err, full) {
		t.Errorf("%v, expected %v", err, full)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Run(ctx, session, o, func(string, []*tensor.Tensor) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, expected the context's end", err)
	}
}
