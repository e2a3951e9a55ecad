package bnc

import (
	"context"
	"errors"

	"github.com/bottlenet/bnc/compiler/cut"
	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/onnx"
	"github.com/bottlenet/bnc/compiler/survey"
	"github.com/bottlenet/bnc/internal/progress"
	"github.com/bottlenet/bnc/passes/output"
	"github.com/bottlenet/bnc/passes/split"
	"github.com/bottlenet/bnc/runtime/data"
	"github.com/bottlenet/bnc/runtime/profile"
)

// ProfileOptions say what Profile measures, and how often.
type ProfileOptions struct {
	profile.Options
	Cuts     []string           `json:"cuts,omitempty"`   // of a model: names, or all; the residual sums, or all where there are none
	Channels Channels           `json:"c,omitempty"`      // that cross at them, as in SplitOptions
	Stride   int                `json:"s,omitempty"`      // spatial reduction, as in SplitOptions
	Codec    string             `json:"codec,omitempty"`  // at them, one of Codecs; "" for DefaultCodec
	Images   string             `json:"images,omitempty"` // image or .npy file, or a folder of them, to run; a drawn image
	Input    map[string][]int64 `json:"input,omitempty"`  // shapes of inputs that the model leaves open, by name
	Check    bool               `json:"check,omitempty"`  // also run a pair for every cut of a model and compare
	ImageOptions
	FeedOptions
	Reporter Reporter `json:"-"`
}

// Profile measures, batch 1 and warm, what the models and bundles at paths, which are of
// one model, take on this device: a bundle's halves as they are; of a model the whole, and
// every cut by the times of the whole's nodes and of the bottleneck's units.
func Profile(ctx context.Context, paths []string, o ProfileOptions) (_ *profile.Result, err error) {
	if len(paths) == 0 {
		return nil, usage("", "expected bundles or a model to measure")
	}
	to := progress.Progress{To: o.Reporter}
	options := SplitOptions{After: "each", Codec: o.Codec, Input: o.Input}
	if o.Channels != 0 {
		options.Channels = Each[Channels]{o.Channels}
	}
	if o.Stride != 0 {
		options.Stride = Each[int]{o.Stride}
	}
	request, err := options.request()
	if err != nil {
		return nil, err
	}
	var images []string
	if o.Images != "" {
		if images, err = data.Inputs([]string{o.Images}, to.Notice); err != nil {
			return nil, err
		}
	}
	p, err := profile.New(ctx, o.Options, images, profile.Inputs{Images: o.Overrides, Given: o.FeedOptions, Fixed: o.Input}, profileHost{}, to)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	return p.All(ctx, paths, o.Check, func(path string) (profile.Model, func() (string, error), error) {
		hash := onnx.StartHash(ctx, path)
		m := profiled{path: path, options: options, request: request}
		var err error
		if m.analysis, err = analyse(ctx, path, o.Input); err == nil {
			m.cuts, err = m.analysis.Choose(o.Cuts)
		}
		return m, hash, err
	})
}

// profileHost makes graphs for a profiler.
type profileHost struct{}

func (profileHost) Weigh(mobile string) (params, bytes int64, err error) {
	return survey.Weight(mobile)
}

func (profileHost) Chain(nodes int) (profile.Graph, error) {
	m, err := split.Chain(nodes)
	if err != nil {
		return profile.Graph{}, err
	}
	return graphOf(m)
}

// graphOf is a model as it is run.
func graphOf(m *ir.Model) (profile.Graph, error) {
	bytes, err := onnx.Marshal(m)
	var inputs []string
	for _, v := range m.Graph.Feeds() {
		inputs = append(inputs, v.Name())
	}
	return profile.Graph{Bytes: bytes, Inputs: inputs}, err
}

// profiled is a model whose cuts are measured.
type profiled struct {
	path     string
	analysis *cut.Analysis
	cuts     []*cut.Cut
	options  SplitOptions // but for the cut
	request  *split.Request
}

func (m profiled) Cuts() (all []profile.Cut) {
	for _, c := range m.cuts {
		_, params := m.analysis.Before(c)
		all = append(all, profile.Cut{Name: c.Name(), Tensors: c.Names(), Bytes: m.analysis.Bytes(c), Params: params})
	}
	return all
}

func (m profiled) UpTo(ctx context.Context, tensors []string, file string) error {
	return output.UpTo(ctx, m.path, tensors, file)
}

func (m profiled) Named(ctx context.Context, file string) (before map[string][]bool, err error) {
	before = m.analysis.Sides(m.cuts)
	return before, onnx.Save(ctx, file, m.analysis.Model, onnx.SaveOptions{})
}

func (m profiled) Unit(ctx context.Context, i int) (u profile.Unit, err error) {
	settings, err := m.request.Settings(m.cuts[i])
	if err != nil {
		return u, err
	}
	b, err := split.Unit(ctx, m.cuts[i], settings)
	if err != nil {
		return u, err
	}
	first := settings.Tensors[0]
	u.C, u.S, u.Codec, u.Params = int(first.Reduced), int(first.Stride), first.Codec.Name, cut.ModelParameters(b.Mobile)
	if u.Mobile, err = graphOf(b.Mobile); err == nil {
		u.Cloud, err = graphOf(b.Cloud)
	}
	return u, err
}

func (m profiled) Split(ctx context.Context, i int, dir string) error {
	o := m.options
	o.After, o.Out = m.cuts[i].Name(), dir
	_, err := Split(ctx, m.path, o)
	return err
}
