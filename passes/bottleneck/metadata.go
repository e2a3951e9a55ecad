package bottleneck

import (
	"encoding/json"
	"fmt"
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
	Format       int       `json:"format"`
	Part         string    `json:"part"` // mobile, cloud, bottlenet
	Cut          string    `json:"cut"`
	Tensor       Tensors   `json:"tensor"`
	Outputs      []string  `json:"outputs"` // of the model, in its order
	C            int64     `json:"c,omitempty"`
	S            int64     `json:"s,omitempty"`
	Bits         int       `json:"bits,omitempty"`
	Range        string    `json:"range,omitempty"` // static, dynamic
	Lo           *float32  `json:"lo,omitempty"`
	Hi           *float32  `json:"hi,omitempty"`
	Codec        any       `json:"codec"` // what Codec.InMeta gives, or NoCodec
	CodecAt      string    `json:"codec_at,omitempty"`
	Quality      int64     `json:"quality,omitempty"` // the codec's parameter of that name
	Tile         *[2]int64 `json:"tile,omitempty"`    // height, width
	Grid         *[2]int64 `json:"grid,omitempty"`    // rows, columns
	SourceSHA256 string    `json:"source_sha256"`
	Pair         string    `json:"pair"`
	Preprocess   any       `json:"preprocess,omitempty"`
	Labels       []string  `json:"labels,omitempty"`
	Task         string    `json:"task,omitempty"`    // what the model's outputs are
	Decoder      any       `json:"decoder,omitempty"` // how a detector's outputs are read, an object
	Backbone     bool      `json:"backbone"`          // the model's own weights are still the source's
	// Calibrated tells that the bottleneck was fitted to real images, by
	// calibration or training.
	Calibrated bool `json:"calibrated,omitempty"`
	// What the halves were lowered to, so that training writes the same again.
	FP16   bool   `json:"fp16,omitempty"`
	Target string `json:"target,omitempty"`
}

// Tensors names the tensors of a cut: the name where it is one, a list of several.
type Tensors []string

// MarshalJSON writes a name or a list.
func (t Tensors) MarshalJSON() ([]byte, error) {
	if len(t) == 1 {
		return json.Marshal(t[0])
	}
	return json.Marshal([]string(t))
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
	"format", "part", "cut", "tensor", "outputs", "c", "s", "bits", "range", "lo", "hi", "codec", "codec_at", "quality",
	"tile", "grid", "source_sha256", "pair", "preprocess", "labels", "backbone", "calibrated", "fp16", "target", "task", "decoder",
}
