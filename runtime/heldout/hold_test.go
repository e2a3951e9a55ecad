package heldout

import (
	"testing"

	"github.com/bottlenet/bnc/runtime/data"
	"github.com/bottlenet/bnc/runtime/tensor"
)

// TestHold: every image is on one side, a fifth and no fewer than Few are held out, as far as
// half of them are as many, and no more than are of use.
func TestHold(t *testing.T) {
	for n, want := range map[int]int{1: 0, 2: 1, 39: 19, 40: 20, 60: 20, 99: 24, 100: 20, 1000: 200, 2000: 256} {
		x, err := tensor.New(tensor.Uint8, int64(n), 1, 2, 2)
		if err != nil {
			t.Fatal(err)
		}
		set, err := data.OfTensor("set", x, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		rest, held := Hold(set)
		seen := map[string]bool{}
		for _, side := range []*data.Set{rest, held} {
			for i := range side.Len() {
				if seen[side.Name(i)] {
					t.Fatalf("%d images: %s twice", n, side.Name(i))
				}
				seen[side.Name(i)] = true
			}
		}
		if held.Len() != want || len(seen) != n && want < 256 {
			t.Errorf("%d images: %d to judge by, expected %d; %d in all", n, held.Len(), want, len(seen))
		}
	}
}
