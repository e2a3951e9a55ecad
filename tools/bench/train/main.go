//go:build unix

// Command train times whole training steps of a network of bnc models, forward,
// backward and update, on random images. It prints milliseconds of each step's
// minimum and median, and the peak memory in MB: what torch.py prints too.
//
//	train NETWORK BATCH SIZE STEPS [LAYOUT]
package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime/debug"
	"slices"
	"strconv"
	"syscall"
	"time"

	"github.com/bottlenet/bnc/compiler/onnx"
	"github.com/bottlenet/bnc/models"
	"github.com/bottlenet/bnc/passes"
	"github.com/bottlenet/bnc/passes/convert"
	"github.com/bottlenet/bnc/passes/grad"
	"github.com/bottlenet/bnc/passes/opt"
	"github.com/bottlenet/bnc/runtime/feed"
	"github.com/bottlenet/bnc/runtime/ort"
	"github.com/bottlenet/bnc/runtime/tensor"
	"github.com/bottlenet/bnc/runtime/train"
)

const classes = 10

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "train:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) < 4 {
		return fmt.Errorf("usage: train NETWORK BATCH SIZE STEPS [LAYOUT]")
	}
	var n [3]int
	for i := range n {
		var err error
		if n[i], err = strconv.Atoi(args[1+i]); err != nil {
			return err
		}
	}
	layout := grad.Auto
	if len(args) > 4 {
		layout = grad.Layout(args[4])
	}
	times, err := steps(args[0], n[0], n[1], n[2], layout)
	if err != nil {
		return err
	}
	slices.Sort(times)
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return err
	}
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	fmt.Printf("%.1f %.1f %d\n", ms(times[0]), ms(times[len(times)/2]), usage.Maxrss/1024)
	return nil
}

func steps(network string, batch, size, count int, layout grad.Layout) ([]time.Duration, error) {
	channels := 3
	if network == "resnet20" {
		channels = 1
	}
	m, err := models.Build(network, models.Options{Classes: classes, Input: [3]int{channels, size, size}})
	if err != nil {
		return nil, err
	}
	recipe := []passes.Pass{convert.Upgrade(17), convert.SymbolicBatch, opt.FoldConstants, opt.Identities(), opt.DeadCode}
	if _, err := passes.Run(m, recipe, nil); err != nil {
		return nil, err
	}
	heads, err := grad.Logits(grad.Want{}, m)
	if err != nil {
		return nil, err
	}
	program, err := grad.Compile(context.Background(), m, m.Clone(), grad.Options{
		Batch: int64(batch), Input: m.Graph.Feeds()[0].Name(), Layout: layout,
		Targets: grad.Targets{Heads: []grad.Head{{Scores: heads.Scores[0].Value.Name()}}}, Loss: grad.Loss{Kind: grad.CrossEntropy},
		Opt: grad.Optimizer{Kind: grad.SGD, Momentum: 0.9, WeightDecay: 5e-4},
	})
	if err != nil {
		return nil, err
	}
	b, err := onnx.Marshal(program.Step)
	if err != nil {
		return nil, err
	}
	session, err := ort.OpenBytes(network, b, ort.Options{TensorByTensor: true}) // as bnc train does
	if err != nil {
		return nil, err
	}
	defer session.Close()
	if _, err := passes.Run(program.Statistics, []passes.Pass{opt.DeadCode}, nil); err != nil {
		return nil, err
	}
	if b, err = onnx.Marshal(program.Statistics); err != nil {
		return nil, err
	}
	measuring, err := ort.OpenBytes(network+" statistics", b, ort.Options{TensorByTensor: true})
	if err != nil {
		return nil, err
	}
	defer measuring.Close()
	trainer, err := train.NewTrainer(session, measuring, program.Initial)
	if err != nil {
		return nil, err
	}
	debug.FreeOSMemory() // as bnc train does
	rng := rand.New(rand.NewPCG(1, 2))
	x, err := tensor.New(tensor.Float32, int64(batch), int64(channels), int64(size), int64(size))
	if err != nil {
		return nil, err
	}
	for i := range tensor.Slice[float32](x) {
		tensor.Slice[float32](x)[i] = float32(rng.NormFloat64())
	}
	images := &feed.Batch{X: x, Labels: make([]int64, batch)}
	for i := range images.Labels {
		images.Labels[i] = rng.Int64N(classes)
	}
	var times []time.Duration
	for i := range count + 3 { // the first ones allocate
		start := time.Now()
		if _, err := trainer.Step(context.Background(), images, 0.01); err != nil {
			return nil, err
		}
		if i >= 3 {
			times = append(times, time.Since(start))
		}
	}
	return times, nil
}
