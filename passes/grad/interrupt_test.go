package grad

import (
	"context"
	"errors"
	"testing"

	"github.com/bottlenet/bnc/models"
)

func TestCompileInterrupted(t *testing.T) {
	m, err := models.Build("resnet20", models.Options{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	o := Options{Batch: 2, Input: m.Graph.Feeds()[0].Name(), Targets: Targets{Heads: []Head{{Scores: m.Graph.Outputs()[0].Value.Name()}}}, Loss: Loss{Kind: CrossEntropy}, Opt: Optimizer{Kind: SGD}}
	if _, err := Compile(ctx, m, m.Clone(), o); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, expected the end of the context", err)
	}
}
