// Command pair measures what a plain split costs where both halves run in one
// process: the pair against one session of the whole model, in turn.
//
//	go run ./tools/bench/pair MODEL BUNDLE [ROUNDS]
package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/bottlenet/bnc/internal/stats"
	"github.com/bottlenet/bnc/runtime/bundle"
	"github.com/bottlenet/bnc/runtime/ort"
	"github.com/bottlenet/bnc/runtime/tensor"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "pair:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) < 2 {
		return fmt.Errorf("usage: pair MODEL BUNDLE [ROUNDS]")
	}
	rounds := 101
	if len(args) > 2 {
		var err error
		if rounds, err = strconv.Atoi(args[2]); err != nil {
			return err
		}
	}
	var runners [2]*bundle.Runner
	for i, path := range args[:2] {
		r, err := bundle.OpenRunner(path, ort.Options{})
		if err != nil {
			return err
		}
		defer r.Close()
		runners[i] = r
	}
	input := runners[0].Inputs()[0]
	shape := input.Sizes()
	shape[0] = 1
	x, err := tensor.New(input.DType, shape...)
	if err != nil {
		return err
	}
	var times [2][]time.Duration
	for round := range rounds + 10 {
		for i, r := range runners {
			start := time.Now()
			if _, err := r.Run(context.Background(), ort.Feed{input.Name: x}); err != nil {
				return err
			}
			if round >= 10 { // warm
				times[i] = append(times[i], time.Since(start))
			}
		}
	}
	whole, pair := stats.Median(times[0])/1e6, stats.Median(times[1])/1e6
	fmt.Printf("%s: whole %.2f ms, pair %.2f ms: %.3f x (medians of %d alternating runs)\n", args[1], whole, pair, pair/whole, rounds)
	return nil
}
