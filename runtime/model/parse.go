package model

import (
	"errors"
	"fmt"
	"strings"
	"unicode"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/bottlenet/bnc/runtime/tensor"
)

// reader maps the field numbers of one message to what reads them; all other
// fields are skipped.
type reader map[protowire.Number]func(field) error

// message reads the message in field x by r.
func (f *file) message(x field, r reader) error {
	if x.typ != protowire.BytesType {
		return fmt.Errorf("byte %d: field %d is not a message", x.from, x.num)
	}
	return f.fields(x.from, x.to, r.visit)
}

func (r reader) visit(x field) error {
	if read, ok := r[x.num]; ok {
		return read(x)
	}
	return nil
}

// into returns a reader of text into dst.
func (f *file) into(dst *string) func(field) error {
	return func(x field) (err error) {
		*dst, err = f.text(x)
		return err
	}
}

// number returns a reader of a varint into dst.
func number[T ~int32 | ~int64](dst *T) func(field) error {
	return func(x field) error {
		*dst = T(x.varint)
		return nil
	}
}

// parse reads a ModelProto (onnx.proto).
func parse(f *file) (*Model, error) {
	m := &Model{Opsets: map[string]int64{}, Metadata: map[string]string{}}
	var inputs []Port
	initialised := map[string]bool{}
	hasGraph := false

	graph := reader{
		2: f.into(&m.Graph),
		5: func(x field) error { return f.initialiser(x, initialised) },
		11: func(x field) (err error) {
			inputs, err = f.appendPort(inputs, x)
			return err
		},
		12: func(x field) (err error) {
			m.Outputs, err = f.appendPort(m.Outputs, x)
			return err
		},
		15: func(x field) error { // sparse_initializer: its values carry the name
			return f.message(x, reader{1: func(x field) error { return f.initialiser(x, initialised) }})
		},
	}
	top := reader{
		1: number(&m.IRVersion),
		2: f.into(&m.Producer),
		7: func(x field) error {
			hasGraph = true
			return f.message(x, graph)
		},
		8: func(x field) error {
			var domain string
			var version int64
			err := f.message(x, reader{1: f.into(&domain), 2: number(&version)})
			if domain == "ai.onnx" {
				domain = ""
			}
			m.Opsets[domain] = version
			return err
		},
		14: func(x field) error {
			var key, value string
			err := f.message(x, reader{1: f.into(&key), 2: f.into(&value)})
			m.Metadata[key] = value
			return err
		},
	}
	if err := f.fields(0, f.size, top.visit); err != nil {
		return nil, err
	}
	if !hasGraph {
		return nil, errors.New("it holds no graph")
	}
	for _, p := range inputs {
		if !initialised[p.Name] {
			m.Inputs = append(m.Inputs, p)
		}
	}
	return m, nil
}

// initialiser records the name of a TensorProto.
func (f *file) initialiser(x field, names map[string]bool) error {
	var name string
	err := f.message(x, reader{8: f.into(&name)})
	names[name] = true
	return err
}

// namesSize reports whether r can be part of a symbol's name. Converters write "?" and "-1"
// for sizes that they do not know, any two of which may differ.
func namesSize(r rune) bool { return unicode.IsLetter(r) || r == '_' }

// appendPort reads a ValueInfoProto.
func (f *file) appendPort(ports []Port, x field) ([]Port, error) {
	var p Port
	dimension := func(x field) error {
		d := Dim{Size: -1}
		err := f.message(x, reader{1: number(&d.Size), 2: f.into(&d.Symbol)})
		// Some exporters write -1 or 0 for a size that they do not know; only
		// negative ones are unmistakable.
		d.Size = max(d.Size, -1)
		if !strings.ContainsFunc(d.Symbol, namesSize) {
			d.Symbol = ""
		}
		p.Shape = append(p.Shape, d)
		return err
	}
	tensorType := reader{
		1: number((*tensor.DType)(&p.DType)),
		2: func(x field) error {
			p.Ranked = true
			return f.message(x, reader{1: dimension})
		},
	}
	kinds := reader{
		1: func(x field) error {
			p.Kind = Tensor
			return f.message(x, tensorType)
		},
		4: func(field) error { p.Kind = Sequence; return nil },
		5: func(field) error { p.Kind = Map; return nil },
	}
	err := f.message(x, reader{
		1: f.into(&p.Name),
		2: func(x field) error { return f.message(x, kinds) },
	})
	return append(ports, p), err
}
