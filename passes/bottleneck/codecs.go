package bottleneck

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/shape"
)

// Coding is the graph side of a codec.
//
// To add a codec, write a file here that registers it, as jpeg.go does. Its operators,
// in domain bnc, are made of its row in C (ops/codec.h), and what runs files looks it up
// by its name (runtime/bundle). Nothing else asks which codec a bottleneck has.
type Coding struct {
	Name     string // in metadata bnc.codec, and of --codec
	Operator string // begins the names of its operators: Jpeg of JpegEncode, JpegDecode and JpegRoundTrip
	// Parameters are what both of its sides must agree on: attributes of its operators.
	Parameters []Parameter
	// Rate describes how many bytes a tile of h x w cells takes; nil where that is not known,
	// and what it gives nil where the parameters are none of the codec's.
	Rate func(c Codec, h, w int64) *Rate
	// Quality is the quality where none is said, of codecs that have one.
	Quality int
	// Fit makes the codecs of tensors that cross together suit their tiles; nil where any
	// tile is taken as it is.
	Fit func(all []Tiles) ([]Codec, error)
	// Trim returns the codec of the planes that it sends, and the level that each of all
	// planes always has, -1 for those: at least one is sent. Nil where all are.
	Trim func(c Codec) (Codec, []int)
}

// Tiles are what is known of the tiles of a crossing tensor.
type Tiles struct {
	Spec
	Planes [][]float32 // what the quantiser reads of some images, [c,h,w] each; none before there are any
	// Felt are gradients of random directions of the outputs by the planes; none where all
	// errors count alike, or the steps of the codec are to stay.
	Felt [][]float32
	Keep bool // the steps that the codec has
}

// Fit gives the codecs of tensors that cross together the parameters that suit their tiles.
func Fit(all []Tiles) ([]Codec, error) {
	coding, err := all[0].Codec.Coding()
	if err != nil {
		return nil, err
	}
	if coding.Fit != nil {
		return coding.Fit(all)
	}
	var codecs []Codec
	for _, t := range all {
		codecs = append(codecs, t.Codec)
	}
	return codecs, nil
}

// Parameter is a number or a byte string that a codec is given. One called quality trades
// bytes for accuracy, from 1 to 100: what bnc's option quality says.
type Parameter struct {
	Name    string
	Bytes   bool // a byte string, not a number
	Default any  // nil for a quality, which is always told
}

// Rate estimates how many bits a tile takes, but for a constant: the sum over its
// coefficients u of Bits/2 log2(1 + u^2), where u = Scale * (Down (x - Mean) Across') for a
// tile x [H,W] of 0..255. That is the length of a code for numbers of Student's t
// distribution: flat where a coefficient is coded as zero anyway, Bits more for each
// doubling of a large one, and nowhere steeper than Bits Scale / (2 ln 2).
type Rate struct {
	Mean   []float32 // [H, W], nil for zeros
	Down   []float32 // [Height, H]
	Across []float32 // [Width, W]
	Scale  []float32 // [Height, Width]
	Bits   []float32 // [Height, Width], 0 for coefficients that do not count
	// Passed is the share of each coefficient, [Height, Width], that is given back beside what
	// rounding adds: its derivative. Nil where it is not known, for all of them.
	Passed        []float32
	Height, Width int64
}

// Codec names the codec of a tile, with its parameters: an int64, or a []byte where the
// parameter is a byte string, which is written in base64.
type Codec struct {
	Name       string         `json:"name"`
	Parameters map[string]any `json:"parameters,omitempty"`
}

var codings struct {
	sync.RWMutex
	all map[string]Coding
}

// Register adds a codec. A second one of a name is a BUG.
func Register(c Coding) {
	codings.Lock()
	defer codings.Unlock()
	if _, twice := codings.all[c.Name]; twice {
		panic("BUG: codec " + c.Name + " is registered twice")
	}
	if codings.all == nil {
		codings.all = map[string]Coding{}
	}
	codings.all[c.Name] = c
}

