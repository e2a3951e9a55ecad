package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/bottlenet/bnc/runtime/plan"
)

// cutsNet writes a network whose cuts have every kind of tensor: of a convolution, a
// batch normalisation, HardSwish, SiLU, a linear residual sum, and a ReLU.
func cutsNet(t *testing.T) string {
	t.Helper()
	return fromText(t, `<ir_version: 8, opset_import: ["" : 17]>
	net (float[batch,1,12,12] x) => (float[batch,4] y) <`+initsFor(`6,1,3,3 w1 0 0.5; 6 b1 0 0.1; 6,6,3,3 w2 0 0.25; 6 g 1 0.05; 6 b 0 0.05; 6 mean 0 0.05; 6 var 1 0.05;
		6,6,3,3 w3 0 0.25; 6,6,3,3 w4 0 0.25; 6 b4 0 0.05; 4,6 w5 0 0.4; 4 b5 0 0.05`)+`> {
		conv = Conv <strides = [2,2], pads = [1,1,1,1]> (x, w1, b1)
		swish = HardSwish (conv)
		c2 = Conv <pads = [1,1,1,1]> (swish, w2)
		normal = BatchNormalization (c2, g, b, mean, var)
		gate = Sigmoid (normal)
		silu = Mul (normal, gate)
		c3 = Conv <pads = [1,1,1,1]> (silu, w3)
		sum = Add (c3, silu)
		c4 = Conv <pads = [1,1,1,1]> (sum, w4, b4)
		relu = Relu (c4)
		p = GlobalAveragePool (relu)
		f = Flatten (p)
		y = Gemm <transB = 1> (f, w5, b5)
	}`, nil)
}

// TestTrainDistilsAtEveryCut: wherever a network is divided, and with whatever units, its
// original teaches it.
func TestTrainDistilsAtEveryCut(t *testing.T) {
	plugin(t)
	net, set := cutsNet(t), stripes(t, 48, 16)
	for _, c := range []struct{ cut, split, train string }{
		{"conv", "--c 2 --s 2", ""},
		{"normal", "--c 2 --s 2", ""},
		{"swish", "--c 2 --s 2", ""},
		{"silu", "--c 2 --s 2", ""},
		{"sum", "--c 2 --s 2", ""},
		{"relu", "--c 2 --s 2", ""},
		{"sum", "--c 3 --s 1", ""},
		{"sum", "--c full --s 2", ""},
		{"sum", "--c full --s 1", ""}, // no unit at all
		{"sum", "--c 2 --s 2 --restore-width 3", ""},
		{"sum", "--c 2 --s 2 --range dynamic", "--range dynamic"},
		{"sum", "--c 2 --s 2", "--statistics running"},
		{"sum", "--c 2 --s 2", "--statistics batch --freeze backbone"},
		{"sum", "--c 2 --s 2", "--freeze mobile"},
		{"sum", "--c 2 --s 2", "--freeze cloud"},
		{"sum", "--c 2 --s 2", "--naive --loss mse"},
		{"sum", "--c 2 --s 2", "--rate-weight 0.1 --layout chwn"},
	} {
		t.Run(strings.Join([]string{c.cut, c.split, c.train}, " "), func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "b")
			mustBnc(t, slices.Concat([]string{"split", net, "--after", c.cut, "-o", dir}, strings.Fields(c.split))...)
			r := trained(t, slices.Concat([]string{dir, "--data", set, "--distill", "--keep-last"}, few, strings.Fields(c.train))...)
			got := evaluated(t, dir, "--data", set, "--teacher", net)
			if r.Agreement == nil || *got.Agreement != *r.Agreement {
				t.Errorf("agreement %v, bnc eval says %v", r.Agreement, *got.Agreement)
			}
		})
	}
}

// TestSearchDistilsAtEveryCut: a search by a teacher trains candidates at cuts that hold
// negative numbers.
func TestSearchDistilsAtEveryCut(t *testing.T) {
	plugin(t)
	net, set := cutsNet(t), stripes(t, 48, 16)
	dir := filepath.Join(t.TempDir(), "found")
	var r plan.Results
	out := mustBnc(t, slices.Concat([]string{"search", net, "--data", set, "-o", dir, "--distill", "--exhaustive", "--json"},
		strings.Fields("--cuts conv,silu,sum --c 2 --s 2 --epochs 1 --batch 16 --flip off"))...)
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		t.Fatal(err)
	}
	for _, c := range r.Candidates {
		if c.Status != plan.StatusTrained {
			t.Errorf("%s: %s, %s", c, c.Status, c.Reason)
			continue
		}
		if _, err := os.Stat(filepath.Join(dir, c.Bundle)); err != nil {
			t.Error(err)
		}
	}
	if len(r.Candidates) != 3 {
		t.Errorf("%d candidates", len(r.Candidates))
	}
}
