package bottleneck

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/bottlenet/bnc/compiler/ir"
)

// MetaFormat is the version of the metadata that every file of a bundle carries.
const MetaFormat = 1

// metadata prefix of everything that bnc writes.
const metaPrefix = "bnc."

// Meta is what every file of a bundle says about itself, each field a metadata
// property "bnc.NAME" with a JSON value. It is the only contract between the
// compiler and what runs its files.
type Meta struct {
	Format       int            `json:"format"`
	Part         string         `json:"part"` // mobile, cloud, bottlenet
	Cut          string         `json:"cut"`
	Tensor       Each[string]   `json:"tensor"`
	Inputs       []string       `json:"inputs,omitempty"` // of the model, in its order, where the cloud half reads some of them
	Outputs      []string       `json:"outputs"`          // of the model, in its order
	C            Each[int64]    `json:"c,omitempty"`
	S            Each[int64]    `json:"s,omitempty"`
	Bits         int            `json:"bits,omitempty"`
	Range        string         `json:"range,omitempty"` // static, dynamic
	Lo           Each[float32]  `json:"lo,omitempty"`
	Hi           Each[float32]  `json:"hi,omitempty"`
	Codec        any            `json:"codec"` // what Codec.InMeta gives, a list where tensors differ; or NoCodec
	CodecAt      string         `json:"codec_at,omitempty"`
	Quality      int64          `json:"quality,omitempty"` // the codec's parameter of that name
	Rates        any            `json:"rates,omitempty"`   // what a pair of many rates does at some of them, an object
	Tile         Each[[2]int64] `json:"tile,omitempty"`    // height, width
	Grid         Each[[2]int64] `json:"grid,omitempty"`    // rows, columns
	SourceSHA256 string         `json:"source_sha256"`
	Pair         string         `json:"pair"`
	Preprocess   any            `json:"preprocess,omitempty"`
	Labels       []string       `json:"labels,omitempty"`
	Task         string         `json:"task,omitempty"`    // what the model's outputs are
	Decoder      any            `json:"decoder,omitempty"` // how a detector's outputs are read, an object
	Backbone     bool           `json:"backbone"`          // the model's own weights are still the source's
	// Calibrated tells that the bottleneck was fitted to real images, by
	// calibration or training.
	Calibrated bool `json:"calibrated,omitempty"`
	// What the halves were lowered to, so that training writes the same again.
	FP16   bool   `json:"fp16,omitempty"`
	Target string `json:"target,omitempty"`
}

// Each is a value for each crossing tensor: in JSON the value where it is one, a list of
// several.
type Each[T any] []T

// MarshalJSON writes a value or a list.
func (e Each[T]) MarshalJSON() ([]byte, error) {
	if len(e) == 1 {
		return json.Marshal(e[0])
	}
	return json.Marshal([]T(e))
}

// UnmarshalJSON reads a list, or a value alone.
func (e *Each[T]) UnmarshalJSON(text []byte) error {
	var all []T
	if json.Unmarshal(text, &all) == nil {
		*e = all
		return nil
	}
	var one T
	if err := json.Unmarshal(text, &one); err != nil {
		return err
	}
	*e = Each[T]{one}
	return nil
}

// MetaOf is what the files of a bundle say of bottlenecks. Their range is static for all or
// dynamic for all, and so are bits and quality the same.
func MetaOf(specs []Spec) Meta {
	meta := Meta{Format: MetaFormat}
	var codecs []any
	for _, s := range specs {
		rows, cols := s.Grid()
		meta.C, meta.S = append(meta.C, s.Reduced), append(meta.S, s.Stride)
		meta.Tile = append(meta.Tile, [2]int64{rows * s.ReducedH(), cols * s.ReducedW()})
		meta.Grid = append(meta.Grid, [2]int64{rows, cols})
		meta.Bits, meta.Quality, meta.Range = s.Bits, s.Codec.Number(quality), "dynamic"
		if !s.Dynamic {
			meta.Range, meta.Lo, meta.Hi = "static", append(meta.Lo, s.Lo), append(meta.Hi, s.Hi)
		}
		codecs = append(codecs, s.Codec.InMeta())
	}
	meta.Codec = codecs
	if !slices.ContainsFunc(codecs, func(c any) bool { return !reflect.DeepEqual(c, codecs[0]) }) {
		meta.Codec = codecs[0]
	}
	return meta
}

// ModelMeta is what a whole model that was trained says about itself.
type ModelMeta struct {
	Preprocess any      `json:"preprocess,omitempty"`
	Labels     []string `json:"labels,omitempty"`
	Task       string   `json:"task,omitempty"`
	Decoder    any      `json:"decoder,omitempty"`
}

// DescribeModel sets the bnc metadata of a whole model, replacing all that was
// there.
func DescribeModel(m *ir.Model, meta ModelMeta) error {
	Forget(m)
	return describe(m, meta)
}

// Describe sets m's bnc metadata to meta, replacing all that was there but for the record
// of what was inserted.
func Describe(m *ir.Model, meta Meta) error { return describe(m, meta) }

func describe(m *ir.Model, meta any) error {
	m.DelMeta(func(key string) bool { return strings.HasPrefix(key, metaPrefix) && key != recordKey })
	b, err := json.Marshal(meta)
	if err != nil {
		return fmt.Errorf("metadata: %w", err)
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(b, &fields); err != nil {
		return err
	}
	for _, key := range metaKeys {
		if v, ok := fields[key]; ok {
			m.SetMeta(metaPrefix+key, string(v))
		}
	}
	return nil
}

// metaKeys is the order in which the properties are written.
var metaKeys = []string{
	"format", "part", "cut", "tensor", "inputs", "outputs", "c", "s", "bits", "range", "lo", "hi", "codec", "codec_at", "quality", "rates",
	"tile", "grid", "source_sha256", "pair", "preprocess", "labels", "backbone", "calibrated", "fp16", "target", "task", "decoder",
}
