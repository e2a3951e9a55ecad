package bundle

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"

	"github.com/bottlenet/bnc/internal/fault"
	"github.com/bottlenet/bnc/ops"
	"github.com/bottlenet/bnc/runtime/ort"
	"github.com/bottlenet/bnc/runtime/plan"
)

// The parameters, in codecs that have them, of pairs of many rates.
const (
	// VariableParameter is 1 where each record tells its own quality.
	VariableParameter = "variable"
	// MaxBytesParameter limits what the encoder makes of a tile; the decoder does not use it.
	MaxBytesParameter = "max_bytes"
)

// Rate is what an image may take, chosen where it is encoded. The zero Rate is the pair's
// own quality, whatever that takes.
type Rate struct {
	Quality int `json:"rate,omitempty"` // of the codec, 1 to 100; 0 for the pair's own
	// MaxBytes is how long a record may be, its framing included; 0 for any length. Images
	// that take more get the highest quality that fits, one for all tensors of a cut: their
	// tiles are in units of the same worth.
	MaxBytes int `json:"max_bytes,omitempty"`
}

// Rates are what a pair of many rates was measured at when it was split: what a client
// chooses among where nobody says a quality.
type Rates struct {
	MaxLoss float64          `json:"max_loss"` // that a choice may cost: RatePoint.Loss, percentage points
	Points  []plan.RatePoint `json:"points"`   // by rising quality
}

// Allowed returns the points that lose no more than MaxLoss; none of nil.
func (r *Rates) Allowed() (all []plan.RatePoint) {
	if r == nil {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(r.Points), func(p plan.RatePoint) bool { return p.Loss > r.MaxLoss })
}

// check refuses rates that cannot be.
func (r *Rates) check(variable bool) error {
	switch {
	case r == nil:
		return nil
	case !variable:
		return errors.New("metadata bnc.rates is of a pair of many rates, and bnc.codec of one")
	case len(r.Allowed()) == 0:
		return fmt.Errorf("metadata bnc.rates has no point that loses at most max_loss %v, expected one", r.MaxLoss)
	}
	before := 0
	for _, p := range r.Points {
		if p.Quality <= before || p.Quality > 100 || !(p.Bytes > 0) {
			return fmt.Errorf("metadata bnc.rates has quality %d at %v bytes, expected rising ones of 1 to 100 and more than 0", p.Quality, p.Bytes)
		}
		before = p.Quality
	}
	return nil
}

// Variable tells whether records tell their quality, so that each image may have another.
func (m Meta) Variable() bool {
	return len(m.Parameters) > 0 && !slices.ContainsFunc(m.Parameters, func(p ops.Parameters) bool { return p[VariableParameter] != int64(1) })
}

// option returns the name of the option that says the rate.
func (r Rate) option() string {
	if r.Quality == 0 {
		return "max_bytes"
	}
	return "rate"
}

// CheckFileRate refuses every rate of what runs as the one file at path: no record leaves it,
// although it may be a part of a pair of many rates.
func (m Meta) CheckFileRate(r Rate, path string) error {
	if err := m.CheckRate(r); err != nil || r == (Rate{}) {
		return err
	}
	return fault.Usage(r.option(), "is of the halves beside it: give the folder %s", filepath.Dir(path))
}

// CheckRate refuses a rate at which the pair cannot be encoded, naming the options rate and
// max_bytes.
func (m Meta) CheckRate(r Rate) error {
	switch {
	case r == Rate{}:
		return nil
	case !m.Variable():
		return fault.Usage(r.option(), "needs a pair of many rates: split the model with option codec transform and option variable_rate")
	case r.Quality < 0 || r.Quality > 100:
		return fault.Usage("rate", "%d: expected 1 to 100", r.Quality)
	case r.MaxBytes < 0:
		return fault.Usage("max_bytes", "%d: expected 1 or more", r.MaxBytes)
	case r.MaxBytes == 0:
		return nil
	}
	p, err := m.payloads()
	if err != nil {
		return err
	}
	tiles, ranges := p.grey()
	least, err := p.least(tiles, ranges)
	if err == nil && len(least) > r.MaxBytes {
		err = fault.Usage("max_bytes", "%d: a record of this pair takes at least %d bytes, in which there is nothing of the image", r.MaxBytes, len(least))
	}
	return err
}

