package passes_test

import (
	"context"
	"errors"
	"testing"

	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/models"
	"github.com/bottlenet/bnc/passes"
)

// TestRunInterrupted: behind the pass in which the context ends there is no other.
func TestRunInterrupted(t *testing.T) {
	m, err := models.Build("resnet20", models.Options{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	recipe := []passes.Pass{
		{Name: "last", Run: func(*ir.Model) (int, error) { cancel(); return 0, nil }},
		{Name: "none", Run: func(*ir.Model) (int, error) { t.Error("a pass ran though the context had ended"); return 0, nil }},
	}
	if reports, err := passes.RunContext(ctx, m, recipe, nil); !errors.Is(err, context.Canceled) || len(reports) != 1 {
		t.Errorf("%d reports, %v", len(reports), err)
	}
}
