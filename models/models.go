// Package models builds well-known convolutional networks as ONNX models with
// seeded weights, so that every command can be tried and every network trained
// without a download.
//
// A network has torchvision's structure, and its initializers carry the names
// and shapes of torchvision's state_dict: weights trained elsewhere can be
// copied in by name. Batch normalisation stays a node of its own, because the
// networks are made to be trained. Input is "input", float32
// [batch, channels, height, width]; output is "output", float32
// [batch, classes], logits.
//
//	m, err := models.Build("resnet20", models.Options{Seed: 1})
//
// The weights are computed when they are asked for and never kept: a model of
// 500 MB costs a few kilobytes until it is written. The same name, options and
// seed give the same bytes on every platform.
package models

import (
	"cmp"
	"strings"

	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/internal/fault"
	"github.com/bottlenet/bnc/internal/similar"
)

// The versions of the file format and of the ai.onnx operator set that Build
// writes.
const (
	irVersion = 8
	opset     = 17
)

// maxSize is the largest number of classes, channels, rows and columns: beyond
// it weights and activations pass what the format and memory hold.
const maxSize = 1 << 16

// Options sets what may differ between two models of the same name. A zero
// Classes or Input stands for the network's default.
type Options struct {
	Classes int
	Input   [3]int // channels, height, width
	Seed    uint64
}

// Info describes a network that Build knows.
type Info struct {
	Name    string
	Summary string // one line
	Input   [3]int // default channels, height, width
	Classes int    // default
}

// builder adds the nodes of a network to n, from the input x to the output.
type builder func(n *net, x feature, classes int)

type architecture struct {
	Info
	minSize int // smallest height and width
	build   builder
}

var (
	imagenet     = [3]int{3, 224, 224}
	fashionMNIST = [3]int{1, 28, 28}
)

var architectures = []architecture{
	{Info{"resnet18", "ResNet-18: 8 basic blocks, 11.7 million parameters", imagenet, 1000}, 1,
		residual(imagenetStem, basicBlock, []int{64, 128, 256, 512}, []int{2, 2, 2, 2})},
	{Info{"resnet34", "ResNet-34: 16 basic blocks, 21.8 million parameters", imagenet, 1000}, 1,
		residual(imagenetStem, basicBlock, []int{64, 128, 256, 512}, []int{3, 4, 6, 3})},
	{Info{"resnet50", "ResNet-50 v1.5: 16 bottleneck blocks, 25.6 million parameters", imagenet, 1000}, 1,
		residual(imagenetStem, bottleneckBlock, []int{64, 128, 256, 512}, []int{3, 4, 6, 3})},
	{Info{"resnet101", "ResNet-101 v1.5: 33 bottleneck blocks, 44.5 million parameters", imagenet, 1000}, 1,
		residual(imagenetStem, bottleneckBlock, []int{64, 128, 256, 512}, []int{3, 4, 23, 3})},
	{Info{"resnet152", "ResNet-152 v1.5: 50 bottleneck blocks, 60.2 million parameters", imagenet, 1000}, 1,
		residual(imagenetStem, bottleneckBlock, []int{64, 128, 256, 512}, []int{3, 8, 36, 3})},
	{Info{"resnet20", "ResNet-20 for small images: 9 basic blocks, 0.27 million parameters", fashionMNIST, 10}, 1,
		residual(smallStem, basicBlock, []int{16, 32, 64}, []int{3, 3, 3})},
	{Info{"resnet32", "ResNet-32 for small images: 15 basic blocks, 0.47 million parameters", fashionMNIST, 10}, 1,
		residual(smallStem, basicBlock, []int{16, 32, 64}, []int{5, 5, 5})},
	{Info{"resnet44", "ResNet-44 for small images: 21 basic blocks, 0.66 million parameters", fashionMNIST, 10}, 1,
		residual(smallStem, basicBlock, []int{16, 32, 64}, []int{7, 7, 7})},
	{Info{"resnet56", "ResNet-56 for small images: 27 basic blocks, 0.86 million parameters", fashionMNIST, 10}, 1,
		residual(smallStem, basicBlock, []int{16, 32, 64}, []int{9, 9, 9})},
	{Info{"resnet110", "ResNet-110 for small images: 54 basic blocks, 1.7 million parameters", fashionMNIST, 10}, 1,
		residual(smallStem, basicBlock, []int{16, 32, 64}, []int{18, 18, 18})},
	{Info{"vgg11", "VGG-11: 8 convolutions, 3 dense layers, 132.9 million parameters", imagenet, 1000}, vggMinSize,
		vgg([][]int{{64}, {128}, {256, 256}, {512, 512}, {512, 512}}, 4096)},
	{Info{"vgg16", "VGG-16: 13 convolutions, 3 dense layers, 138.4 million parameters", imagenet, 1000}, vggMinSize,
		vgg([][]int{{64, 64}, {128, 128}, {256, 256, 256}, {512, 512, 512}, {512, 512, 512}}, 4096)},
	{Info{"mobilenetv2", "MobileNetV2: 17 inverted residual blocks, 3.5 million parameters", imagenet, 1000}, 1,
		mobileNetV2},
}

// Names returns the names that Build knows, families together.
func Names() []string {
	names := make([]string, len(architectures))
	for i, a := range architectures {
		names[i] = a.Name
	}
	return names
}

// All describes all networks that Build knows, families together.
func All() []Info {
	all := make([]Info, len(architectures))
	for i, a := range architectures {
		all[i] = a.Info
	}
	return all
}

// Lookup describes a network. An unknown name is an error that tells those that
// are spelled like it, and all.
func Lookup(name string) (Info, error) {
	a, err := find(name)
	return a.Info, err
}

func find(name string) (architecture, error) {
	for _, a := range architectures {
		if a.Name == name {
			return a, nil
		}
	}
	return architecture{}, fault.Usage("", "no network is called %q%s Known are %s", name, cmp.Or(similar.Hint(name, Names()), "."), strings.Join(Names(), ", "))
}

// Build returns the named network with random weights drawn from o.Seed. An
// unknown name, and a size the network cannot take, are errors.
func Build(name string, o Options) (*ir.Model, error) {
	a, err := find(name)
	if err != nil {
		return nil, err
	}
	if o.Classes == 0 {
		o.Classes = a.Classes
	}
	if o.Input == ([3]int{}) {
		o.Input = a.Input
	}
	if o.Classes < 1 || o.Classes > maxSize {
		return nil, fault.Usage("", "%s: expected 1 to %d classes, found %d", name, maxSize, o.Classes)
	}
	c, h, w := o.Input[0], o.Input[1], o.Input[2]
	if c < 1 || min(h, w) < a.minSize || max(c, h, w) > maxSize {
		return nil, fault.Usage("", "%s: expected an input (channels x height x width) of at least 1x%dx%d and at most %d each, found %dx%dx%d",
			name, a.minSize, a.minSize, maxSize, c, h, w)
	}

	m := ir.NewModel(irVersion, opset)
	m.Graph.Name = name
	n := &net{g: m.Graph, seed: o.Seed}
	a.build(n, n.input(o.Input), o.Classes)
	return m, m.Verify()
}
