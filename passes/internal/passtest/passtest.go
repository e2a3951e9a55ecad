// Package passtest helps the tests of passes: models in ONNX text, before and after.
package passtest

import (
	"strings"
	"testing"

	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/onnxtext"
	"github.com/bottlenet/bnc/passes"
)

// Header begins a model of operator set 17.
const Header = `<ir_version: 8, opset_import: ["" : 17, "f" : 1]>
`

// Parse reads a model in ONNX text.
func Parse(t *testing.T, text string) *ir.Model {
	t.Helper()
	m, err := onnxtext.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// Print writes a model as ONNX text.
func Print(t *testing.T, m *ir.Model) string {
	t.Helper()
	var b strings.Builder
	if err := onnxtext.Print(&b, m); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// Apply runs one pass, which Run verifies, and returns the number of edits.
func Apply(t *testing.T, m *ir.Model, p passes.Pass) int {
	t.Helper()
	reports, err := passes.Run(m, []passes.Pass{p}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return reports[0].Changed
}

// Count counts a graph's nodes of an operator.
func Count(m *ir.Model, op string) (n int) {
	for _, node := range m.Graph.Nodes() {
		if node.Op == op {
			n++
		}
	}
	return n
}
