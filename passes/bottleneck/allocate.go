package bottleneck

import (
	"slices"

	"gonum.org/v1/gonum/mat"
)

// mostAllocated bounds the channels of a tensor that are divided among several: the
// components behind them explain next to nothing.
const mostAllocated = 64

// Order tells which tensor's next channel is worth most, again and again, when a payload is
// divided among the channels of several tensors that were calibrated: the one that explains
// the largest share of its tensor's variance, or what the outputs feel most, for each cell
// of the tile that it takes. The first channel of every tensor, which each has in any case,
// is not in the list.
func Order(all []*Calibration) ([]int, error) {
	type channel struct {
		tensor int
		worth  float64
	}
	var channels []channel
	for i, c := range all {
		shares, err := c.explained()
		if err != nil {
			return nil, err
		}
		cells := float64(c.g.ReducedH() * c.g.ReducedW())
		for k, share := range shares {
			if k > 0 { // shares fall, so that a tensor's own channels stay in order
				channels = append(channels, channel{i, share / cells})
			}
		}
	}
	slices.SortStableFunc(channels, func(a, b channel) int {
		switch {
		case a.worth > b.worth:
			return -1
		case a.worth < b.worth:
			return 1
		}
		return 0
	})
	var order []int
	for _, c := range channels {
		order = append(order, c.tensor)
	}
	return order, nil
}

// Use makes the calibration that of a bottleneck of another geometry of the same tensor.
func (c *Calibration) Use(g Geometry) { c.g = g }

// Kept returns some of the cut tensors that were added, float32 [C,H,W] each.
func (c *Calibration) Kept() [][]float32 { return c.kept }

// explained returns which share of the tensor's variance each of its leading components
// has, largest first; where gradients were taken, how much of it the outputs feel at all
// positions together.
func (c *Calibration) explained() ([]float64, error) {
	wanted := c.g.Reduced
	c.g.Reduced = min(c.g.C, mostAllocated)
	defer func() { c.g.Reduced = wanted }()
	mean, variance, p, _, err := c.components()
	if err != nil {
		return nil, err
	}
	total := 0.0
	for _, v := range variance {
		total += v
	}
	shares := make([]float64, c.g.Reduced)
	if total <= 0 {
		return shares, nil
	}
	if c.Felt() {
		total = c.perFelt * c.perFelt / float64(c.g.H*c.g.W)
	}
	for k := range shares {
		row := p.RowView(k)
		shift := 0.0
		for i, m := range mean {
			shift += row.AtVec(i) * m
		}
		shares[k] = max(mat.Inner(row, c.cross, row)/c.count-shift*shift, 0) / total
	}
	for k := 1; k < len(shares); k++ { // but for rounding they fall
		shares[k] = min(shares[k], shares[k-1])
	}
	return shares, nil
}
