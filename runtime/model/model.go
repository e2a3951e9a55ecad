// Package model reads what an ONNX file says about itself without loading it:
// opsets, metadata, and the names, types and shapes of what goes in and out.
//
// It walks the file's protobuf framing and skips nodes and weights unread, so
// that a file of many gigabytes costs a few reads. It is the runtime's only
// view of the format (onnx.proto, IR versions 3 and up) and needs neither
// ONNX Runtime nor cgo.
//
//	m, err := model.ReadFile("cloud.onnx")
//	m.Metadata["bnc.pair"], m.Opsets["bnc"], m.Inputs[0].Shape
package model

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/bottlenet/bnc/runtime/tensor"
)

// Model is the head of an ONNX file.
type Model struct {
	IRVersion int64
	Producer  string            // producer_name
	Opsets    map[string]int64  // version by domain; "ai.onnx" is the domain ""
	Metadata  map[string]string // metadata_props
	Graph     string            // the graph's name
	Inputs    []Port            // what a run must be given: initialisers that are also listed as inputs are left out
	Outputs   []Port
}

// Kind is what sort of value a port carries.
type Kind int

// The kinds of TypeProto that the runtime tells apart.
const (
	Unknown Kind = iota // no type, or one that this package does not know
	Tensor
	Sequence
	Map
)

// Port is a graph input or output. DType and Shape are set for tensors only.
type Port struct {
	Name  string
	Kind  Kind
	DType tensor.DType
	// Ranked is false where the file declares no shape at all; Shape is then
	// nil. A ranked port with an empty Shape is a scalar.
	Ranked bool
	Shape  []Dim
}

// Dim is one declared dimension: a Size of 0 or more, or -1 where it is not
// known, with the Symbol that stands for it if there is one.
type Dim struct {
	Size   int64
	Symbol string
}

// String returns the size, the symbol, or "?".
func (d Dim) String() string {
	switch {
	case d.Size >= 0:
		return strconv.FormatInt(d.Size, 10)
	case d.Symbol != "":
		return d.Symbol
	}
	return "?"
}

// String describes the port, as in "input float32[batch 3 224 224]".
func (p Port) String() string {
	switch p.Kind {
	case Sequence:
		return p.Name + " sequence"
	case Map:
		return p.Name + " map"
	case Unknown:
		return p.Name + " of unknown type"
	}
	if !p.Ranked {
		return fmt.Sprintf("%s %v of any shape", p.Name, p.DType)
	}
	dims := make([]string, len(p.Shape))
	for i, d := range p.Shape {
		dims[i] = d.String()
	}
	return fmt.Sprintf("%s %v[%s]", p.Name, p.DType, strings.Join(dims, " "))
}

// Sizes returns the declared dimensions with -1 for the unknown ones, and nil
// for a port without a shape.
func (p Port) Sizes() []int64 {
	if !p.Ranked {
		return nil
	}
	sizes := make([]int64, len(p.Shape))
	for i, d := range p.Shape {
		sizes[i] = d.Size
	}
	return sizes
}

// Find returns the port of that name.
func Find(ports []Port, name string) (Port, bool) {
	for _, p := range ports {
		if p.Name == name {
			return p, true
		}
	}
	return Port{}, false
}

// ErrFormat is wrapped by every error about what a file holds.
var ErrFormat = errors.New("not a readable ONNX model")

// ReadFile reads the head of the ONNX file at path; errors name it.
func ReadFile(path string) (*Model, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	stat, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !stat.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: %w: it is a %s", path, ErrFormat, kindOf(stat.Mode()))
	}
	m, err := read(f, stat.Size())
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return m, nil
}

// ReadBytes reads the head of an ONNX file that is already in memory.
func ReadBytes(data []byte) (*Model, error) {
	return read(bytes.NewReader(data), int64(len(data)))
}

// kindOf names what is there instead of a file.
func kindOf(mode os.FileMode) string {
	if mode.IsDir() {
		return "folder"
	}
	return "special file"
}

func read(r io.ReaderAt, size int64) (*Model, error) {
	if size == 0 {
		return nil, fmt.Errorf("%w: the file is empty", ErrFormat)
	}
	m, err := parse(&file{r: r, size: size})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	return m, nil
}

// FixPorts returns ports with the shapes that are given by name.
func FixPorts(ports []Port, shapes map[string][]int64) []Port {
	ports = slices.Clone(ports)
	for i, p := range ports {
		dims, ok := shapes[p.Name]
		if !ok {
			continue
		}
		ports[i].Ranked, ports[i].Shape = true, nil
		for _, n := range dims {
			ports[i].Shape = append(ports[i].Shape, Dim{Size: n})
		}
	}
	return ports
}
