package models

import "fmt"

// mobileNetV2 is MobileNetV2 (Sandler et al. 2018) at width 1.
func mobileNetV2(n *net, x feature, classes int) {
	stages := []struct{ expand, c, blocks, stride int }{
		{1, 16, 1, 1},
		{6, 24, 2, 2},
		{6, 32, 3, 2},
		{6, 64, 4, 2},
		{6, 96, 3, 1},
		{6, 160, 3, 2},
		{6, 320, 1, 1},
	}
	x = n.normReLU6("features.0", n.conv("features.0.0", x, 32, conv3x3(2)))
	layer := 1
	for _, s := range stages {
		for i := range s.blocks {
			stride := 1
			if i == 0 {
				stride = s.stride
			}
			x = n.invertedResidual(fmt.Sprintf("features.%d", layer), x, s.expand, s.c, stride)
			layer++
		}
	}
	last := fmt.Sprintf("features.%d", layer)
	x = n.normReLU6(last, n.conv(last+".0", x, 1280, conv1x1(1)))

	v, in := n.flatten(n.globalPool("avgpool", x))
	n.classifier("classifier.1", v, in, classes, normal(0.01), constant(0))
}

// normReLU6 finishes what the convolution path.0 began.
func (n *net) normReLU6(path string, x feature) feature {
	return n.relu6(path+".2", n.batchNorm(path+".1", x, 1))
}

// invertedResidual widens the map, filters each channel by itself, and narrows
// it again without an activation.
func (n *net) invertedResidual(path string, x feature, expand, c, stride int) feature {
	layer := 0
	next := func() string {
		layer++
		return fmt.Sprintf("%s.conv.%d", path, layer-1)
	}
	y := x
	if expand > 1 {
		widen := next()
		y = n.normReLU6(widen, n.conv(widen+".0", y, x.c*expand, conv1x1(1)))
	}
	filter := next()
	y = n.normReLU6(filter, n.depthwise(filter+".0", y, conv3x3(stride)))
	y = n.conv(next(), y, c, conv1x1(1))
	y = n.batchNorm(next(), y, 1)
	if stride != 1 || c != x.c {
		return y
	}
	return n.add(path+".add", x, y)
}
