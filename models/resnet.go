package models

import (
	"fmt"
	"math"
)

// residual is a ResNet (He et al. 2015): a stem, stages of blocks of which each
// stage but the first halves the map, and one dense layer over the mean.
func residual(stem func(*net, feature, int) feature, block residualBlock, widths, depths []int) builder {
	blocks := 0
	for _, d := range depths {
		blocks += d
	}
	// The running statistics start at mean 0 and variance 1, so nothing
	// normalises an untrained network, and each bottleneck block would multiply
	// the variance by three: logits of 10^8 after 50 blocks. With this scale on
	// what a block adds the variance grows by a factor that has a limit however
	// many blocks there are, (1 + 2/blocks)^blocks < e^2.
	gamma := float32(1 / math.Sqrt(float64(blocks)))

	return func(n *net, x feature, classes int) {
		x = stem(n, x, widths[0])
		for stage, width := range widths {
			for i := range depths[stage] {
				stride := 1
				if stage > 0 && i == 0 {
					stride = 2
				}
				x = block(n, fmt.Sprintf("layer%d.%d", stage+1, i), x, width, stride, gamma)
			}
		}
		v, in := n.flatten(n.globalPool("avgpool", x))
		n.classifier("fc", v, in, classes, torchLinear(in), torchLinear(in))
	}
}

// imagenetStem takes a photograph to a quarter of its height and width.
func imagenetStem(n *net, x feature, width int) feature {
	x = n.conv("conv1", x, width, kernel{7, 2, 3})
	x = n.relu("relu", n.batchNorm("bn1", x, 1))
	return n.maxPool("maxpool", x, kernel{3, 2, 1})
}

// smallStem keeps the size of a small image.
func smallStem(n *net, x feature, width int) feature {
	return n.relu("relu", n.batchNorm("bn1", n.conv("conv1", x, width, conv3x3(1)), 1))
}

// residualBlock adds one block. Width is that of its 3x3 convolutions, gamma
// the first scale of the last normalisation of what the block adds.
type residualBlock func(n *net, path string, x feature, width, stride int, gamma float32) feature

func basicBlock(n *net, path string, x feature, width, stride int, gamma float32) feature {
	y := n.conv(path+".conv1", x, width, conv3x3(stride))
	y = n.relu(path+".relu", n.batchNorm(path+".bn1", y, 1))
	y = n.conv(path+".conv2", y, width, conv3x3(1))
	y = n.batchNorm(path+".bn2", y, gamma)
	return n.relu(path+".relu", n.add(path+".add", y, n.shortcut(path, x, y.c, stride)))
}

// bottleneckBlock has its stride in the 3x3 convolution, not in the first 1x1:
// "v1.5", as torchvision has it.
func bottleneckBlock(n *net, path string, x feature, width, stride int, gamma float32) feature {
	y := n.conv(path+".conv1", x, width, conv1x1(1))
	y = n.relu(path+".relu", n.batchNorm(path+".bn1", y, 1))
	y = n.conv(path+".conv2", y, width, conv3x3(stride))
	y = n.relu(path+".relu", n.batchNorm(path+".bn2", y, 1))
	y = n.conv(path+".conv3", y, 4*width, conv1x1(1))
	y = n.batchNorm(path+".bn3", y, gamma)
	return n.relu(path+".relu", n.add(path+".add", y, n.shortcut(path, x, y.c, stride)))
}

// shortcut is x itself or, where the block changes the shape, its projection.
func (n *net) shortcut(path string, x feature, c, stride int) feature {
	if c == x.c && stride == 1 {
		return x
	}
	return n.batchNorm(path+".downsample.1", n.conv(path+".downsample.0", x, c, conv1x1(stride)), 1)
}
