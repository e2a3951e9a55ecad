package eval

import (
	"context"
	"fmt"

	"github.com/bottlenet/bnc/runtime/bundle"
	"github.com/bottlenet/bnc/runtime/ort"
	"github.com/bottlenet/bnc/runtime/tensor"
)

// payloadBytes is the output of a joined network, int64 [N], with the size of
// each image's payload.
const payloadBytes = "payload_bytes"

// Model computes a batch's outputs and how many bytes of each image crossed, nil
// where nothing does.
type Model func(ctx context.Context, feed ort.Feed) (outputs ort.Results, bytes []int, err error)

// Session is the Model of a whole model or of bottlenet.onnx, whose output
// payload_bytes, int64 [N], counts what would cross.
func Session(s *ort.Session) Model {
	return func(ctx context.Context, feed ort.Feed) (ort.Results, []int, error) {
		all, err := s.Run(ctx, feed)
		if err != nil {
			return nil, nil, err
		}
		var outputs ort.Results
		var bytes []int
		for _, out := range all {
			if out.Name != payloadBytes || out.Tensor == nil || out.Tensor.DType != tensor.Int64 {
				outputs = append(outputs, out)
				continue
			}
			for _, n := range tensor.Slice[int64](out.Tensor) {
				bytes = append(bytes, int(n))
			}
		}
		return outputs, bytes, nil
	}
}

// Pair is the Model of a bundle's two halves, its images at a rate. What crosses is counted
// for the batch and shared out evenly, which is exact for a plain pair's cut tensor and
// for batches of one.
func Pair(r *bundle.Runner, rate bundle.Rate) Model {
	return func(ctx context.Context, feed ort.Feed) (ort.Results, []int, error) {
		result, err := r.RunAt(ctx, feed, rate)
		if err != nil {
			return nil, nil, err
		}
		images := int64(0) // what is given to all may have fewer rows
		for _, x := range feed {
			if len(x.Shape) > 0 {
				images = max(images, x.Shape[0])
			}
		}
		if images < 1 {
			return nil, nil, fmt.Errorf("input %s: expected a batch, found %v", r.Inputs()[0].Name, feed[r.Inputs()[0].Name])
		}
		bytes := make([]int, images)
		for i := range bytes {
			bytes[i] = result.PayloadBytes / len(bytes)
		}
		return result.Outputs, bytes, nil
	}
}