// RecordQuality returns the quality that the record at the head of a payload tells, of
// several tensors the least; 0 tells that nothing of a tensor is in it.
func (m Meta) RecordQuality(payload []byte) (quality int, err error) {
	end, err := RecordEnd(payload, 0)
	if err != nil {
		return 0, err
	}
	_, n := binary.Uvarint(payload)
	record, crossing := payload[n:end], m.Crossing()
	for i, c := range crossing {
		part := record
		if i < len(crossing)-1 {
			if end, err = RecordEnd(record, 0); err != nil {
				return 0, err
			}
			_, n := binary.Uvarint(record)
			part, record = record[n:end], record[end:]
		}
		if c.Part.Dynamic {
			part = part[min(ops.RangeBytes, len(part)):]
		}
		if len(part) == 0 || !m.Variable() {
			return 0, errors.New("the record does not tell its quality")
		}
		if own := int(part[0]); i == 0 || own < quality {
			quality = own
		}
	}
	return quality, nil
}

// Told is the quality that the first record of what crosses tells, nil where records tell
// none and where none cross.
func (m Meta) Told(crossing ort.Feed) *int {
	payload := crossing[PayloadName]
	if !m.Variable() || payload == nil {
		return nil
	}
	quality, err := m.RecordQuality(payload.Data)
	if err != nil {
		return nil
	}
	return &quality
}

// at returns the coder of a quality and a limit of what each tensor's data take, 0 for none.
func (p *payloads) at(quality, limit int) (*ops.Coder, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	key := [2]int{quality, limit}
	if coder := p.coders[key]; coder != nil {
		return coder, nil
	}
	record := slices.Clone(p.record)
	for i := range record {
		record[i].Parameters = maps.Clone(record[i].Parameters)
		record[i].Parameters[QualityParameter] = int64(quality)
		record[i].Parameters[MaxBytesParameter] = int64(limit)
	}
	coder, err := record.Coder()
	if err == nil {
		p.coders[key] = coder
	}
	return coder, err
}

// encodeAt is ops.Coder.Encode at a rate.
func (p *payloads) encodeAt(tiles [][]byte, ranges [][]float32, r Rate) ([]byte, error) {
	if r == (Rate{}) {
		payload, _, err := p.coder.Encode(tiles, ranges)
		return payload, err
	}
	quality := cmp.Or(r.Quality, p.quality)
	coder, err := p.at(quality, 0)
	if err != nil {
		return nil, err
	}
	payload, sizes, err := coder.Encode(tiles, ranges)
	if err != nil || r.MaxBytes == 0 || slices.Max(sizes) <= r.MaxBytes {
		return payload, err
	}
	var short []byte
	for i, size := range sizes {
		record := payload[:size]
		payload = payload[size:]
		if size > r.MaxBytes {
			tiles, ranges := p.image(i, tiles, ranges)
			if record, err = p.fit(tiles, ranges, quality, r.MaxBytes); err != nil {
				return nil, err
			}
		}
		short = append(short, record...)
	}
	return short, nil
}

// image returns the tiles and ranges of image i.
func (p *payloads) image(i int, tiles [][]byte, ranges [][]float32) ([][]byte, [][]float32) {
	one, limits := slices.Clone(tiles), slices.Clone(ranges)
	for k, part := range p.record {
		pixels := part.Height * part.Width
		one[k] = tiles[k][i*pixels:][:pixels]
		if part.Dynamic {
			limits[k] = ranges[k][2*i:][:2]
		}
	}
	return one, limits
}

// fit returns the record of an image that takes more than limit bytes at quality: at a
// quality at which it takes no more and at the next it does.
func (p *payloads) fit(tiles [][]byte, ranges [][]float32, quality, limit int) ([]byte, error) {
	best, err := p.least(tiles, ranges)
	if err != nil {
		return nil, err
	}
	if len(best) > limit {
		return nil, fmt.Errorf("a record takes at least %d bytes, and %d are allowed", len(best), limit)
	}
	for fits := 0; quality-fits > 1; {
		middle := (fits + quality) / 2
		coder, err := p.at(middle, 0)
		if err != nil {
			return nil, err
		}
		record, _, err := coder.Encode(tiles, ranges)
		switch {
		case err != nil:
			return nil, err
		case len(record) <= limit:
			fits, best = middle, record
		default:
			quality = middle
		}
	}
	return best, nil
}

// least returns the shortest record of an image: of each tensor the byte that tells the
// quality.
func (p *payloads) least(tiles [][]byte, ranges [][]float32) ([]byte, error) {
	coder, err := p.at(1, 1)
	if err != nil {
		return nil, err
	}
	record, _, err := coder.Encode(tiles, ranges)
	return record, err
}
