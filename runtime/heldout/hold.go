package heldout

import (
	"github.com/bottlenet/bnc/internal/fault"
	"github.com/bottlenet/bnc/runtime/data"
)

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

// HoldOption is Hold of the set that an option names; it tells where the images to judge by are
// few.
func HoldOption(set *data.Set, option, path string, notice data.Notice) (rest, held *data.Set, err error) {
	rest, held = Hold(set)
	switch n := held.Len(); {
	case n == 0:
		return nil, nil, fault.Unusable("option %s: %s holds one image, expected two or more: some are held out from the calibration to judge by", option, path)
	case n < Few:
		notice("option %s: %d of %d images are held out to judge by: too few to tell more than large differences", option, n, set.Len())
	}
	return rest, held, nil
}
