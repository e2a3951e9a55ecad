package bottleneck

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/passes"
)

// Spec says what a bottleneck does to one tensor.
type Spec struct {
	Geometry
	Quantiser
	Codec Codec `json:"codec"`
}

// Sites are the names of a bottleneck's tensors in the joined network.
type Sites struct {
	Cut      string `json:"cut"`             // the tensor that the bottleneck reads
	Reduced  string `json:"reduced"`         // float32 [N,c,h,w], what the quantiser reads
	Grey     string `json:"grey"`            // float32 [N,1,H,W], the tile before it is made bytes
	Tile     string `json:"tile"`            // uint8 [N,1,H,W], what is encoded
	Range    string `json:"range,omitempty"` // float32 [N,2], where each image's own travels
	Decoded  string `json:"decoded"`         // uint8 [N,1,H,W], what the codec gives back
	Planes   string `json:"planes"`          // float32 [N,c,h,w], what the restoration units read
	Restored string `json:"restored"`        // stands for the cut tensor
	// Weights are the initializers of the units, by what they are to them:
	// reduce.channel.weight and the like.
	Weights map[string]string `json:"weights"`
}

// Record is what is known of a bottleneck: [Insert] writes it into the model's metadata
// (bnc.bottleneck, one a crossing tensor), and whatever needs to know reads it there.
type Record struct {
	Spec  Spec  `json:"spec"`
	Sites Sites `json:"sites"`
}

const recordKey = metaPrefix + "bottleneck"

// record writes records into the metadata.
func record(m *ir.Model, records []Record) error {
	b, err := json.Marshal(records)
	if err != nil {
		return fmt.Errorf("metadata %s: %w", recordKey, err)
	}
	m.SetMeta(recordKey, string(b))
	return nil
}

// Records reads what is known of the bottlenecks of a bundle's file, one a crossing
// tensor. Of a joined network that says nothing, since a bnc of before wrote it, it is
// found out. A model without a bottleneck is an [passes.UnsuitableError].
func Records(m *ir.Model) ([]Record, error) {
	text, ok := m.Meta(recordKey)
	if !ok {
		return unrecorded(m)
	}
	var records []Record
	if err := json.Unmarshal([]byte(text), &records); err != nil || len(records) == 0 {
		return nil, passes.Unsuitable("metadata "+recordKey, "expected a list of bottlenecks, found %.80q", text)
	}
	return records, nil
}

// Specs are those of records.
func Specs(records []Record) []Spec {
	all := make([]Spec, len(records))
	for i, r := range records {
		all[i] = r.Spec
	}
	return all
}

// CodecsOf are the codecs of a joined network, one a crossing tensor.
func CodecsOf(m *ir.Model) (codecs []Codec, err error) {
	records, err := Records(m)
	for _, r := range records {
		codecs = append(codecs, r.Spec.Codec)
	}
	return codecs, err
}

// HaveQuality tells whether all codecs of a joined network have a quality.
func HaveQuality(m *ir.Model) bool {
	records, err := Records(m)
	return err == nil && !slices.ContainsFunc(records, func(r Record) bool { return !r.Spec.Codec.HasQuality() })
}

// AnyFitted tells whether parameters of some codec of a joined network are to suit its tiles.
func AnyFitted(m *ir.Model) bool {
	records, err := Records(m)
	return err == nil && slices.ContainsFunc(records, func(r Record) bool { return r.Spec.Codec.Fitted() })
}

// Unrated is the name of a codec of records whose bits cannot be estimated, "" for none.
func Unrated(records []Record) (codec string, err error) {
	for _, r := range records {
		coding, err := r.Spec.Codec.Coding()
		if err != nil || coding.Rate == nil {
			return coding.Name, err
		}
	}
	return "", nil
}

// Forget takes the records out of a model's metadata.
func Forget(m *ir.Model) { m.DelMeta(func(key string) bool { return key == recordKey }) }

// Recorded holds of joined networks in which the tensors that the records name are there.
var Recorded = &passes.Property{
	Name: "the tensors of the recorded bottlenecks are there",
	Check: func(m *ir.Model) error {
		_, err := Anatomy(m)
		return err
	},
}
