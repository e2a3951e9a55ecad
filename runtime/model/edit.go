package model

import (
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"
)

// EndBefore returns an ONNX file without a domain, whose nodes end its graph: its first
// output, which they made, gives way to tensors that they read, of the names and types of
// ends.
func EndBefore(file []byte, domain string, ends []Port) ([]byte, error) {
	ended := false
	graph := func(num protowire.Number, value []byte) (instead []byte, replaced bool, err error) {
		switch num {
		case 1: // node
			of, err := text(value, 7)
			return nil, of == domain, err
		case 12: // output
			if ended {
				return nil, false, nil
			}
			ended = true
			for _, p := range ends {
				instead = append(instead, inField(num, p.encode())...)
			}
			return instead, true, nil
		}
		return nil, false, nil
	}
	out, err := rewrite(file, func(num protowire.Number, value []byte) ([]byte, bool, error) {
		switch num {
		case 7: // graph
			edited, err := rewrite(value, graph)
			return inField(num, edited), true, err
		case 8: // opset_import
			of, err := text(value, 1)
			return nil, of == domain, err
		}
		return nil, false, nil
	})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	return out, nil
}

// each visits the fields of a message: a field as a whole, and the value of one of bytes.
func each(message []byte, visit func(num protowire.Number, field, value []byte) error) error {
	for len(message) > 0 {
		num, typ, n := protowire.ConsumeField(message)
		if n < 0 {
			return protowire.ParseError(n)
		}
		field := message[:n]
		message = message[n:]
		var value []byte
		if typ == protowire.BytesType {
			_, _, tag := protowire.ConsumeTag(field)
			value, _ = protowire.ConsumeBytes(field[tag:])
		}
		if err := visit(num, field, value); err != nil {
			return err
		}
	}
	return nil
}

// text returns the text of a field of a message.
func text(message []byte, of protowire.Number) (found string, err error) {
	err = each(message, func(num protowire.Number, _, value []byte) error {
		if num == of {
			found = string(value)
		}
		return nil
	})
	return found, err
}

// rewrite copies a message, but for the fields that edit replaces, by others or by none.
func rewrite(message []byte, edit func(num protowire.Number, value []byte) (instead []byte, replaced bool, err error)) ([]byte, error) {
	out := make([]byte, 0, len(message))
	err := each(message, func(num protowire.Number, field, value []byte) error {
		instead, replaced, err := edit(num, value)
		if !replaced {
			instead = field
		}
		out = append(out, instead...)
		return err
	})
	return out, err
}

// inField returns a field of bytes.
func inField(num protowire.Number, value []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(nil, num, protowire.BytesType), value)
}

// encode returns the ValueInfoProto of a tensor, without a shape.
func (p Port) encode() []byte {
	element := protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), uint64(p.DType))
	return append(inField(1, []byte(p.Name)), inField(2, inField(1, element))...)
}
