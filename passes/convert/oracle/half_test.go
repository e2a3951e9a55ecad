//go:build cgo

package oracle

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/onnx"
	"github.com/bottlenet/bnc/internal/oracletest"
	"github.com/bottlenet/bnc/internal/rttest"
	"github.com/bottlenet/bnc/models"
	"github.com/bottlenet/bnc/passes/split"
	"github.com/bottlenet/bnc/runtime/ort"
)

// TestHalfPrecision compares pairs in float16 with those in float32, half by half.
func TestHalfPrecision(t *testing.T) {
	resnet, err := models.Build("resnet18", models.Options{Input: [3]int{3, 64, 64}, Classes: 1000})
	if err != nil {
		t.Fatal(err)
	}
	type network struct {
		name    string
		model   *ir.Model
		allowed float64
	}
	networks := []network{{"resnet18", resnet, 1e-2}}
	trained, err := onnx.Load(rttest.Source("..", "shared", "models", "imagenet", "mobilenetv2.onnx"))
	switch {
	case err == nil:
		// Its residual cuts can be negative. As a whole it is up to 2.3e-2 off in
		// float16, by casting every weight and nothing else (photographs 0..5 of
		// ../shared/photos/unlabelled): softmax makes 1e-2 of a large logit's
		// rounding.
		networks = append(networks, network{"mobilenetv2", trained, 2.5e-2})
	case errors.Is(err, os.ErrNotExist):
		t.Logf("without a network whose cuts can be negative: %v", err)
	default:
		t.Fatal(err)
	}
	type pair struct {
		Name    string  `json:"name"`
		Half    string  `json:"half"`
		Single  string  `json:"single"`
		Allowed float64 `json:"allowed"`
	}
	var jobs []pair
	for _, n := range networks {
		images := randomImages(n.model)
		for i, b := range []oracletest.Bottleneck{
			{After: "rb2", Channels: 3, Stride: 2},
			{After: "rb3", Channels: 8, Stride: 1, Images: images},
			{After: "rb6", Channels: 12, Stride: 2, Images: images, Change: func(s *split.Settings) { s.Tensors[0].Width = 4 }},
			{After: "rb8", Stride: 2},
		} {
			dir := t.TempDir()
			job := pair{fmt.Sprintf("%s after %s, %d", n.name, b.After, i), filepath.Join(dir, "half"), filepath.Join(dir, "single"), n.allowed}
			change := b.Change
			for _, half := range []bool{true, false} {
				b.Change = func(s *split.Settings) {
					if change != nil {
						change(s)
					}
					s.FP16 = half
				}
				to := map[bool]string{true: job.Half, false: job.Single}[half]
				oracletest.Save(t, to, oracletest.Split(t, n.model, b))
			}
			jobs = append(jobs, job)
		}
	}
	rttest.Oracle(t, "oracle_half.py", jobs, 4*len(jobs))
}

// randomImages are inputs to calibrate on, one image each.
func randomImages(m *ir.Model) (images []ort.Feed) {
	rng := rand.New(rand.NewPCG(3, 4))
	input := m.Graph.Feeds()[0]
	dims, _ := input.Shape()
	sizes := []int64{1}
	for _, d := range dims[1:] {
		sizes = append(sizes, d.N)
	}
	for range 8 {
		images = append(images, ort.Feed{input.Name(): oracletest.Normal(rng, sizes...)})
	}
	return images
}
