package triton

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
)

// Summary is what people are told of a model of a repository.
type Summary struct {
	Name     string        `json:"name"`
	Path     string        `json:"path"`
	MaxBatch int           `json:"max_batch"` // 0 for no batching
	Inputs   []PortSummary `json:"inputs"`
	Outputs  []PortSummary `json:"outputs"`
	Plugin   string        `json:"plugin"` // where the server must see the op library, "" for none
}

// PortSummary is an input or output as a request has it, the batch included.
type PortSummary struct {
	Name  string  `json:"name"`
	DType string  `json:"dtype"`
	Shape []int64 `json:"shape"`
}

// summary describes the model below the repository.
func (c Config) summary(repository string) Summary {
	ports := func(list []Port) []PortSummary {
		rows := []PortSummary{}
		for _, p := range list {
			row := PortSummary{p.Name, p.DType.String(), p.Dims}
			if c.MaxBatch > 0 {
				row.Shape = append([]int64{-1}, p.Dims...)
			}
			if p.Ragged {
				row.Shape[0] = 1
			}
			rows = append(rows, row)
		}
		return rows
	}
	return Summary{c.Name, filepath.Join(repository, c.Name), c.MaxBatch, ports(c.Inputs), ports(c.Outputs), c.Plugin}
}

// inFile are the keys of what stays in the file: lists of classes and outputs, and the record of
// what was inserted.
var inFile = []string{"labels", "outputs", "bottleneck"}

// Parameters returns a file's bnc metadata as custom parameters: bnc.pair becomes
// bnc_pair, JSON strings become plain ones, and a codec its name.
func Parameters(metadata map[string]string) map[string]string {
	parameters := map[string]string{}
	for key, value := range metadata {
		key, ours := strings.CutPrefix(key, "bnc.")
		if !ours || slices.Contains(inFile, key) {
			continue
		}
		var text string
		if json.Unmarshal([]byte(value), &text) == nil {
			value = text
		} else if key == "codec" {
			value = codecName([]byte(value))
		}
		parameters["bnc_"+key] = value
	}
	return parameters
}

// codecName is the name of a codec with parameters; where they differ from tensor to tensor,
// there is a list of one codec.
func codecName(value []byte) string {
	type codec struct{ Name string }
	var one codec
	var each []codec
	switch {
	case json.Unmarshal(value, &one) == nil:
		return one.Name
	case json.Unmarshal(value, &each) == nil && len(each) > 0:
		return each[0].Name
	}
	return string(value)
}

// Warm adds runs of one image and of a full batch, of payload where the model takes one,
// and else of zeros; none where the size of an input is left open.
func (m *Model) Warm(payload []byte) {
	c := &m.Config
	var inputs []SampleInput
	for _, p := range c.Inputs {
		in := SampleInput{Name: p.Name, DType: p.DType, Dims: slices.Clone(p.Dims)}
		if payload != nil {
			in.File, in.Dims = p.Name, []int64{int64(len(payload))}
		} else if c.MaxBatch == 0 && len(in.Dims) > 0 && in.Dims[0] < 0 {
			in.Dims[0] = 1
		}
		if slices.Contains(in.Dims, -1) {
			m.Notices = append(m.Notices, fmt.Sprintf("no warm-up: input %s has dimensions %v", p.Name, p.Dims))
			return
		}
		inputs = append(inputs, in)
	}
	for _, in := range inputs {
		if in.File != "" {
			m.Files[WarmupDir+"/"+in.File] = Bytes(payload)
		}
	}
	c.Warmup = []Sample{{Name: "one image", Batch: 1, Inputs: inputs}}
	if c.MaxBatch > 1 {
		c.Warmup = append(c.Warmup, Sample{Name: "full batch", Batch: c.MaxBatch, Inputs: inputs})
	}
}
