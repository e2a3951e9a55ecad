package heldout

import "github.com/bottlenet/bnc/runtime/data"

// Few is how many images are too few to tell more than large differences.
const Few = 20

const (
	every = 5   // which part of the images is held out: one of so many, more where that makes Few
	most  = 256 // their agreement is known to two or three points
)

// Hold divides images into those to calibrate on and those to judge by, of which there are none
// where there is one image.
func Hold(set *data.Set) (rest, held *data.Set) {
	n := set.Len()
	step := min(max(n/Few, 2), every)
	var known, out []int
	for i := range n {
		if i%step == step-1 {
			out = append(out, i)
		} else {
			known = append(known, i)
		}
	}
	return set.Select(known), set.Select(out).Spread(most)
}
