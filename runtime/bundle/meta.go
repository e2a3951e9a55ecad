package bundle

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/bottlenet/bnc/runtime/imagein"
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

// The values of Meta.Codec.
const (
	CodecJPEG = "jpeg"
	CodecNone = "none" // a plain pair: the cut tensor itself crosses
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
// keys bnc.*, values JSON. A model that bnc only trained has Preprocess and
// Labels at most, and an empty Part.
type Meta struct {
	Format  int
	Part    string // PartMobile, PartCloud, PartJoined; "" for a whole model
	Cut     string // the cut's id, as cut3
	Tensor  string // the cut tensor's name
	Codec   string
	CodecAt string
	// Outputs names the original model's outputs in order.
	Outputs      []string
	Channels     int // c; 0 where the channels are not reduced
	Stride       int // s
	Bits         int
	Range        string
	Lo, Hi       float64 // of a static range
	Quality      int
	Tile         [2]int // height, width
	Grid         [2]int // rows, columns of planes in the tile
	SourceSHA256 string
	Pair         string // identifies the two halves that belong together
	Preprocess   *imagein.Preprocess
	Labels       []string
	Backbone     bool // the model's own weights are still the source's
	Calibrated   bool // the bottleneck was fitted to real images
	FP16         bool
	Target       string // what the mobile half was lowered for, "" for any runtime
}

// ParseMeta reads a model's metadata_props and checks that what the part
// needs is there. Keys that this version does not know are passed over.
func ParseMeta(props map[string]string) (Meta, error) {
	var m Meta
	m.Backbone = true
	fields := map[string]any{
		"format": &m.Format, "part": &m.Part, "cut": &m.Cut, "tensor": &m.Tensor,
		"codec": &m.Codec, "codec_at": &m.CodecAt, "outputs": &m.Outputs,
		"c": (*channels)(&m.Channels), "s": &m.Stride, "bits": &m.Bits,
		"range": &m.Range, "lo": &m.Lo, "hi": &m.Hi, "quality": &m.Quality,
		"tile": &m.Tile, "grid": &m.Grid, "source_sha256": &m.SourceSHA256, "pair": &m.Pair,
		"preprocess": &m.Preprocess, "labels": &m.Labels, "backbone": &m.Backbone,
		"calibrated": &m.Calibrated, "fp16": &m.FP16, "target": &m.Target,
	}
	for key, text := range props {
		field, ok := fields[strings.TrimPrefix(key, keyPrefix)]
		if !ok || !strings.HasPrefix(key, keyPrefix) {
			continue
		}
		if err := json.Unmarshal([]byte(text), field); err != nil {
			return Meta{}, fmt.Errorf("metadata %s is %.80q: %w", key, text, err)
		}
	}
	for i, label := range m.Labels { // as data.ReadNames and the classes of data are
		m.Labels[i] = norm.NFC.String(label)
	}
	return m, m.validate()
}

// channels reads bnc.c: a number, or "full" where nothing is reduced.
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
	if m.Part == "" {
		return nil
	}
	if m.Format != Format {
		return fmt.Errorf("metadata bnc.format is %d, this bnc reads %d: split the model again with this version", m.Format, Format)
	}
	for _, x := range []struct {
		key, value string
		known      []string
	}{
		{"part", m.Part, []string{PartMobile, PartCloud, PartJoined}},
		{"codec", m.Codec, []string{CodecJPEG, CodecNone}},
		{"codec_at", m.CodecAt, []string{AtGraph, AtDeviceHost, AtHost}},
		{"range", m.Range, []string{RangeStatic, RangeDynamic}},
	} {
		if m.Codec == CodecNone && x.key != "part" {
			continue // a plain pair has neither codec nor range
		}
		if err := oneOf(x.key, x.value, x.known); err != nil {
			return err
		}
	}
	if m.Pair == "" {
		return errors.New("metadata bnc.pair is missing: the file does not tell which half it belongs to; split the model again")
	}
	if m.Codec == CodecJPEG && (m.Tile[0] <= 0 || m.Tile[1] <= 0 || m.Quality < 1 || m.Quality > 100) {
		return fmt.Errorf("metadata bnc.tile %v, bnc.quality %d: expected [height, width] and 1 to 100", m.Tile, m.Quality)
	}
	return nil
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

// Plain tells whether the cut tensor itself crosses.
func (m Meta) Plain() bool { return m.Codec == CodecNone }

// Label returns the name of a class, "" if it has none.
func (m Meta) Label(class int) string {
	if class < 0 || class >= len(m.Labels) {
		return ""
	}
	return m.Labels[class]
}