// Codecs returns the names of the codecs that there are, sorted.
func Codecs() []string {
	codings.RLock()
	defer codings.RUnlock()
	return slices.Sorted(maps.Keys(codings.all))
}

// Coding returns the codec's graph side. The error names the codecs that there are, or
// the parameter that is missing or too much.
func (c Codec) Coding() (Coding, error) {
	codings.RLock()
	found, ok := codings.all[c.Name]
	codings.RUnlock()
	if !ok {
		return Coding{}, fmt.Errorf("codec %q: expected one of %s", c.Name, strings.Join(Codecs(), ", "))
	}
	for _, p := range found.Parameters {
		switch v := c.Parameters[p.Name].(type) {
		case int64:
			ok = ok && !p.Bytes
		case []byte:
			ok = ok && p.Bytes
		default:
			return Coding{}, fmt.Errorf("codec %s: parameter %s is %v: expected a number or a byte string", c.Name, p.Name, v)
		}
	}
	if !ok || len(c.Parameters) != len(found.Parameters) {
		return Coding{}, fmt.Errorf("codec %s has other parameters than %v", c.Name, slices.Sorted(maps.Keys(c.Parameters)))
	}
	return found, nil
}

// DefaultCodec is the codec where none is named.
const DefaultCodec = "jpeg"

// CodecNamed returns the codec of a name with its parameters' defaults, and a quality
// where it has such a parameter, 0 for the codec's own. The error names the codecs that
// there are.
func CodecNamed(name string, q int) (Codec, error) {
	codings.RLock()
	coding := codings.all[name]
	codings.RUnlock()
	c := Codec{Name: name, Parameters: map[string]any{}}
	for _, p := range coding.Parameters {
		c.Parameters[p.Name] = p.Default
		if p.Name == quality {
			c.Parameters[p.Name] = int64(cmp.Or(q, coding.Quality))
		}
	}
	_, err := c.Coding()
	return c, err
}

// With returns the codec with another value of a parameter: an int64, or a []byte.
func (c Codec) With(parameter string, value any) Codec {
	c.Parameters = maps.Clone(c.Parameters)
	c.Parameters[parameter] = value
	return c
}

// Number returns a parameter that is a number, 0 where there is none of that name.
func (c Codec) Number(parameter string) int64 {
	v, _ := c.Parameters[parameter].(int64)
	return v
}

// HasQuality reports whether the codec has a quality to choose.
func (c Codec) HasQuality() bool {
	_, has := c.Parameters[quality]
	return has
}

// AtQuality is the codec at a quality, where it has one.
func (c Codec) AtQuality(q int) Codec {
	if !c.HasQuality() {
		return c
	}
	return c.With(quality, int64(q))
}

// variable is the parameter, in codecs that have it, that is 1 where each record tells its
// own quality.
const variable = "variable"

// ManyRates returns the codec with records that tell their own quality, so that who encodes
// chooses it for each image. The error names the codecs that can.
func (c Codec) ManyRates() (Codec, error) {
	codings.RLock()
	defer codings.RUnlock()
	var can []string
	for _, name := range slices.Sorted(maps.Keys(codings.all)) {
		if slices.ContainsFunc(codings.all[name].Parameters, func(p Parameter) bool { return p.Name == variable }) {
			can = append(can, name)
		}
	}
	if !slices.Contains(can, c.Name) {
		return c, fmt.Errorf("codec %s has one quality for all images: expected one of %s", c.Name, strings.Join(can, ", "))
	}
	return c.With(variable, int64(1)), nil
}

// CodecsFor are the names of the codecs for which a quality, 0 for none, and records that tell
// their own have a meaning.
func CodecsFor(q int, manyRates bool) []string {
	return slices.DeleteFunc(Codecs(), func(name string) bool {
		codec, err := CodecNamed(name, q)
		if err == nil && manyRates {
			codec, err = codec.ManyRates()
		}
		return err != nil || q != 0 && !codec.HasQuality()
	})
}

