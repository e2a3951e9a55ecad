// Package onenode writes ONNX models of a single node of domain "bnc", for the
// tests and the benchmark of the plugin.
package onenode

import (
	"maps"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"
)

// Element types of tensors: TensorProto.DataType of onnx.proto.
const (
	Float = 1
	Uint8 = 2
	Int64 = 7
)

// The versions that the oldest supported ONNX Runtime, 1.11, reads.
const (
	irVersion = 7
	opset     = 13
)

// AttributeProto.AttributeType.
const (
	attributeInt    = 2
	attributeString = 3
)

// Value is a tensor at the node's edge, of any shape.
type Value struct {
	Name string
	Type int
}

// Node is what the model holds. Its values are the graph's inputs and outputs.
type Node struct {
	Op              string
	Attributes      map[string]int64
	Strings         map[string][]byte // more attributes
	Inputs, Outputs []Value
}

// Model returns the model file.
func (n Node) Model() []byte {
	var m message
	m.number(1, irVersion)
	m.sub(7, n.graph())
	m.sub(8, operatorSet("", opset))
	m.sub(8, operatorSet("bnc", 1))
	return m
}

func (n Node) graph() message {
	var node, graph message
	for _, v := range n.Inputs {
		node.text(1, v.Name)
		graph.sub(11, v.info())
	}
	for _, v := range n.Outputs {
		node.text(2, v.Name)
		graph.sub(12, v.info())
	}
	node.text(4, n.Op)
	for _, name := range slices.Sorted(maps.Keys(n.Attributes)) {
		var attribute message
		attribute.text(1, name)
		attribute.number(3, n.Attributes[name])
		attribute.number(20, attributeInt)
		node.sub(5, attribute)
	}
	for _, name := range slices.Sorted(maps.Keys(n.Strings)) {
		var attribute message
		attribute.text(1, name)
		attribute.text(4, string(n.Strings[name]))
		attribute.number(20, attributeString)
		node.sub(5, attribute)
	}
	node.text(7, "bnc")
	graph.sub(1, node)
	graph.text(2, n.Op)
	return graph
}

// info returns a ValueInfoProto without a shape.
func (v Value) info() message {
	var tensor, kind, info message
	tensor.number(1, int64(v.Type))
	kind.sub(1, tensor)
	info.text(1, v.Name)
	info.sub(2, kind)
	return info
}

func operatorSet(domain string, version int64) message {
	var m message
	m.text(1, domain)
	m.number(2, version)
	return m
}

// message is a protocol buffer in writing.
type message []byte

func (m *message) number(field protowire.Number, v int64) {
	*m = protowire.AppendVarint(protowire.AppendTag(*m, field, protowire.VarintType), uint64(v))
}

func (m *message) text(field protowire.Number, s string) {
	*m = protowire.AppendString(protowire.AppendTag(*m, field, protowire.BytesType), s)
}

func (m *message) sub(field protowire.Number, s message) {
	*m = protowire.AppendBytes(protowire.AppendTag(*m, field, protowire.BytesType), s)
}
