package bundle

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/bottlenet/bnc/internal/fault"
	"github.com/bottlenet/bnc/ops"
	"github.com/bottlenet/bnc/runtime/imagein"
	"github.com/bottlenet/bnc/runtime/ultralytics"
	"golang.org/x/text/unicode/norm"
)

// Format is the version of the metadata that this package reads.
const Format = 1

// The values of Meta.Part.
const (
	PartMobile = "mobile"
	PartCloud  = "cloud"
	PartJoined = "bottlenet"
)

// The values of Meta.CodecAt: where the codec runs.
const (
	AtGraph      = "graph"       // a node in both graphs
	AtDeviceHost = "device-host" // the mobile side's host program, and a node in the cloud graph
	AtHost       = "host"        // the host programs of both sides
)

// The values of Meta.Range.
const (
	RangeStatic  = "static"
	RangeDynamic = "dynamic"
)

// keyPrefix begins every metadata key of bnc's.
const keyPrefix = "bnc."

// Meta is what a file of a bundle says about itself in its metadata_props:
// keys bnc.*, values JSON. A model that bnc only trained has Preprocess, Labels,
// Task and Decoder at most, and an empty Part; for one that bnc did not write these are
// what Ultralytics' metadata say.
type Meta struct {
	Format int
	Part   string // PartMobile, PartCloud, PartJoined; "" for a whole model
	Cut    string // the cut's id, as cut3
	Tensor string // the cut tensor's name; of several, joined with +
	// Tensors are the names of the tensors that cross, one for a cut; nil where the file
	// does not tell.
	Tensors []string
	Codec   string // its name, or CodecNone
	CodecAt string
	// Parameters are the codec's: of all tensors, or of each.
	Parameters []ops.Parameters
	// Inputs names the original model's inputs in order where the cloud half reads some that
	// the mobile half does not; nil otherwise.
	Inputs []string
	// Outputs names the original model's outputs in order.
	Outputs      []string
	Channels     []int // c of each crossing tensor; 0 where the channels are not reduced
	Stride       []int // s of each
	Bits         int
	Range        string
	Lo, Hi       []float64 // of each, where the range is static
	Quality      int       // the codec's QualityParameter, 0 where it has none
	Rates        *Rates    // of a pair of many rates; nil where the file does not tell
	Tile         [][2]int  // height, width of each
	Grid         [][2]int  // rows, columns of planes in each tile
	SourceSHA256 string
	Pair         string // identifies the two halves that belong together
	Preprocess   *imagein.Preprocess
	Labels       []string
	Task         string          // what the outputs are, a name of runtime/task; "" where the file does not tell
	Decoder      json.RawMessage // how a detector's outputs are read, an object; nil where the file does not tell
	Backbone     bool            // the model's own weights are still the source's
	Calibrated   bool            // the bottleneck was fitted to real images
	FP16         bool
	Target       string // what the mobile half was lowered for, "" for any runtime
}

// Crossing is a tensor that crosses through a bottleneck.
type Crossing struct {
	Tensor string   // its name, "" where the file does not tell
	Part   ops.Part // how its tile travels
}

// Crossing returns what crosses through the bottleneck, tensor by tensor: nothing for a
// whole model and a plain pair. The keys c, s, lo, hi, tile and grid have a value for each,
// bits, range and quality one for all, and codec either.
func (m Meta) Crossing() (all []Crossing) {
	codec, err := lookup(m.Codec)
	if err != nil || len(m.Parameters) == 0 {
		return nil
	}
	for i, tile := range m.Tile {
		c := Crossing{Part: ops.Part{
			Codec: codec.Codec, Parameters: m.Parameters[min(i, len(m.Parameters)-1)], Height: tile[0], Width: tile[1], Dynamic: m.Dynamic(),
		}}
		if i < len(m.Tensors) {
			c.Tensor = m.Tensors[i]
		}
		all = append(all, c)
	}
	return all
}

// ParseMeta reads a model's metadata_props and checks that what the part
// needs is there. Keys that this version does not know are passed over. The error is a
// *fault.DataError.
func ParseMeta(props map[string]string) (Meta, error) {
	m, err := parseMeta(props)
	if err != nil {
		return m, fault.Unusable("%w", err)
	}
	return m, nil
}

func parseMeta(props map[string]string) (Meta, error) {
	var m Meta
	var codec json.RawMessage
	var c []channels
	m.Backbone = true
	fields := map[string]any{
		"format": &m.Format, "part": &m.Part, "cut": &m.Cut, "tensor": (*tensors)(&m.Tensors),
		"codec": &codec, "codec_at": &m.CodecAt, "inputs": &m.Inputs, "outputs": &m.Outputs,
		"c": (*each[channels])(&c), "s": (*each[int])(&m.Stride), "bits": &m.Bits,
		"range": &m.Range, "lo": (*each[float64])(&m.Lo), "hi": (*each[float64])(&m.Hi), "quality": &m.Quality, "rates": &m.Rates,
		"tile": (*each[[2]int])(&m.Tile), "grid": (*each[[2]int])(&m.Grid), "source_sha256": &m.SourceSHA256, "pair": &m.Pair,
		"preprocess": &m.Preprocess, "labels": &m.Labels, "task": &m.Task, "decoder": &m.Decoder, "backbone": &m.Backbone,
		"calibrated": &m.Calibrated, "fp16": &m.FP16, "target": &m.Target,
	}
	for key, text := range props {
		field, ok := fields[strings.TrimPrefix(key, keyPrefix)]
		if !ok || !strings.HasPrefix(key, keyPrefix) {
			continue
		}
		if err := json.Unmarshal([]byte(text), field); err != nil {
			return Meta{}, fmt.Errorf("metadata %s is %.80q: %w", key, text, fault.JSON(err))
		}
	}
	for i, label := range m.Labels { // as data.ReadNames and the classes of data are
		m.Labels[i] = norm.NFC.String(label)
	}
	for _, n := range c {
		m.Channels = append(m.Channels, int(n))
	}
	m.Tensor = strings.Join(m.Tensors, "+")
	if m.Part == "" {
		m.adopt(props)
		return m, nil
	}
	if m.Format != Format {
		return m, fmt.Errorf("metadata bnc.format is %d, this bnc reads %d: split the model again with this version", m.Format, Format)
	}
	var err error
	if m.Codec, m.Parameters, err = readCodec(codec, m.Quality); err != nil {
		return m, err
	}
	for _, p := range m.Parameters {
		if quality, ok := p[QualityParameter].(int64); ok {
			m.Quality = int(quality)
		}
	}
	return m, m.validate()
}

