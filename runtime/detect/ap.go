package detect

import (
	"cmp"
	"maps"
	"math"
	"slices"
)

// Truth is a box that is there.
type Truth struct {
	Box
	// Crowd marks many things in one box: what is found in it counts neither as right nor
	// as wrong.
	Crowd bool
}

// Thresholds are COCO's: 0.5, 0.55, ... 0.95.
var Thresholds = func() (t []float64) {
	for i := range 10 {
		t = append(t, 0.5+0.05*float64(i))
	}
	return t
}()

// mostJudged is how many boxes of a class and an image COCO's measure takes.
const mostJudged = 100

// Precision is average precision as COCO defines it (pycocotools' COCOeval: all areas, at
// most 100 boxes of a class and an image), for which boxes have been matched once.
type Precision struct {
	thresholds int
	classes    []classMatches
	images     int
}

// classMatches are the boxes found of a class, best first, and how many there are.
type classMatches struct {
	found []match
	there []count
}

type match struct {
	image          int
	score          float64
	right, ignored uint16 // a bit for each threshold
}

type count struct{ image, boxes int }

// Match compares the boxes that were found in images, best first, with those that are
// there, at thresholds of IoU.
func Match(found [][]Box, there [][]Truth, thresholds []float64) *Precision {
	p := &Precision{thresholds: len(thresholds), images: len(found)}
	of := map[int]*classMatches{}
	class := func(c int) *classMatches {
		if of[c] == nil {
			of[c] = &classMatches{}
		}
		return of[c]
	}
	for n := range found {
		boxes, truths := map[int][]Box{}, map[int][]Truth{}
		for _, b := range found[n] {
			if len(boxes[b.Class]) < mostJudged {
				boxes[b.Class] = append(boxes[b.Class], b)
			}
		}
		for _, t := range there[n] {
			truths[t.Class] = append(truths[t.Class], t)
		}
		for c, t := range truths {
			slices.SortStableFunc(t, func(a, b Truth) int { return cmp.Compare(place01(a.Crowd), place01(b.Crowd)) })
			real := slices.IndexFunc(t, func(t Truth) bool { return t.Crowd })
			if real < 0 {
				real = len(t)
			}
			if real > 0 {
				class(c).there = append(class(c).there, count{n, real})
			}
		}
		for c, b := range boxes {
			class(c).found = append(class(c).found, matched(n, b, truths[c], thresholds)...)
		}
	}
	for _, c := range slices.Sorted(maps.Keys(of)) {
		if len(of[c].there) == 0 { // COCO leaves out classes of which nothing is there
			continue
		}
		slices.SortStableFunc(of[c].found, func(a, b match) int { return cmp.Compare(b.score, a.score) })
		// What comes behind the last right one has no more recall and less precision.
		last := len(of[c].found)
		for last > 0 && of[c].found[last-1].right == 0 {
			last--
		}
		of[c].found = of[c].found[:last]
		p.classes = append(p.classes, *of[c])
	}
	return p
}

// place01 orders what is before what is not.
func place01(b bool) int {
	if b {
		return 1
	}
	return 0
}

// matched compares one class in one image: each box, best first, takes the truth that it
// overlaps most and that is still free; crowds, which come last, stay free.
func matched(image int, boxes []Box, truths []Truth, thresholds []float64) []match {
	matches := make([]match, len(boxes))
	overlap := make([]float64, len(boxes)*len(truths))
	for i := range boxes {
		matches[i] = match{image: image, score: boxes[i].Score}
		for k := range truths {
			overlap[i*len(truths)+k] = truths[k].overlap(&boxes[i])
		}
	}
	taken := make([]bool, len(truths))
	for bit, threshold := range thresholds {
		clear(taken)
		for i := range boxes {
			best, least := -1, min(threshold, 1-1e-10)
			for k := range truths {
				if taken[k] && !truths[k].Crowd {
					continue
				}
				if best >= 0 && !truths[best].Crowd && truths[k].Crowd {
					break
				}
				if o := overlap[i*len(truths)+k]; o >= least {
					best, least = k, o
				}
			}
			switch {
			case best < 0:
			case truths[best].Crowd:
				matches[i].ignored |= 1 << bit
			default:
				matches[i].right |= 1 << bit
				taken[best] = true
			}
		}
	}
	return matches
}

// overlap is the IoU with a box, with a crowd the share of the box that lies in it.
func (t *Truth) overlap(b *Box) float64 {
	if !t.Crowd {
		return IoU(&t.Box, b)
	}
	if area := b.area(); area > 0 {
		return common(&t.Box, b) / area
	}
	return 0
}

// AP is the mean over classes that are there, and over the first thresholds, of the mean
// precision at 101 recalls, each the best at that recall or more. Picks are the images that
// count, some of them perhaps several times; nil for each once. It is NaN where nothing is
// there.
func (p *Precision) AP(thresholds int, picks []int) float64 {
	weights := make([]float64, p.images)
	if picks == nil {
		for i := range weights {
			weights[i] = 1
		}
	}
	for _, i := range picks {
		weights[i]++
	}
	sum, n := 0.0, 0
	var precision, recall []float64
	for _, c := range p.classes {
		there := 0.0
		for _, t := range c.there {
			there += weights[t.image] * float64(t.boxes)
		}
		if there == 0 {
			continue
		}
		for bit := range min(thresholds, p.thresholds) {
			precision, recall = c.curve(bit, weights, there, precision[:0], recall[:0])
			sum += sampled(precision, recall)
			n++
		}
	}
	if n == 0 {
		return math.NaN()
	}
	return sum / float64(n)
}

// curve appends precision and recall behind each box that counts.
func (c *classMatches) curve(bit int, weights []float64, there float64, precision, recall []float64) (p, r []float64) {
	const tiny = 0x1p-52 // as pycocotools has it
	right, wrong := 0.0, 0.0
	for _, m := range c.found {
		switch w := weights[m.image]; {
		case w == 0 || m.ignored>>bit&1 == 1:
			continue
		case m.right>>bit&1 == 1:
			right += w
		default:
			wrong += w
		}
		precision, recall = append(precision, right/(right+wrong+tiny)), append(recall, right/there)
	}
	return precision, recall
}

// sampled is the mean precision at recalls 0, 0.01, ... 1.
func sampled(precision, recall []float64) float64 {
	for i := len(precision) - 1; i > 0; i-- {
		precision[i-1] = max(precision[i-1], precision[i])
	}
	sum, i := 0.0, 0
	for k := range 101 {
		for i < len(recall) && recall[i] < float64(k)*0.01 {
			i++
		}
		if i == len(recall) {
			break
		}
		sum += precision[i]
	}
	return sum / 101
}

// F1 is how well boxes are found at an IoU of 0.5: twice those that both have of all that
// either has; 1 where there are none at all. Both are best first.
func F1(found, there []Box) float64 {
	if len(found)+len(there) == 0 {
		return 1
	}
	taken := make([]bool, len(there))
	both := 0
	for i := range found {
		best, least := -1, 0.5
		for k := range there {
			if taken[k] || there[k].Class != found[i].Class {
				continue
			}
			if o := IoU(&found[i], &there[k]); o >= least {
				best, least = k, o
			}
		}
		if best >= 0 {
			taken[best] = true
			both++
		}
	}
	return 2 * float64(both) / float64(len(found)+len(there))
}
