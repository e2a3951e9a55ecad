package bundle

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"sync"

	"github.com/bottlenet/bnc/ops"
)

// Codec is one kind of codec, as what opens and runs bundles sees it.
//
// To add a codec to the runtime, write a file here that registers it, as jpeg.go
// does. It codes by its row of package ops (ops/codec.h), which gives its name, its
// operators and its parameters; the graph side (passes/bottleneck) writes the name
// and the parameters into metadata bnc.codec and makes nodes of the operators.
// Nothing else asks which codec a bundle has.
type Codec struct {
	ops.Codec
	// FileFrame is how many bytes a file of the codec's own format has beside the data
	// of one tile; 0 where there is no such format.
	FileFrame int
}

// QualityParameter is the parameter, in codecs that have it, that trades bytes for
// accuracy: what bnc eval --quality changes, and metadata bnc.quality says.
const QualityParameter = "quality"

// CodecNone is metadata bnc.codec of a plain pair: the cut tensors themselves cross.
const CodecNone = "none"

var registry struct {
	sync.RWMutex
	codecs []Codec
}

// Register adds a codec. Bundles that use it can be opened from then on. A second
// one of a name is a BUG.
func Register(c Codec) {
	registry.Lock()
	defer registry.Unlock()
	for _, known := range registry.codecs {
		if known.Name() == c.Name() {
			panic("BUG: codec " + c.Name() + " is registered twice")
		}
	}
	registry.codecs = append(registry.codecs, c)
}

// Codecs returns the codecs that bundles may use, in the order of their names.
func Codecs() []Codec {
	registry.RLock()
	defer registry.RUnlock()
	return slices.SortedFunc(slices.Values(registry.codecs), func(a, b Codec) int { return cmp.Compare(a.Name(), b.Name()) })
}

// lookup returns the codec of a name.
func lookup(name string) (Codec, error) {
	codecs := Codecs()
	names := make([]string, 0, len(codecs)+1)
	for _, c := range codecs {
		if c.Name() == name {
			return c, nil
		}
		names = append(names, c.Name())
	}
	return Codec{}, oneOf("codec", name, append(names, CodecNone))
}

// readCodec reads metadata bnc.codec, {"name", "parameters"}: numbers are integers,
// byte strings are in base64. A codec whose one parameter is bnc.quality is named alone,
// as "jpeg" has been from the first, and a plain pair says "none". A list has the parameters
// of each crossing tensor's. Quality is bnc.quality, 0 where the file has none.
func readCodec(text json.RawMessage, quality int) (name string, parameters []ops.Parameters, err error) {
	var list []json.RawMessage
	if json.Unmarshal(text, &list) != nil || len(list) == 0 {
		list = []json.RawMessage{text}
	}
	for i, one := range list {
		next, p, err := readOneCodec(one, quality)
		switch {
		case err != nil:
			return "", nil, err
		case i > 0 && next != name:
			return "", nil, fmt.Errorf("metadata bnc.codec names %s and %s: expected one codec for all tensors", name, next)
		case next == CodecNone:
			return next, nil, nil
		}
		name, parameters = next, append(parameters, p)
	}
	return name, parameters, nil
}

func readOneCodec(text json.RawMessage, quality int) (name string, parameters ops.Parameters, err error) {
	var written struct {
		Name       string                     `json:"name"`
		Parameters map[string]json.RawMessage `json:"parameters"`
	}
	if json.Unmarshal(text, &written.Name) == nil {
		written.Parameters = map[string]json.RawMessage{QualityParameter: json.RawMessage(fmt.Sprint(quality))}
	} else if err := json.Unmarshal(text, &written); err != nil && len(text) > 0 {
		return "", nil, fmt.Errorf("metadata bnc.codec is %.80q: %w", text, err)
	}
	if written.Name == CodecNone {
		return CodecNone, nil, nil
	}
	codec, err := lookup(written.Name)
	if err != nil {
		return "", nil, err
	}
	if parameters, err = readParameters(codec, written.Parameters); err != nil {
		return "", nil, fmt.Errorf("metadata bnc.codec: %w", err)
	}
	if own, ok := parameters[QualityParameter].(int64); ok && quality != 0 && own != int64(quality) {
		return "", nil, fmt.Errorf("metadata bnc.codec has quality %d, bnc.quality is %d: expected the same", own, quality)
	}
	return codec.Name(), parameters, nil
}

// readParameters reads those parameters that the codec has; what is missing or too
// much, package ops tells.
func readParameters(codec Codec, written map[string]json.RawMessage) (ops.Parameters, error) {
	kinds := map[string]ops.Parameter{}
	for _, p := range codec.Parameters() {
		kinds[p.Name] = p
	}
	parameters := ops.Parameters{}
	for name, text := range written {
		var number int64
		var bytes []byte
		var err error
		if kinds[name].Bytes {
			err = json.Unmarshal(text, &bytes)
			parameters[name] = bytes
		} else {
			err = json.Unmarshal(text, &number)
			parameters[name] = number
		}
		if err != nil {
			return nil, fmt.Errorf("%s of %s is %.80q: %w", name, codec.Name(), text, err)
		}
	}
	return parameters, nil
}
