package split

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/bottlenet/bnc/compiler/cut"
	"github.com/bottlenet/bnc/compiler/shape"
	"github.com/bottlenet/bnc/models"
	"github.com/bottlenet/bnc/passes"
	"github.com/bottlenet/bnc/passes/bottleneck"
	"github.com/bottlenet/bnc/passes/convert"
)

// recipesOf returns the recipes of a split by name: of the joined network and of both
// halves, each in the order in which a model goes through them.
func recipesOf(t *testing.T, s Settings) map[string][]passes.Pass {
	t.Helper()
	m, err := models.Build("resnet20", models.Options{Input: [3]int{3, 32, 32}, Classes: 10})
	if err != nil {
		t.Fatal(err)
	}
	info, err := shape.Infer(m, shape.Options{})
	if err != nil {
		t.Fatal(err)
	}
	a := cut.Find(m, info)
	c, err := a.Resolve("rb2")
	if err != nil {
		t.Fatal(err)
	}
	geometries, err := bottleneck.Geometries(c, []int64{2}, []int64{2})
	if err != nil {
		t.Fatal(err)
	}
	s.Tensors = Bottlenecks(geometries, bottleneck.Quantiser{Bits: 8}, bottleneck.JPEG(20))
	target, known := convert.TargetNamed(s.Target)
	if !known {
		t.Fatalf("there is no target %q", s.Target)
	}
	joined := joinedRecipe(a, c, s)
	return map[string][]passes.Pass{
		"mobile": slices.Concat(joined, mobileRecipe(c, s, target, nil)),
		"cloud":  slices.Concat(joined, cloudRecipe(c, s, nil)),
	}
}

// TestRecipesKeepTheOrder: whatever the settings, what a pass requires another ensures
// before it, of a model of which nothing is known.
func TestRecipesKeepTheOrder(t *testing.T) {
	for _, plain := range []bool{false, true} {
		for _, at := range []string{bottleneck.CodecInGraph, bottleneck.CodecOnDeviceHost, bottleneck.CodecOnHost} {
			for _, half := range []bool{false, true} {
				for _, target := range convert.Targets() {
					s := Settings{Plain: plain, CodecAt: at, FP16: half, Target: target}
					for side, recipe := range recipesOf(t, s) {
						if err := passes.CheckOrder(recipe); err != nil {
							t.Errorf("%s of %+v: %v", side, s, err)
						}
					}
				}
			}
		}
	}
}

// TestRecipesWithoutAPass: a recipe that lacks what it needs is refused, and the
// message says what for.
func TestRecipesWithoutAPass(t *testing.T) {
	s := Settings{CodecAt: bottleneck.CodecOnDeviceHost, FP16: true, Target: convert.TX2}
	for without, want := range map[string]string{
		"initializers":  "pass insert-bottleneck requires that initializers are listed as inputs only where callers may override them (it adds weights)",
		"reserve-names": "pass insert-bottleneck requires that no tensor has the name of what a bottleneck sends",
		"lower-tx2":     "pass check-tensorrt requires that the operator set is 13 or older",
		"dead-code":     "pass check-tensorrt requires that every node, constant and function is needed",
	} {
		recipe := slices.DeleteFunc(recipesOf(t, s)["mobile"], func(p passes.Pass) bool { return p.Name == without })
		if err := passes.CheckOrder(recipe); err == nil || !strings.Contains(fmt.Sprint(err), want) {
			t.Errorf("without %s: %v, expected %q", without, err, want)
		}
	}
}
