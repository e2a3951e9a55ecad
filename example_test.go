package bnc_test

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"log"
	"os"
	"path/filepath"

	"github.com/bottlenet/bnc"
	"github.com/bottlenet/bnc/internal/rttest"
	"github.com/bottlenet/bnc/runtime/ort"
)

func ExampleSplit() {
	defer exampleFolder()()
	result, err := bnc.Split(context.Background(), "net.onnx", bnc.SplitOptions{After: "rb1", Channels: []bnc.Channels{4}, Stride: []int{2}, Out: "b", Calibrate: "set"})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(result.Cut, "of shape", result.CutShape[0], "crosses as", result.ReducedShape[0], "in a tile of", result.Tile[0])
	// Output: rb1 of shape [batch 16 16 16] crosses as [batch 4 8 8] in a tile of [16 16]
}

func ExampleTrain() {
	defer exampleFolder()()
	splitExample()
	result, err := bnc.Train(context.Background(), "b", bnc.TrainOptions{Data: "set", Epochs: 1})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(result.Epochs), "epoch of", result.Images, "images")
	// Output: 1 epoch of 96 images
}

func ExampleEval() {
	defer exampleFolder()()
	splitExample()
	result, err := bnc.Eval(context.Background(), "b", bnc.EvalOptions{Data: "set"})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(result.N, "images,", result.Top1 != nil, result.PayloadBytes.P95 < 16*16)
	// Output: 32 images, true true
}

func ExampleRun() {
	defer exampleFolder()()
	splitExample()
	result, err := bnc.Run(context.Background(), "b", []string{"set/val/0"}, bnc.RunOptions{Top: 1})
	if err != nil {
		log.Fatal(err)
	}
	for _, r := range result.Results[:2] {
		fmt.Println(r.Input, len(r.Top), r.Where)
	}
	// Output:
	// set/val/0/0.png 1 split
	// set/val/0/1.png 1 split
}

func ExampleSearch() {
	defer exampleFolder()()
	options := bnc.SearchOptions{Cuts: []string{"rb1", "rb2"}, Channels: []bnc.Channels{2, 4}, Train: bnc.TrainOptions{Data: "set", Epochs: 1}}
	options.Out, options.Strides, options.MaxLoss = "found", []int{2}, new(100.0)
	result, err := bnc.Search(context.Background(), "net.onnx", options)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(result.Candidates), "candidates, in", result.File)
	// Output: 4 candidates, in found/results.json
}

func ExampleServe() {
	defer exampleFolder()()
	splitExample()
	ctx, end := context.WithCancel(context.Background())
	err := bnc.Serve(ctx, []string{"b"}, bnc.ServeOptions{HTTP: "127.0.0.1:0", GRPC: bnc.NoAddress, Ready: func(s bnc.Serving) error {
		defer end()
		var o bnc.RunOptions
		o.Cloud = "http://" + s.HTTP
		result, err := bnc.Run(ctx, "b", []string{"set/val/0/0.png"}, o)
		if err == nil {
			fmt.Println("model", s.Models[0], "answers with", len(result.Results[0].Top), "classes")
		}
		return err
	}})
	if err != nil {
		log.Fatal(err)
	}
	// Output: model b answers with 4 classes
}

// splitExample splits the model of the examples.
func splitExample() {
	_, err := bnc.Split(context.Background(), "net.onnx", bnc.SplitOptions{After: "rb1", Channels: []bnc.Channels{4}, Stride: []int{2}, Out: "b"})
	if err != nil {
		log.Fatal(err)
	}
}

// exampleFolder makes a temporary folder the working directory, until the returned
// function is called. It holds the model net.onnx, a ResNet-20 for 4 classes of grey
// images of 16x16 pixels, and set, images of a class a folder: bars at four heights.
func exampleFolder() (leave func()) {
	before, err := os.Getwd()
	if err != nil {
		log.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "bnc-example")
	if err != nil {
		log.Fatal(err)
	}
	if err := os.Chdir(dir); err != nil {
		log.Fatal(err)
	}
	if ort.FindPlugin().Path == "" { // as make build leaves it
		os.Setenv("BNC_OPS_LIB", rttest.Source("bin", "libbnc_ops.so"))
	}
	if _, err := bnc.WriteModel(context.Background(), "resnet20", bnc.ModelOptions{Classes: 4, Input: [3]int{1, 16, 16}, Out: "net.onnx"}); err != nil {
		log.Fatal(err)
	}
	for part, n := range map[string]int{"train": 24, "val": 8} {
		for class := range 4 {
			for i := range n {
				writeBar(filepath.Join("set", part, fmt.Sprint(class), fmt.Sprintf("%d.png", i)), 4*class, i)
			}
		}
	}
	return func() {
		os.Chdir(before)
		os.RemoveAll(dir)
	}
}

// writeBar writes a picture of a bar below a line; the seed varies what is behind it.
func writeBar(path string, line, seed int) {
	img := image.NewGray(image.Rect(0, 0, 16, 16))
	for y := range 16 {
		for x := range 16 {
			v := 40 + (seed*37+x*11+y*7)%60
			if y >= line && y < line+4 {
				v += 120
			}
			img.SetGray(x, y, color.Gray{Y: uint8(v)})
		}
	}
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		log.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		log.Fatal(err)
	}
	if err := os.WriteFile(path, b.Bytes(), 0o666); err != nil {
		log.Fatal(err)
	}
}
