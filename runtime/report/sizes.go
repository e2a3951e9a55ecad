package report

import (
	"fmt"
	"math"
	"slices"

	"github.com/bottlenet/bnc/runtime/chart"
	"github.com/bottlenet/bnc/runtime/plan"
)

// sizes is the paper's Fig. 6: what a cut's tensor takes beside the input, and what
// is left of it to send.
func (b *builder) sizes() Section {
	t := Table{ID: "sizes", Title: "Size of the features by cut (the paper's Fig. 6)",
		Columns: []string{"cut", "tensor", "tensor, bytes", "of the input", "sent, bytes", "times smaller", "source"}}
	c := chart.Rows{Title: "Size of the features by cut", X: "bytes", LogX: true, Width: figureWidth, Series: []string{"cut tensor", "sent"}}
	input := 0.0
	if b.Model != nil {
		input = b.Model.Value.InputBytes
	}
	known := false
	for at := 0; at < len(b.latency.Table); at += len(b.Networks) {
		r := b.latency.Table[at]
		bytes, from := b.tensor(r)
		sent, against, smaller := byteCount(r.PayloadBytes), text(""), text("")
		row := chart.Row{Name: rowName(r), Values: []float64{math.NaN(), r.PayloadBytes}}
		if bytes > 0 {
			known = true
			row.Values[0], smaller = bytes, gain(bytes/r.PayloadBytes)
			if input > 0 {
				against = gain(bytes / input)
			}
		}
		t.Rows = append(t.Rows, []Cell{text(r.Cut), text(r.Tensor), positive(bytes, byteCount), against, sent, smaller, refs(append(from, b.origin(r.Origin, nil)...)...)})
		c.Rows = append(c.Rows, row)
	}
	if input > 0 {
		c.Lines = append(c.Lines, chart.Line{Name: "input tensor", X: input})
		t.Text += fmt.Sprintf("The input tensor has %s bytes (F%d). ", byteCount(input).Text, b.model+1)
	}
	image, from := b.ImageBytes, "as given"
	if image == 0 && b.mobile.ImageBytes > 0 {
		image = b.mobile.ImageBytes
		from = b.first("image_bytes", func(p *plan.Profile) bool { return p.ImageBytes != 0 }).String()
	}
	if image > 0 {
		c.Lines = append(c.Lines, chart.Line{Name: "compressed image", X: image})
		t.Text += fmt.Sprintf("The compressed image has %s bytes (%s). ", byteCount(image).Text, from)
	}
	if !known {
		c.Series = c.Series[1:]
		for i := range c.Rows {
			c.Rows[i].Values = c.Rows[i].Values[1:]
		}
		t.Text += "Sizes of cut tensors are not known: give the model, or profile plain splits. "
	}
	return Section{ID: "sizes", Title: "What crosses", Figures: []Figure{drawn(c.Title, c, "")}, Tables: []Table{t.dense()}}
}

// tensor returns the size of a row's cut tensor, 0 where nothing tells it.
func (b *builder) tensor(r plan.Row) (float64, []Ref) {
	if b.Model != nil {
		for _, c := range b.Model.Value.Cuts {
			if c.Tensor == r.Tensor || r.Tensor == "" && slices.Contains(c.Names, r.Cut) {
				return c.Bytes, []Ref{{b.model, "tensor " + c.Tensor}}
			}
		}
	}
	for i := range b.mobile.Cuts {
		e := &b.mobile.Cuts[i]
		if e.Plain() && (e.Tensor == r.Tensor && e.Tensor != "" || e.Cut == r.Cut) && e.PayloadBytes > 0 {
			return e.PayloadBytes, []Ref{b.entry(e)}
		}
	}
	return 0, nil
}
