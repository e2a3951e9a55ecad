package imagein

import (
	"fmt"
	"slices"

	"github.com/bottlenet/bnc/runtime/model"
	"github.com/bottlenet/bnc/runtime/tensor"
)

// Layout is how a graph wants its images: what its input's declaration says.
type Layout struct {
	Channels      int // 1, 3 or 4
	Height, Width int // 0 where the graph takes any size
	ChannelsLast  bool
	DType         tensor.DType
}

// LayoutOf reads an image input's declaration: rank 4, with 1, 3 or 4 channels in the
// second place (NCHW) or in the last (NHWC). Where both could be channels those of 1 and
// 3 are, and then the second place.
func LayoutOf(port model.Port) (Layout, error) {
	refuse := func(expected string) (Layout, error) {
		return Layout{}, fmt.Errorf("input %s: expected %s: give a .npy tensor instead of images", port, expected)
	}
	if port.Kind != model.Tensor || len(port.Shape) != 4 {
		return refuse("images, as [batch channels height width] or [batch height width channels]")
	}
	if _, ok := encoders[port.DType]; !ok {
		return refuse("an element type that pixels can become")
	}
	size := func(axis int) int { return int(max(port.Shape[axis].Size, 0)) }
	l := Layout{DType: port.DType}
	for _, usual := range [][]int{{1, 3}, {4}} {
		switch {
		case slices.Contains(usual, size(1)):
			l.Channels, l.Height, l.Width = size(1), size(2), size(3)
			return l, nil
		case slices.Contains(usual, size(3)):
			l.Channels, l.Height, l.Width, l.ChannelsLast = size(3), size(1), size(2), true
			return l, nil
		}
	}
	return refuse("1, 3 or 4 channels in the second or the last place")
}

// shape returns the shape of n prepared images.
func (l Layout) shape(n int, crop [2]int) []int64 {
	c, h, w := int64(l.Channels), int64(crop[0]), int64(crop[1])
	if l.ChannelsLast {
		return []int64{int64(n), h, w, c}
	}
	return []int64{int64(n), c, h, w}
}
