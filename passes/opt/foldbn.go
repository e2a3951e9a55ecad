package opt

import (
	"encoding/binary"
	"math"

	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/passes"
)

// FoldBatchNorm merges a BatchNormalization into the Conv or ConvTranspose
// before it:
//
//	scale' = scale / sqrt(var + eps)
//	W'     = W * scale'                      per output channel
//	b'     = (b - mean) * scale' + B
//
// Each step is rounded to float32 in this order, as ONNX Runtime's own fusion
// does it, so that folding here or there gives the same bits; a quantiser
// behind the convolution then sees the same values in every graph of a bundle.
//
// It leaves a pair alone where the convolution's output is read elsewhere or is
// an output of the model, where the weights are shared with another node, and
// where anything is not constant float32. Constants that are left over go with
// [DeadCode].
var FoldBatchNorm = passes.Pass{
	Name:     "fold-batchnorm",
	Requires: []passes.Requirement{{Property: passes.NoFormalInputs, Reason: "it adds constants"}},
	Breaks:   []*passes.Property{NoDeadCode},
	Run: func(m *ir.Model) (int, error) {
		folded := 0
		for _, n := range m.Graph.Nodes() {
			if n.Op != "BatchNormalization" || n.Domain != "" {
				continue
			}
			ok, err := foldBatchNorm(m.Graph, n)
			if err != nil {
				return folded, err
			}
			if ok {
				folded++
			}
		}
		return folded, nil
	},
}

func foldBatchNorm(g *ir.Graph, bn *ir.Node) (bool, error) {
	x := bn.Input(0)
	conv := x.Producer()
	if conv == nil || conv.Domain != "" || conv.Op != "Conv" && conv.Op != "ConvTranspose" ||
		len(x.Uses()) != 1 || x.IsOutput() || bn.Int("training_mode", 0) != 0 {
		return false, nil
	}
	for i, v := range bn.Outputs() {
		if i > 0 && v != nil && v.Used() {
			return false, nil
		}
	}
	weight, bias := conv.Input(1), conv.Input(2)
	if !ownConstant(weight) || bias != nil && !ownConstant(bias) {
		return false, nil
	}
	group := int64(1)
	if conv.Op == "ConvTranspose" {
		group = conv.Int("group", 1)
	}
	var params [4][]float32 // scale, B, mean, var
	for i := range params {
		v := bn.Input(i + 1)
		if !constant(v) {
			return false, nil
		}
		var err error
		if params[i], err = v.Init().Floats(); err != nil {
			return false, err
		}
	}
	scale, shift, mean, variance := params[0], params[1], params[2], params[3]
	channels := len(scale)
	w := weight.Init()
	if len(w.Dims()) < 3 || outChannels(conv, w) != int64(channels) || len(shift) != channels ||
		len(mean) != channels || len(variance) != channels {
		return false, nil
	}

	eps := bn.Float("epsilon", 1e-5)
	factor, newBias := make([]float32, channels), make([]float32, channels)
	var oldBias []float32
	if bias != nil {
		var err error
		if oldBias, err = bias.Init().Floats(); err != nil {
			return false, err
		}
	}
	for c := range channels {
		factor[c] = scale[c] / float32(math.Sqrt(float64(variance[c]+eps)))
		if oldBias != nil {
			newBias[c] = float32((oldBias[c]-mean[c])*factor[c]) + shift[c]
		} else {
			newBias[c] = shift[c] - float32(mean[c]*factor[c])
		}
	}
	g.SetInit(weight, scaled(w, factor, conv.Op == "ConvTranspose", group))
	nb := g.Const(bn.Output(0).Name()+"_bias", ir.Float32s(newBias, int64(channels)))
	conv.SetInput(2, nb)

	// The convolution takes over the normalised output's name: readers of the
	// graph look for that one, and it may be an output of the model.
	y := bn.Output(0)
	for i := range bn.NumInputs() {
		bn.SetInput(i, nil)
	}
	g.MoveOutput(y, conv, 0)
	g.Remove(bn)
	return true, nil
}

// constant reports whether v is a float32 initializer that no caller may
// override.
func constant(v *ir.Value) bool {
	return v != nil && v.Init() != nil && v.Init().DType() == ir.Float32 && !v.IsInput()
}

// ownConstant reports whether v is one with a single use.
func ownConstant(v *ir.Value) bool { return constant(v) && len(v.Uses()) == 1 && !v.IsOutput() }

// outChannels returns the number of output channels that weights w give conv.
func outChannels(conv *ir.Node, w *ir.Tensor) int64 {
	if conv.Op == "ConvTranspose" {
		return w.Dims()[1] * conv.Int("group", 1)
	}
	return w.Dims()[0]
}

// scaled returns w, [out, in/group, ...] or transposed [in, out/group, ...],
// times factor by output channel, computed when it is read.
func scaled(w *ir.Tensor, factor []float32, transposed bool, group int64) *ir.Tensor {
	d := w.Dims()
	runs, channel := d[0], func(run int64) int64 { return run }
	if transposed {
		runs = d[0] * d[1]
		channel = func(run int64) int64 { return run/d[1]/(d[0]/group)*d[1] + run%d[1] }
	}
	return ir.NewTensor(ir.Float32, d, ir.Lazy{N: w.Size(), Compute: func() ([]byte, error) {
		src, err := w.Bytes()
		if err != nil {
			return nil, err
		}
		out := make([]byte, len(src))
		size := int64(len(src)) / max(runs, 1)
		for run := range runs {
			f := factor[channel(run)]
			for i := run * size; i < (run+1)*size; i += 4 {
				x := math.Float32frombits(binary.LittleEndian.Uint32(src[i:]))
				binary.LittleEndian.PutUint32(out[i:], math.Float32bits(x*f))
			}
		}
		return out, nil
	}})
}

// FoldFrozenBatchNorm is [FoldBatchNorm] for those whose parameters stay as
// they are.
func FoldFrozenBatchNorm(trained func(name string) bool) passes.Pass {
	return passes.Pass{
		Name:     "fold-frozen-batchnorm",
		Requires: []passes.Requirement{{Property: passes.NoFormalInputs, Reason: "it adds constants"}},
		Breaks:   []*passes.Property{NoDeadCode},
		Run: func(m *ir.Model) (int, error) {
			folded := 0
			for _, n := range m.Graph.Nodes() {
				if n.Op != "BatchNormalization" || n.Domain != "" || anyTrained(n, trained) {
					continue
				}
				if conv := n.Input(0).Producer(); conv == nil || anyTrained(conv, trained) {
					continue
				}
				ok, err := foldBatchNorm(m.Graph, n)
				if err != nil {
					return folded, err
				}
				if ok {
					folded++
				}
			}
			return folded, nil
		},
	}
}

func anyTrained(n *ir.Node, trained func(name string) bool) bool {
	for _, v := range n.Reads() {
		if v.Init() != nil && trained(v.Name()) {
			return true
		}
	}
	return false
}
