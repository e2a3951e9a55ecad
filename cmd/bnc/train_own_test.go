package main

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/bottlenet/bnc/compiler/onnx"
)

// mergedNet writes a network whose two normalisations begin with ones and zeros: each
// array on its own, or merged by value as exporters do.
func mergedNet(t *testing.T, merged bool) string {
	t.Helper()
	parts := strings.Fields("g1 b1 mean1 var1 g2 b2 mean2 var2")
	ones, zeros := "1"+strings.Repeat(",1", 5), "0"+strings.Repeat(",0", 5)
	var arrays []string
	for i, name := range parts {
		values := ones
		if i%4 == 1 || i%4 == 2 {
			values = zeros
		}
		arrays = append(arrays, fmt.Sprintf("float[6] %s = {%s}", name, values))
	}
	if merged {
		arrays = []string{"float[6] one = {" + ones + "}", "float[6] zero = {" + zeros + "}"}
		parts = strings.Fields("one zero zero one one zero zero one")
	}
	return fromText(t, fmt.Sprintf(`<ir_version: 8, opset_import: ["" : 17]>
	net (float[batch,1,12,12] x) => (float[batch,4] y) <%s, %s> {
		a = Conv <strides = [2,2], pads = [1,1,1,1]> (x, w1)
		n = BatchNormalization (a, %s)
		r = Relu (n)
		c = Conv <pads = [1,1,1,1]> (r, w2)
		m = BatchNormalization (c, %s)
		q = Relu (m)
		p = GlobalAveragePool (q)
		f = Flatten (p)
		y = Gemm <transB = 1> (f, w3, b3)
	}`, strings.Join(arrays, ", "), initsFor("6,1,3,3 w1 0 0.5; 6,6,3,3 w2 0 0.2; 4,6 w3 0 0.4; 4 b3 0 0.05"),
		strings.Join(parts[:4], ", "), strings.Join(parts[4:], ", ")), nil)
}

// TestTrainMerged: that arrays were merged because they were equal at the start
// changes nothing of what a network learns.
func TestTrainMerged(t *testing.T) {
	set := stripes(t, 96, 40)
	var outputs [2]map[string]string
	for i, merged := range []bool{false, true} {
		out := filepath.Join(t.TempDir(), "trained.onnx")
		trained(t, slices.Concat([]string{mergedNet(t, merged), "--data", set, "--keep-last", "-o", out}, few)...)
		m, err := onnx.Load(out)
		if err != nil {
			t.Fatal(err)
		}
		inits := initsOf(t, out)
		outputs[i] = map[string]string{}
		for _, n := range m.Graph.Nodes() {
			for k, v := range n.Inputs() {
				if v.Init() != nil {
					outputs[i][fmt.Sprint(n.Output(0).Name(), ".", k)] = inits[v.Name()]
				}
			}
		}
	}
	if d := changed(outputs[0], outputs[1]); len(d) > 0 || len(outputs[0]) != 12 {
		t.Errorf("%d weights; they differ at %v", len(outputs[0]), d)
	}
}
