package main

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
)

// TestGradBottlenecks are gradients through bottlenecks: reduction unit,
// quantiser, codec and restoration unit, in the networks that bnc split writes
// for training. PyTorch takes what the codec decoded as given; on the way back
// rounding and codec are the identity, clipping is not.
func TestGradBottlenecks(t *testing.T) {
	plugin(t)
	dir := t.TempDir()
	model := filepath.Join(dir, "resnet20.onnx")
	mustBnc(t, "models", "resnet20", "--input", "3x16x16", "-o", model)
	var cases []*gradCase
	for i, flags := range []string{
		"--after rb1 --c 1 --s 2",
		"--after rb4 --c 5 --s 2 --bits 3",
		"--after rb4 --c 4 --s 1 --bits 4 --range static --calib CALIB",
		"--after rb6 --c full --s 2 --quality 60",
		"--after rb7 --c 3 --s 1 --restore-width 4",
	} {
		args := strings.Fields(strings.ReplaceAll(flags, "CALIB", randomSet(t, open(t, model).Inputs()[0])))
		bundle := filepath.Join(dir, fmt.Sprint(i))
		mustBnc(t, append([]string{"split", model, "-o", bundle}, args...)...)
		joined := filepath.Join(bundle, "bottlenet.onnx")
		cases = append(cases, gradNetwork(t, "resnet20 "+flags, joined, networkForm{batchNorm: true}, 1))
		if i < 2 {
			cases = append(cases, gradNetwork(t, "resnet20 "+flags, joined, networkForm{}, 1))
		}
	}
	for _, c := range askTorch(t, cases) {
		checkNetworks(t, []*gradCase{c})
	}
}
