// Command payload runs the mobile half of a bundle on numbers that are the same
// everywhere and prints what crosses, in hexadecimal: payload BUNDLE. Two
// machines, or two versions of ONNX Runtime, can be compared by it.
package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"time"

	"github.com/bottlenet/bnc/runtime/bundle"
	"github.com/bottlenet/bnc/runtime/ort"
	"github.com/bottlenet/bnc/runtime/tensor"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "payload:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 1 {
		return errors.New("usage: payload BUNDLE")
	}
	pair, err := bundle.Open(args[0])
	if err != nil {
		return err
	}
	mobile, err := pair.OpenMobile(ort.Options{Threads: 1})
	if err != nil {
		return err
	}
	defer mobile.Close()
	port := mobile.Session().Inputs()[0]
	shape := port.Sizes()
	shape[0] = 2 // images
	n, err := tensor.Elements(shape)
	if err != nil {
		return err
	}
	x, r := make([]float32, n), rand.New(rand.NewPCG(5, 6))
	for i := range x {
		x[i] = 4*r.Float32() - 2 // exact, also where it is fused
	}
	begin := time.Now()
	crossing, _, err := mobile.Run(context.Background(), ort.Feed{port.Name: tensor.Of(shape, x)})
	if err != nil {
		return err
	}
	payload := crossing[bundle.PayloadName]
	if payload == nil {
		return fmt.Errorf("%s is a plain pair: no payload crosses", args[0])
	}
	report := ort.Inspect()
	fmt.Fprintf(os.Stderr, "payload: ONNX Runtime %s, %d bytes of two images, %v\n", report.Version, len(payload.Data), time.Since(begin).Round(time.Millisecond))
	fmt.Printf("%x\n", payload.Data)
	return nil
}
