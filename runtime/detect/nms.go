package detect

import (
	"cmp"
	"slices"
)

// Box is something detected.
type Box struct {
	X0, Y0, X1, Y1 float64
	Score          float64
	Class          int
	Points         [][2]float64 // landmarks, nil for none
}

// area is 0 for a box that is none.
func (b *Box) area() float64 { return max(0, b.X1-b.X0) * max(0, b.Y1-b.Y0) }

// common is the area that two boxes share.
func common(a, b *Box) float64 {
	return max(0, min(a.X1, b.X1)-max(a.X0, b.X0)) * max(0, min(a.Y1, b.Y1)-max(a.Y0, b.Y0))
}

// IoU is the area that two boxes share over the area that they cover together; 0 where they
// share none.
func IoU(a, b *Box) float64 {
	shared := common(a, b)
	if shared <= 0 {
		return 0
	}
	return shared / (a.area() + b.area() - shared)
}

// Suppress returns the best boxes, at most so many, best first: none that overlaps a better
// one of its class, or of any where agnostic, by an IoU of more than a threshold. Of equal scores the earlier one is the
// better. It is ONNX's NonMaxSuppression, with the classes' boxes put together; with a
// threshold of 0 nothing is left out for what it overlaps. It orders boxes.
func Suppress(boxes []Box, iou float64, most int, agnostic bool) []Box {
	slices.SortStableFunc(boxes, func(a, b Box) int { return cmp.Compare(b.Score, a.Score) })
	if iou == 0 {
		return boxes[:min(most, len(boxes))]
	}
	var kept []Box
	of := map[int][]int{} // of kept, by class
	for i := range boxes {
		if len(kept) == most {
			break
		}
		b, class := &boxes[i], 0
		if !agnostic {
			class = b.Class
		}
		if slices.ContainsFunc(of[class], func(k int) bool { return IoU(&kept[k], b) > iou }) {
			continue
		}
		of[class] = append(of[class], len(kept))
		kept = append(kept, *b)
	}
	return kept
}
