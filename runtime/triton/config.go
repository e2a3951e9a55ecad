// Package triton describes models to NVIDIA's Triton Inference Server: it writes
// the folder of a model in a model repository,
//
//	REPOSITORY/NAME/config.pbtxt
//	REPOSITORY/NAME/1/model.onnx
//	REPOSITORY/NAME/warmup/...
//
// It knows the format only. What a bundle becomes there, bnc.ExportTriton decides.
//
// Sources: triton-inference-server/common (protobuf/model_config.proto), server
// (docs/user_guide/model_configuration.md, ragged_batching.md),
// onnxruntime_backend (README.md, src/onnxruntime.cc).
package triton

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/bottlenet/bnc/runtime/tensor"
)

// Names that Triton expects in a model's folder.
const (
	ConfigFile = "config.pbtxt"
	Version    = "1"          // the folder of the only version
	ModelFile  = "model.onnx" // within it; external data lies beside it
	WarmupDir  = "warmup"
	PluginFile = "libbnc_ops.so" // bnc's own: the op library, where the folder holds it
)

// written begins every configuration that bnc wrote.
const written = "Written by bnc export triton. Changes are lost with the next export."

// Config is a model's configuration: a ModelConfig of model_config.proto.
type Config struct {
	Name string
	// MaxBatch is the most rows that a batch takes: the server adds a first
	// dimension to every input and output. 0 for a model whose requests carry
	// all dimensions themselves; there is no dynamic batching then.
	MaxBatch  int
	MaxDelay  time.Duration // how long a request waits for others to join it
	Inputs    []Port
	Lengths   []Lengths // inputs that the server makes itself
	Outputs   []Port
	Instances int
	Kind      Kind
	Plugin    string // path of the op library, as the server opens it; "" for none
	Warmup    []Sample
	// Parameters are custom strings that clients read in the configuration.
	Parameters map[string]string
}

// Port is an input or output.
type Port struct {
	Name  string
	DType tensor.DType
	Dims  []int64 // -1 where any size goes; without the batch where MaxBatch > 0
	// Ragged inputs may have another size in each request: they are joined into
	// one of rank 1. Dims must be [-1].
	Ragged bool
}

// Lengths is an input int32 [requests in the batch] which tells of the ragged
// input Of how many elements each request brought.
type Lengths struct {
	Name, Of string
	// Accumulated makes each the sum of all up to it: where its request ends.
	Accumulated bool
}

// Kind is where a model runs.
type Kind string

// The kinds of ModelInstanceGroup that bnc exports.
const (
	CPU Kind = "KIND_CPU"
	GPU Kind = "KIND_GPU"
)

// Sample is a batch that is run before the model is announced as ready.
type Sample struct {
	Name   string
	Batch  int // how many requests at once, 1 where MaxBatch is 0
	Inputs []SampleInput
}

// SampleInput is an input of a Sample: the contents of a file of WarmupDir, or
// zeros. Dims are without the batch where MaxBatch > 0.
type SampleInput struct {
	Name  string
	DType tensor.DType
	Dims  []int64
	File  string // "" for zeros
}

// dataTypes names element types as model_config.proto does.
var dataTypes = map[tensor.DType]enum{
	tensor.Bool: "TYPE_BOOL", tensor.String: "TYPE_STRING",
	tensor.Uint8: "TYPE_UINT8", tensor.Uint16: "TYPE_UINT16", tensor.Uint32: "TYPE_UINT32", tensor.Uint64: "TYPE_UINT64",
	tensor.Int8: "TYPE_INT8", tensor.Int16: "TYPE_INT16", tensor.Int32: "TYPE_INT32", tensor.Int64: "TYPE_INT64",
	tensor.Float16: "TYPE_FP16", tensor.Float32: "TYPE_FP32", tensor.Float64: "TYPE_FP64", tensor.BFloat16: "TYPE_BF16",
}

// Supports tells whether Triton has the element type.
func Supports(d tensor.DType) bool { return dataTypes[d] != "" }

// PortOf is an input or output in Triton's terms. The error says of which types there are none.
func PortOf(name string, d tensor.DType, dims []int64, ragged bool) (Port, error) {
	if !Supports(d) {
		return Port{}, fmt.Errorf("%s is %v: Triton takes tensors of numbers, bool or strings", name, d)
	}
	if len(dims) == 0 {
		dims = []int64{1} // how Triton spells a scalar
	}
	return Port{Name: name, DType: d, Dims: dims, Ragged: ragged}, nil
}

// Text returns config.pbtxt, in protocol buffers' text format. The same Config
// gives the same bytes.
func (c Config) Text() []byte {
	var p printer
	p.comment(written)
	p.field("name", c.Name)
	p.field("backend", "onnxruntime")
	p.field("default_model_filename", ModelFile)
	p.field("max_batch_size", c.MaxBatch)
	p.message("version_policy", func() { p.message("latest", func() { p.field("num_versions", 1) }) })
	for _, in := range c.Inputs {
		p.message("input", func() { p.port(in) })
	}
	for _, l := range c.Lengths {
		p.message("batch_input", func() { p.lengths(l) })
	}
	for _, out := range c.Outputs {
		p.message("output", func() { p.port(out) })
	}
	if c.MaxBatch > 0 {
		p.message("dynamic_batching", func() {
			p.field("max_queue_delay_microseconds", c.MaxDelay.Microseconds())
			// The parameter timeout of a request counts, and who waits longer is refused.
			p.message("default_queue_policy", func() {
				p.field("timeout_action", enum("REJECT"))
				p.field("allow_timeout_override", true)
			})
		})
	}
	p.message("instance_group", func() {
		p.field("count", c.Instances)
		p.field("kind", enum(c.Kind))
	})
	if c.Plugin != "" {
		p.message("model_operations", func() { p.field("op_library_filename", c.Plugin) })
	}
	for _, s := range c.Warmup {
		p.message("model_warmup", func() { p.sample(s) })
	}
	for _, key := range slices.Sorted(maps.Keys(c.Parameters)) {
		p.message("parameters", func() {
			p.field("key", key)
			p.message("value", func() { p.field("string_value", c.Parameters[key]) })
		})
	}
	return p.text
}

func (p *printer) port(port Port) {
	p.field("name", port.Name)
	p.field("data_type", dataTypes[port.DType])
	p.field("dims", port.Dims)
	if port.Ragged {
		p.field("allow_ragged_batch", true)
	}
}

func (p *printer) lengths(l Lengths) {
	kind := enum("BATCH_ELEMENT_COUNT")
	if l.Accumulated {
		kind = "BATCH_ACCUMULATED_ELEMENT_COUNT"
	}
	p.field("kind", kind)
	p.field("target_name", l.Name)
	p.field("data_type", dataTypes[tensor.Int32])
	p.field("source_input", l.Of)
}

func (p *printer) sample(s Sample) {
	p.field("name", s.Name)
	p.field("batch_size", s.Batch)
	for _, in := range s.Inputs {
		p.message("inputs", func() {
			p.field("key", in.Name)
			p.message("value", func() {
				p.field("data_type", dataTypes[in.DType])
				p.field("dims", in.Dims)
				if in.File == "" {
					p.field("zero_data", true)
				} else {
					p.field("input_data_file", in.File)
				}
			})
		})
	}
}
