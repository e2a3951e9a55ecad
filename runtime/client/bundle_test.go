package client_test

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/bottlenet/bnc/internal/rttest"
	"github.com/bottlenet/bnc/runtime/bundle"
	"github.com/bottlenet/bnc/runtime/client"
	"github.com/bottlenet/bnc/runtime/oip"
	"github.com/bottlenet/bnc/runtime/ort"
	"github.com/bottlenet/bnc/runtime/serve"
	"github.com/bottlenet/bnc/runtime/tensor"
)

// bundles of one model, in every form that there is.
var bundles = []string{
	"plain", "graph-static", "graph-dynamic", "device-host-static", "device-host-dynamic", "host-static", "host-dynamic",
}

// photo returns a picture for the test network.
func photo(i int) *tensor.Tensor {
	values := make([]float32, 3*32*32)
	for k := range values {
		values[k] = float32(math.Sin(float64(k)*0.01*float64(i+1)) + 0.3*float64(i))
	}
	return tensor.Of([]int64{1, 3, 32, 32}, values)
}

// repository serves the test bundles and the whole model.
func repository(t *testing.T) *serve.Repository {
	t.Helper()
	rttest.Plugin(t)
	r := serve.NewRepository(serve.Options{Session: ort.Options{Threads: 1}})
	t.Cleanup(func() {
		if err := r.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	for _, name := range append(bundles, "whole.onnx") {
		if err := r.Load(strings.TrimSuffix(name, ".onnx"), rttest.Data(name)); err != nil {
			t.Fatal(err)
		}
	}
	return r
}

// other is a server whose metadata and requests are looked at, or changed.
type other struct {
	oip.Service
	metadata func(*oip.ModelMetadata)
	request  func(*oip.Request)
}

func (o *other) ModelMetadata(ctx context.Context, model, version string) (*oip.ModelMetadata, error) {
	m, err := o.Service.ModelMetadata(ctx, model, version)
	if err == nil && o.metadata != nil {
		edited := *m
		edited.Inputs = slices.Clone(m.Inputs)
		o.metadata(&edited)
		m = &edited
	}
	return m, err
}

func (o *other) Infer(ctx context.Context, r *oip.Request) (*oip.Response, error) {
	if o.request != nil {
		o.request(r)
	}
	return o.Service.Infer(ctx, r)
}

func open(t *testing.T, o client.Options) *client.Client {
	t.Helper()
	o.Session.Threads = 1
	c, err := client.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// local is what both halves give in this process.
func local(t *testing.T, name string, x *tensor.Tensor) bundle.Result {
	t.Helper()
	r, err := bundle.OpenRunner(rttest.Data(name), ort.Options{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	out, err := r.Run(t.Context(), ort.Feed{"input": x})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// same compares all outputs, their order as well. The halves are the same files
// on the same machine, but a server may join images to other batches, for which
// ONNX Runtime chooses other kernels: float32 sums of 36 products differ by less
// than 1e-5.
func same(t *testing.T, got, want ort.Results) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d outputs, expected %d", len(got), len(want))
	}
	for i := range want {
		if got[i].Name != want[i].Name || !slices.Equal(got[i].Tensor.Shape, want[i].Tensor.Shape) {
			t.Fatalf("output %d is %s %v, expected %s %v", i, got[i].Name, got[i].Tensor, want[i].Name, want[i].Tensor)
		}
		a, b := tensor.Slice[float32](got[i].Tensor), tensor.Slice[float32](want[i].Tensor)
		for k := range b {
			if math.Abs(float64(a[k]-b[k])) > 1e-5 {
				t.Fatalf("%s[%d] is %v, expected %v", want[i].Name, k, a[k], b[k])
			}
		}
	}
}

// TestSameAsBothHalvesHere runs every kind of bundle with servers that want the
// payload in rank 1, in rank 2, and as tiles.
func TestSameAsBothHalvesHere(t *testing.T) {
	repo := repository(t)
	x := photo(3)
	for _, name := range bundles {
		want := local(t, name, x)
		forms := map[string][]int64{"rank 1": {-1}, "rank 2": {1, -1}, "rank 2, any": {-1, -1}}
		for form, shape := range forms {
			t.Run(name+" "+form, func(t *testing.T) {
				var ranks []int
				o := &other{Service: repo, metadata: func(m *oip.ModelMetadata) {
					if m.Inputs[0].Name == "payload" {
						m.Inputs[0].Shape = shape
					}
				}, request: func(r *oip.Request) {
					if p := r.Input("payload"); p != nil {
						ranks = append(ranks, len(p.Shape))
					}
				}}
				c := open(t, client.Options{Bundles: []string{rttest.Data(name)}, Remote: o})
				got, err := c.Run(t.Context(), ort.Feed{"input": x})
				if err != nil {
					t.Fatal(err)
				}
				same(t, got.Outputs, want.Outputs)
				if got.Where != bundle.WhereSplit || got.PayloadBytes != want.PayloadBytes || got.Model != name || got.Timings.Cloud <= 0 {
					t.Errorf("%+v, expected %d bytes", got, want.PayloadBytes)
				}
				if name != "plain" && !slices.Equal(ranks, []int{len(shape)}) {
					t.Errorf("the payload had the ranks %v, expected %d", ranks, len(shape))
				}
			})
		}
		if !strings.HasPrefix(name, "host-") {
			continue
		}
		t.Run(name+" tiles", func(t *testing.T) {
			b, err := bundle.Open(rttest.Data(name))
			if err != nil {
				t.Fatal(err)
			}
			o := &other{Service: repo, metadata: func(m *oip.ModelMetadata) {
				m.Inputs = nil
				for _, p := range b.Cloud.Inputs {
					m.Inputs = append(m.Inputs, oip.Port{Name: p.Name, Datatype: "UINT8", Shape: []int64{-1}})
				}
			}, request: func(r *oip.Request) {
				if r.Input("payload") != nil || r.Input("tile") == nil {
					t.Errorf("the request has no tile: %+v", r.Inputs)
				}
			}}
			c := open(t, client.Options{Bundles: []string{rttest.Data(name)}, Remote: o})
			got, err := c.Run(t.Context(), ort.Feed{"input": x})
			if err != nil {
				t.Fatal(err)
			}
			same(t, got.Outputs, want.Outputs)
		})
	}
}

// TestWholeModelInTheCloud sends the input itself.
func TestWholeModelInTheCloud(t *testing.T) {
	repo := repository(t)
	x := photo(1)
	c := open(t, client.Options{Model: rttest.Data("whole.onnx"), Remote: repo})
	got, err := c.Run(t.Context(), ort.Feed{"input": x})
	if err != nil {
		t.Fatal(err)
	}
	same(t, got.Outputs, local(t, "whole.onnx", x).Outputs)
	if got.Where != bundle.WhereCloud || got.PayloadBytes != len(x.Data) || got.Timings.Mobile > got.Timings.Total/2 {
		t.Errorf("%+v", got)
	}
}

// TestFallbackGivesTheSame finishes on the device: a bundle's own cloud half, a
// whole model in its place, and a whole model that was to run in the cloud.
func TestFallbackGivesTheSame(t *testing.T) {
	repository(t) // for its looks at what the machine has
	x := photo(2)
	down := &other{Service: serve.NewRepository(serve.Options{}), request: func(*oip.Request) {}}
	whole := rttest.Data("whole.onnx")
	tests := []struct {
		name string
		opts client.Options
		want string
	}{
		{"halves", client.Options{Bundles: []string{rttest.Data("graph-static")}}, "graph-static"},
		{"host", client.Options{Bundles: []string{rttest.Data("host-dynamic")}}, "host-dynamic"},
		{"model", client.Options{Bundles: []string{rttest.Data("graph-static")}, Model: whole}, "whole.onnx"},
		{"cloud only", client.Options{Model: whole}, "whole.onnx"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			test.opts.Remote, test.opts.Fallback = refusing{down}, true
			c := open(t, test.opts)
			got, err := c.Run(t.Context(), ort.Feed{"input": x})
			if err != nil {
				t.Fatal(err)
			}
			same(t, got.Outputs, local(t, test.want, x).Outputs)
			if got.Where != bundle.WhereMobile || oip.CauseOf(got.Fallback) != oip.Unavailable {
				t.Errorf("%+v", got)
			}
		})
	}
}

// refusing is a server that is down.
type refusing struct{ oip.Service }

var errDown = oip.Errorf(oip.Unavailable, "connection refused")

func (refusing) Ready(context.Context) error { return errDown }
func (refusing) ModelMetadata(context.Context, string, string) (*oip.ModelMetadata, error) {
	return nil, errDown
}

// TestManyBundles lets one client of all bundles answer many requests at once.
func TestManyBundles(t *testing.T) {
	repo := repository(t)
	var dirs []string
	for _, name := range bundles {
		dirs = append(dirs, rttest.Data(name))
	}
	c := open(t, client.Options{Bundles: dirs, Remote: repo, Fallback: true})
	var all sync.WaitGroup
	for i := range 40 {
		all.Go(func() {
			x := photo(i % 4)
			got, err := c.Run(context.Background(), ort.Feed{"input": x})
			if err != nil {
				t.Error(err)
				return
			}
			same(t, got.Outputs, local(t, got.Model, x).Outputs)
		})
	}
	all.Wait()
}

// TestOpenRefuses gives what cannot be run.
func TestOpenRefuses(t *testing.T) {
	rttest.Plugin(t)
	down := refusing{}
	_, err := client.Open(t.Context(), client.Options{Bundles: []string{rttest.Data("plain"), otherModel(t)}, Remote: down})
	var mixed *client.MixedError
	if !errors.As(err, &mixed) || !strings.Contains(err.Error(), "plain") || !strings.Contains(err.Error(), "other") {
		t.Errorf("bundles of two models: %v", err)
	}
	for name, o := range map[string]client.Options{
		"no server": {Bundles: []string{rttest.Data("plain")}},
		"nothing":   {Remote: down},
		"no bundle": {Bundles: []string{t.TempDir()}, Remote: down},
		"no model":  {Model: "nowhere.onnx", Remote: down},
	} {
		if c, err := client.Open(t.Context(), o); err == nil {
			t.Errorf("%s: %+v", name, c)
		}
	}
}
