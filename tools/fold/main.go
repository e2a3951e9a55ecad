// Command fold merges batch normalisation into convolutions, as exporters do:
//
//	fold IN.onnx OUT.onnx
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/bottlenet/bnc/compiler/onnx"
	"github.com/bottlenet/bnc/passes"
	"github.com/bottlenet/bnc/passes/convert"
	"github.com/bottlenet/bnc/passes/opt"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: fold IN.onnx OUT.onnx")
		os.Exit(2)
	}
	if err := fold(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "fold:", err)
		os.Exit(1)
	}
}

func fold(in, out string) error {
	m, err := onnx.Load(in)
	if err != nil {
		return err
	}
	if _, err := passes.Run(m, []passes.Pass{convert.Initializers, opt.FoldBatchNorm, opt.DeadCode}, nil); err != nil {
		return err
	}
	return onnx.Save(context.Background(), out, m, onnx.SaveOptions{})
}