// adopt fills what bnc.* leaves open from what others wrote into a whole model.
func (m *Meta) adopt(props map[string]string) {
	said, ok := ultralytics.Read(props)
	if !ok {
		return
	}
	if m.Preprocess == nil {
		m.Preprocess = &said.Preprocess
	}
	if m.Labels == nil {
		m.Labels = said.Labels
	}
	if m.Task == "" {
		m.Task = said.Task
	}
}

// tensors reads bnc.tensor: a name, or a list of them where several tensors cross.
type tensors []string

// UnmarshalJSON reads a name or a list.
func (t *tensors) UnmarshalJSON(text []byte) error {
	var name string
	if json.Unmarshal(text, &name) == nil {
		*t = nil
		if name != "" {
			*t = tensors{name}
		}
		return nil
	}
	return json.Unmarshal(text, (*[]string)(t))
}

// each reads a value for each crossing tensor: alone where it is one.
type each[T any] []T

// UnmarshalJSON reads a list, or a value alone.
func (e *each[T]) UnmarshalJSON(text []byte) error {
	var all []T
	if string(text) != "null" && json.Unmarshal(text, &all) == nil {
		*e = all
		return nil
	}
	all = make([]T, 1)
	if err := json.Unmarshal(text, &all[0]); err != nil {
		return err
	}
	*e = all
	return nil
}

// channels reads one of bnc.c: a number, or "full" where nothing is reduced.
type channels int

// UnmarshalJSON reads a number or "full".
func (c *channels) UnmarshalJSON(text []byte) error {
	if string(text) == `"full"` || string(text) == "null" {
		*c = 0
		return nil
	}
	return json.Unmarshal(text, (*int)(c))
}

// validate checks the metadata of a bundle's part.
func (m Meta) validate() error {
	for _, x := range []struct {
		key, value string
		known      []string
	}{
		{"part", m.Part, []string{PartMobile, PartCloud, PartJoined}},
		{"codec_at", m.CodecAt, []string{AtGraph, AtDeviceHost, AtHost}},
		{"range", m.Range, []string{RangeStatic, RangeDynamic}},
	} {
		if m.Plain() && x.key != "part" {
			continue // a plain pair has neither codec nor range
		}
		if err := oneOf(x.key, x.value, x.known); err != nil {
			return err
		}
	}
	if m.Pair == "" {
		return errors.New("metadata bnc.pair is missing: the file does not tell which half it belongs to; split the model again")
	}
	if m.Plain() {
		return nil
	}
	if len(m.Tile) == 0 {
		return errors.New("metadata bnc.tile is missing: the file does not tell the size of what crosses")
	}
	for _, x := range []struct {
		key  string
		have int
	}{{"tensor", len(m.Tensors)}, {"c", len(m.Channels)}, {"s", len(m.Stride)}, {"grid", len(m.Grid)}, {"lo", len(m.Lo)}, {"hi", len(m.Hi)}, {"codec", len(m.Parameters)}} {
		if n := len(m.Tile); x.have != n && x.have != 0 && !(x.key == "codec" && x.have == 1) {
			return fmt.Errorf("metadata bnc.%s is of %d tensors, bnc.tile of %d: expected as many", x.key, x.have, n)
		}
	}
	if _, err := m.payloads(); err != nil {
		return fmt.Errorf("metadata bnc.tile %v, bnc.codec %s, bnc.quality %d: %w", m.tiles(), m.Codec, m.Quality, err)
	}
	return m.Rates.check(m.Variable())
}

func oneOf(key, value string, known []string) error {
	for _, k := range known {
		if value == k {
			return nil
		}
	}
	return fmt.Errorf("metadata bnc.%s is %q, expected one of %s", key, value, strings.Join(known, ", "))
}

// Dynamic tells whether each record carries its own range.
func (m Meta) Dynamic() bool { return m.Range == RangeDynamic }

// Size returns c and s of the first crossing tensor, 0 where the file does not tell.
func (m Meta) Size() (c, s int) {
	if len(m.Channels) > 0 {
		c = m.Channels[0]
	}
	if len(m.Stride) > 0 {
		s = m.Stride[0]
	}
	return c, s
}

// Plain tells whether the cut tensors themselves cross.
func (m Meta) Plain() bool { return m.Codec == CodecNone }

// Label returns the name of a class, "" if it has none.
func (m Meta) Label(class int) string {
	if class < 0 || class >= len(m.Labels) {
		return ""
	}
	return m.Labels[class]
}

// tiles writes the sizes of tiles as the metadata does.
func (m Meta) tiles() string {
	if len(m.Tile) == 1 {
		return fmt.Sprint(m.Tile[0])
	}
	return fmt.Sprint(m.Tile)
}
