package report

import (
	"fmt"
	"math"
	"strings"

	"github.com/bottlenet/bnc/runtime/plan"
)

// sent is an evaluation of the whole model on images that are sent themselves: how good it is
// at which size.
type sent struct {
	name string // the codec and the size
	file int
	// best are the measurements that no smaller one is as good as, the smallest first.
	best []measurement
}

// against is what images that are sent themselves take for an accuracy.
type against struct {
	*sent
	bytes float64
	// atMost tells that the smallest that was measured is better: fewer bytes may do.
	atMost bool
	// short tells that none that was measured is as good: bytes and value are of the best one.
	short bool
	value float64
	entry string
	// better is a codec that takes fewer bytes as far as it was measured, which is not far
	// enough, and where it ends; nil for none.
	better *against
}

// images are the evaluations of images that are sent, of the same images and measure as e, and
// how many others there are.
func (b *builder) images(e *Eval) (same []*sent, others int) {
	for i, from := range b.Evals {
		o := from.Value
		switch {
		case o.InputCodec == "":
			continue
		case o.measure() != e.measure() || o.ImagesSHA256 == "" || o.ImagesSHA256 != e.ImagesSHA256:
			others++
			continue
		}
		s := &sent{name: fmt.Sprintf("%s at %d px", imageCodec(o.InputCodec), o.InputSize), file: b.evals + i}
		best := math.Inf(-1)
		for _, m := range o.measurements() {
			if rate := o.measure().Rate(m.value); rate > best {
				best, s.best = rate, append(s.best, m)
			}
		}
		same = append(same, s)
	}
	return same, others
}

// imageCodec is a codec's name as people write it.
func imageCodec(name string) string {
	if name == "webp" {
		return "WebP"
	}
	return strings.ToUpper(name)
}

// bytesFor are the bytes for a rate: between two measurements linear in the logarithm of the
// bytes, as curves of codecs nearly are.
func (s *sent) bytesFor(m plan.Measure, rate float64) against {
	for i, at := range s.best {
		to := m.Rate(at.value)
		if to < rate {
			continue
		}
		found := against{sent: s, bytes: at.bytes, value: at.value, entry: at.entry, atMost: i == 0 && to > rate}
		if i > 0 {
			before := s.best[i-1]
			part := (rate - m.Rate(before.value)) / (to - m.Rate(before.value))
			found.bytes = before.bytes * math.Pow(at.bytes/before.bytes, part)
		}
		return found
	}
	last := s.best[len(s.best)-1]
	return against{sent: s, bytes: last.bytes, value: last.value, entry: last.entry, short: true}
}

// bestImage is the image codec with the fewest bytes for a value, or where none is as good the
// one that comes next to it; nil without any.
func bestImage(all []*sent, m plan.Measure, value float64) (best *against) {
	for _, s := range all {
		a := s.bytesFor(m, m.Rate(value))
		switch {
		case best == nil, best.short && !a.short, best.short && a.short && m.Rate(a.value) > m.Rate(best.value), !best.short && !a.short && a.bytes < best.bytes:
			best = &a
		}
	}
	if best == nil || best.short {
		return best
	}
	for _, s := range all {
		a := s.bytesFor(m, m.Rate(value))
		if a.short && best.bytesFor(m, m.Rate(a.value)).bytes > a.bytes && (best.better == nil || m.Rate(a.value) > m.Rate(best.better.value)) {
			best.better = &a
		}
	}
	return best
}

// ends says of a better codec where its measurements end, "" where there is none.
func (a *against) ends(m plan.Measure) string {
	if a.better == nil {
		return ""
	}
	return fmt.Sprintf("%s is better where it was measured, up to %s with %.0f bytes; higher qualities were not", a.better.name, m.Short(a.better.value), a.better.bytes)
}

// besideImages adds what images that are sent themselves take for the accuracy of each bundle's
// evaluation.
func (b *builder) besideImages(s *Section) {
	t := Table{ID: "images", Title: "Beside images that are sent themselves",
		Columns: []string{"evaluation", "quality", "bytes an image", "accuracy", "device, % of multiply-adds", "best image codec", "its bytes", "times as many", "remark", "source"},
		Text:    "The image codec with the fewest bytes for the same accuracy on the same images, between measurements linear in the logarithm of the bytes. The device computes nothing for it."}
	for i, from := range b.Evals {
		e := from.Value
		if e.whole() || e.InputCodec != "" {
			continue
		}
		all, others := b.images(e)
		if others > 0 && len(all) == 0 {
			s.Text = append(s.Text, fmt.Sprintf("%s is not compared with images that are sent: their evaluations are of other images, or of another measure, or do not tell.", e.Name))
		}
		m := e.measure()
		for _, own := range e.measurements() {
			best := bestImage(all, m, own.value)
			if best == nil {
				continue
			}
			remark, times := "", text("")
			switch {
			case best.short:
				remark = fmt.Sprintf("it has %s at most, of what was measured", m.Short(best.value))
			case best.bytes <= own.bytes:
				remark, times = "the bottleneck is not better", gain(best.bytes/own.bytes)
			case best.atMost:
				remark = fmt.Sprintf("at most: it has %s there, nothing smaller was measured", m.Short(best.value))
			default:
				remark, times = best.ends(m), gain(best.bytes/own.bytes)
			}
			t.Rows = append(t.Rows, []Cell{text(e.Name), own.at(), byteCount(own.bytes), {Text: m.Short(own.value), Value: new(m.Points * own.value)}, maybe(e.DeviceShare, percent), text(best.name),
				number("%.0f", best.bytes), times, text(remark), refs(Ref{b.evals + i, own.entry}, Ref{best.file, best.entry})})
			if own.own {
				s.Text = append(s.Text, e.sentence(own, best))
			}
		}
	}
	if len(t.Rows) > 0 {
		s.Tables = append(s.Tables, t.dense())
	}
}

// sentence says how an evaluation compares.
func (e *Eval) sentence(own measurement, best *against) string {
	m := e.measure()
	said := fmt.Sprintf("%s: %s bytes an image", e.Name, byteCount(own.bytes).Text)
	if e.DeviceShare != nil {
		said += fmt.Sprintf(" behind %.1f%% of the multiply-adds", 100**e.DeviceShare)
	}
	other := fmt.Sprintf("%.0f", best.bytes)
	switch {
	case best.short:
		return fmt.Sprintf("%s for %s of %s, which no image that was sent has: %s has %s with %s.", said, m.Text, m.Short(own.value), best.name, m.Short(best.value), other)
	case best.bytes <= own.bytes:
		return fmt.Sprintf("%s where %s takes %s for the same %s of %s: not better.", said, best.name, other, m.Text, m.Short(own.value))
	case best.atMost:
		return fmt.Sprintf("%s for %s of %s, where %s has %s with %s, the least that was measured.", said, m.Text, m.Short(own.value), best.name, m.Short(best.value), other)
	}
	said = fmt.Sprintf("%s where %s takes %s for the same %s of %s (interpolated, on the same images).", said, best.name, other, m.Text, m.Short(own.value))
	if more := best.ends(m); more != "" {
		said += " But " + more + "."
	}
	return said
}