// FittedNamed reports whether the codec of a name is Fitted.
func FittedNamed(name string) bool {
	codec, err := CodecNamed(name, 0)
	return err == nil && codec.Fitted()
}

// Fitted reports whether the codec's parameters are to suit its tiles: see [Fit].
func (c Codec) Fitted() bool {
	coding, err := c.Coding()
	return err == nil && coding.Fit != nil
}

// NoCodec is the name in the metadata of a plain pair: the cut tensors themselves cross.
const NoCodec = "none"

// InMeta is metadata bnc.codec: name and parameters, or the name alone where there are
// none but a quality, which is bnc.quality.
func (c Codec) InMeta() any {
	if n := len(c.Parameters); n == 0 || n == 1 && c.HasQuality() {
		return c.Name
	}
	return c
}

// UnmarshalJSON reads a name with parameters.
func (c *Codec) UnmarshalJSON(text []byte) error {
	var written struct {
		Name       string                     `json:"name"`
		Parameters map[string]json.RawMessage `json:"parameters"`
	}
	if err := json.Unmarshal(text, &written); err != nil {
		return err
	}
	*c = Codec{Name: written.Name, Parameters: map[string]any{}}
	for name, value := range written.Parameters {
		var number int64
		var bytes []byte
		if json.Unmarshal(value, &number) == nil {
			c.Parameters[name] = number
		} else if err := json.Unmarshal(value, &bytes); err != nil {
			return fmt.Errorf("parameter %s: %w", name, err)
		} else {
			c.Parameters[name] = bytes
		}
	}
	return nil
}

// CodecOf is the codec of one of its operators, false of another node.
func CodecOf(n *ir.Node) (Codec, bool) {
	if n.Domain != shape.CodecDomain {
		return Codec{}, false
	}
	codings.RLock()
	defer codings.RUnlock()
	for _, coding := range codings.all {
		for _, step := range []string{shape.Encode, shape.Decode, shape.RoundTrip} {
			if n.Op == coding.Operator+step {
				return coding.of(n), true
			}
		}
	}
	return Codec{}, false
}

// of is the codec whose parameters are the attributes of n.
func (coding Coding) of(n *ir.Node) Codec {
	c := Codec{Name: coding.Name, Parameters: map[string]any{}}
	for _, p := range coding.Parameters {
		if p.Bytes {
			c.Parameters[p.Name] = []byte(n.Str(p.Name, ""))
		} else {
			c.Parameters[p.Name] = n.Int(p.Name, 0)
		}
	}
	return c
}

// node adds an operator of the codec, which ends with a step: [shape.Encode],
// [shape.Decode] or [shape.RoundTrip].
func (c Codec) node(m *ir.Model, step string, inputs, outputs []*ir.Value, attrs ...*ir.Attr) (*ir.Node, error) {
	coding, err := c.Coding()
	if err != nil {
		return nil, err
	}
	for _, p := range coding.Parameters {
		attrs = append(attrs, c.attr(p))
	}
	m.SetOpset(shape.CodecDomain, 1)
	return m.Graph.NewNode(shape.CodecDomain, coding.Operator+step, inputs, outputs, attrs...), nil
}

// attr is a parameter as its operators' attribute.
func (c Codec) attr(p Parameter) *ir.Attr {
	if p.Bytes {
		return ir.StringAttr(p.Name, string(c.Parameters[p.Name].([]byte)))
	}
	return ir.IntAttr(p.Name, c.Number(p.Name))
}

// set gives the parameters of n, one of the codec's operators, the codec's values.
func (c Codec) set(n *ir.Node) error {
	coding, err := c.Coding()
	if err != nil {
		return err
	}
	for _, p := range coding.Parameters {
		n.SetAttr(c.attr(p))
	}
	return nil
}
