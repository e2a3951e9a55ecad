package onnx

import (
	"encoding/binary"
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"
)

// message is a kind of ONNX message that can hold a TensorProto.
type message int

const (
	modelMsg message = iota
	graphMsg
	nodeMsg
	attributeMsg
	tensorMsg
	sparseMsg
	functionMsg
	trainingMsg
)

// holders lists, for each kind of message, the fields through which tensors are
// reached (onnx.proto).
var holders = map[message]map[protowire.Number]message{
	modelMsg:     {7: graphMsg, 20: trainingMsg, 25: functionMsg},
	graphMsg:     {1: nodeMsg, 5: tensorMsg, 15: sparseMsg},
	nodeMsg:      {5: attributeMsg},
	attributeMsg: {5: tensorMsg, 6: graphMsg, 10: tensorMsg, 11: graphMsg, 22: sparseMsg, 23: sparseMsg},
	sparseMsg:    {1: tensorMsg, 2: tensorMsg},
	functionMsg:  {7: nodeMsg, 11: attributeMsg},
	trainingMsg:  {1: graphMsg, 2: graphMsg},
}

const rawDataField = 9 // TensorProto.raw_data

// maxDepth bounds the nesting of graphs in files made to exhaust the stack:
// model, graph, node, attribute, graph, ... 64 levels of bodies.
const maxDepth = 200

// extent is a byte range of the file.
type extent struct{ off, n int64 }

// skeleton returns the model in b with the raw_data of every tensor replaced by
// the 8-byte little-endian index of its extent, so that unmarshalling it copies
// no weights.
func skeleton(b []byte) ([]byte, []extent, error) {
	s := skeletonizer{}
	out, err := s.message(b, 0, modelMsg, 0)
	return out, s.extents, err
}

type skeletonizer struct{ extents []extent }

func (s *skeletonizer) message(b []byte, base int64, kind message, depth int) ([]byte, error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("offset %d: graphs nested deeper than %d messages", base, maxDepth)
	}
	var out []byte
	for pos := 0; pos < len(b); {
		num, typ, tagLen := protowire.ConsumeTag(b[pos:])
		if tagLen < 0 {
			return nil, fmt.Errorf("offset %d: broken field: %w", base+int64(pos), protowire.ParseError(tagLen))
		}
		n := protowire.ConsumeFieldValue(num, typ, b[pos+tagLen:])
		if n < 0 {
			return nil, fmt.Errorf("offset %d: broken field %d: %w", base+int64(pos), num, protowire.ParseError(n))
		}
		end := pos + tagLen + n
		sub, holds := holders[kind][num]
		raw := kind == tensorMsg && num == rawDataField
		if typ != protowire.BytesType || !holds && !raw {
			out = append(out, b[pos:end]...)
			pos = end
			continue
		}
		payload, _ := protowire.ConsumeBytes(b[pos+tagLen:])
		off := base + int64(end-len(payload))
		out = append(out, b[pos:pos+tagLen]...)
		if raw {
			out = binary.LittleEndian.AppendUint64(append(out, 8), uint64(len(s.extents)))
			s.extents = append(s.extents, extent{off, int64(len(payload))})
		} else {
			body, err := s.message(payload, off, sub, depth+1)
			if err != nil {
				return nil, err
			}
			out = protowire.AppendBytes(out, body)
		}
		pos = end
	}
	return out, nil
}
