package bundle

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/bottlenet/bnc/internal/fault"
	"github.com/bottlenet/bnc/internal/rttest"
	"github.com/bottlenet/bnc/ops"
	"github.com/bottlenet/bnc/runtime/ort"
	"github.com/bottlenet/bnc/runtime/tensor"
)

// transformTable is the table of so many planes in one block each, with steps of four levels
// at quality 50 and coefficients of a mean of 32 to 2 levels.
func transformTable(planes, height, width int) []byte {
	b := []byte{1, byte(planes), byte(height), byte(width), byte(height), byte(width)}
	b = append(b, bytes.Repeat([]byte{128}, planes)...)
	for range planes {
		for i := range height * width {
			b = append(b, 64+32, byte(max(64+80-4*i, 64+16)))
		}
	}
	return b
}

// manyRates is the metadata of a pair of tensors of so many planes of 7 x 7, in rows of four.
func manyRates(t *testing.T, dynamic bool, planes ...int) Meta {
	t.Helper()
	var codecs, tiles, tensors []string
	for i, n := range planes {
		table := base64.StdEncoding.EncodeToString(transformTable(n, 7, 7))
		codecs = append(codecs, fmt.Sprintf(`{"name":"transform","parameters":{"quality":60,"variable":1,"max_bytes":0,"table":%q}}`, table))
		tiles = append(tiles, fmt.Sprintf("[%d,28]", (n+3)/4*7))
		tensors = append(tensors, fmt.Sprintf("%q", fmt.Sprint("t", i)))
	}
	list := func(all []string) string { return "[" + strings.Join(all, ",") + "]" }
	m, err := ParseMeta(map[string]string{
		"bnc.format": "1", "bnc.part": `"mobile"`, "bnc.pair": `"x"`, "bnc.codec_at": `"host"`, "bnc.range": map[bool]string{true: `"dynamic"`, false: `"static"`}[dynamic],
		"bnc.tensor": list(tensors), "bnc.tile": list(tiles), "bnc.codec": list(codecs), "bnc.quality": "60",
	})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// hostile returns tiles of several images for each tensor: noise of all bytes, black, white,
// a chequerboard, and what is like features.
func hostile(m Meta) (tiles [][]byte, ranges [][]float32, images int) {
	rng := rand.New(rand.NewPCG(1, 2))
	kinds := []func(x, y int) byte{
		func(_, _ int) byte { return byte(rng.Uint32()) },
		func(_, _ int) byte { return 0 },
		func(_, _ int) byte { return 255 },
		func(x, y int) byte { return byte(255 * ((x + y) % 2)) },
		func(x, y int) byte { return byte(100 + 3*x + y%7 + rng.IntN(9)) },
	}
	for _, c := range m.Crossing() {
		var all []byte
		var limits []float32
		for k, kind := range kinds {
			for i := range c.Part.Height * c.Part.Width {
				all = append(all, kind(i%c.Part.Width, i/c.Part.Width))
			}
			if c.Part.Dynamic {
				limits = append(limits, float32(-k), float32(k+1))
			}
		}
		tiles, ranges = append(tiles, all), append(ranges, limits)
	}
	return tiles, ranges, len(kinds)
}

// alone is the record of one image at a quality, made without the package.
func alone(t *testing.T, m Meta, tiles [][]byte, ranges [][]float32, image, quality int) []byte {
	t.Helper()
	var record ops.Record
	one, limits := make([][]byte, len(tiles)), make([][]float32, len(tiles))
	for k, c := range m.Crossing() {
		part := c.Part
		part.Parameters = ops.Parameters{"quality": int64(quality), "variable": int64(1), "max_bytes": int64(0), "table": part.Parameters["table"]}
		record = append(record, part)
		pixels := part.Height * part.Width
		one[k] = tiles[k][image*pixels : (image+1)*pixels]
		if part.Dynamic {
			limits[k] = ranges[k][2*image : 2*image+2]
		}
	}
	coder, err := record.Coder()
	if err != nil {
		t.Fatal(err)
	}
	payload, _, err := coder.Encode(one, limits)
	if err != nil {
		t.Fatal(err)
	}
	return payload
}

// TestNoRecordIsLonger: whatever an image holds, its record takes no more than it may, is the
// record of one quality, and that of the next quality takes more.
func TestNoRecordIsLonger(t *testing.T) {
	for _, shape := range []struct {
		planes  []int
		dynamic bool
		least   int // length, and of each tensor a length but for the last, a range and a byte
	}{{[]int{8}, false, 2}, {[]int{8}, true, 10}, {[]int{3, 12, 5}, false, 6}, {[]int{12, 4}, true, 20}} {
		m := manyRates(t, shape.dynamic, shape.planes...)
		p, err := m.payloads()
		if err != nil {
			t.Fatal(err)
		}
		tiles, ranges, images := hostile(m)
		seen := map[int]bool{}
		for _, quality := range []int{0, 1, 30, 100} {
			for _, limit := range []int{shape.least, shape.least + 1, 25, 40, 60, 90, 127, 129, 180, 300, 450, 700, 1 << 20} {
				rate := Rate{Quality: quality, MaxBytes: limit}
				if err := m.CheckRate(rate); err != nil {
					t.Fatalf("%v, %+v: %v", shape, rate, err)
				}
				payload, err := p.encodeAt(tiles, ranges, rate)
				if err != nil {
					t.Fatalf("%v, %+v: %v", shape, rate, err)
				}
				sizes, err := RecordSizes(payload)
				if err != nil || len(sizes) != images {
					t.Fatalf("%v, %+v: records of %v, %v", shape, rate, sizes, err)
				}
				if _, err := p.decode(tensor.Of([]int64{int64(len(payload))}, payload)); err != nil {
					t.Errorf("%v, %+v: %v", shape, rate, err)
				}
				most := quality
				if most == 0 {
					most = 60 // the pair's own
				}
				for i, size := range sizes {
					record := payload[:size]
					payload = payload[size:]
					q, err := m.RecordQuality(record)
					if err != nil || size > limit || q > most {
						t.Fatalf("%v, %+v: image %d takes %d bytes at quality %d, %v", shape, rate, i, size, q, err)
					}
					seen[q] = true
					if q > 0 && !bytes.Equal(record, alone(t, m, tiles, ranges, i, q)) {
						t.Errorf("%v, %+v: image %d is not what quality %d gives", shape, rate, i, q)
					}
					if q == 0 && size != shape.least {
						t.Errorf("%v, %+v: image %d takes %d bytes of nothing, expected %d", shape, rate, i, size, shape.least)
					}
					if q < most {
						if next := alone(t, m, tiles, ranges, i, q+1); len(next) <= limit {
							t.Errorf("%v, %+v: image %d has quality %d, and %d takes %d bytes", shape, rate, i, q, q+1, len(next))
						}
					}
				}
			}
		}
		if len(seen) < 8 {
			t.Errorf("%v: only %d qualities were used", shape, len(seen))
		}
		if err := m.CheckRate(Rate{MaxBytes: shape.least - 1}); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("takes at least %d bytes", shape.least)) {
			t.Errorf("%v: %d bytes: %v", shape, shape.least-1, err)
		}
	}
}

// TestTheHostEncodes: wherever the pair has its codec, an image's record is the same at any
// rate, and host pairs decode it.
func TestTheHostEncodes(t *testing.T) {
	rttest.Library(t)
	image := make([]float32, 2*3*32*32)
	for i := range image {
		image[i] = float32(i%97)/97 - float32(i/(3*32*32))
	}
	feed := ort.Feed{"input": tensor.Of([]int64{2, 3, 32, 32}, image)}
	for _, kind := range []string{"static", "dynamic"} {
		for _, rate := range []Rate{{}, {Quality: 90}, {Quality: 90, MaxBytes: 60}, {MaxBytes: 25}} {
			var want []byte
			for _, at := range []string{AtDeviceHost, AtGraph, AtHost} {
				m, err := Open(rttest.Data(at + "-" + kind))
				if err != nil {
					t.Fatal(err)
				}
				grid, tile := m.Meta.Grid[0], m.Meta.Tile[0]
				table := transformTable(m.Meta.Channels[0], tile[0]/grid[0], tile[1]/grid[1])
				b, err := Open(rttest.Retold(t, at+"-"+kind, "many", map[string]string{
					"bnc.codec": fmt.Sprintf(`{"name":"transform","parameters":{"quality":60,"variable":1,"max_bytes":0,"table":%q}}`, base64.StdEncoding.EncodeToString(table)),
				}))
				if err != nil {
					t.Fatal(err)
				}
				mobile, err := b.OpenMobile(ort.Options{Threads: 1})
				if err != nil {
					t.Fatal(err)
				}
				defer mobile.Close()
				crossing, early, err := mobile.RunAt(t.Context(), feed, rate)
				if err != nil {
					t.Fatal(err)
				}
				payload := crossing[PayloadName].Data
				if want == nil {
					want = payload
				}
				if len(crossing) != 1 || len(early) != 1 || early[0].Name != "brightness" || !bytes.Equal(payload, want) {
					t.Errorf("%s-%s at %+v: %d bytes, expected %d; %v", at, kind, rate, len(payload), len(want), early)
				}
				sizes, err := RecordSizes(payload)
				if err != nil || len(sizes) != 2 || rate.MaxBytes > 0 && max(sizes[0], sizes[1]) > rate.MaxBytes {
					t.Errorf("%s-%s at %+v: records of %v, %v", at, kind, rate, sizes, err)
				}
				if at == AtHost {
					cloud, err := b.OpenCloud(ort.Options{Threads: 1})
					if err != nil {
						t.Fatal(err)
					}
					defer cloud.Close()
					if late, err := cloud.Run(t.Context(), crossing); err != nil || len(late) != 1 {
						t.Errorf("%s-%s at %+v: %v, %v", at, kind, rate, late, err)
					}
				}
			}
		}
	}
}

// TestRatesAreRefused where the pair has one rate, or metadata that cannot be.
func TestRatesAreRefused(t *testing.T) {
	one, err := Open(rttest.Data("host-static"))
	if err != nil {
		t.Fatal(err)
	}
	many := manyRates(t, false, 4)
	for _, test := range []struct {
		meta Meta
		rate Rate
		want string
	}{
		{one.Meta, Rate{Quality: 20}, "option rate needs a pair of many rates"},
		{one.Meta, Rate{MaxBytes: 20}, "option max_bytes needs a pair of many rates"},
		{many, Rate{Quality: 101}, "option rate 101: expected 1 to 100"},
		{many, Rate{MaxBytes: -1}, "option max_bytes -1: expected 1 or more"},
	} {
		var usage *fault.UsageError
		if err := test.meta.CheckRate(test.rate); !errors.As(err, &usage) || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%+v: error is %v, expected one with %q", test.rate, err, test.want)
		}
	}
	good := `{"max_loss":1,"points":[{"quality":20,"bytes":80,"loss":1.5},{"quality":40,"bytes":200,"loss":0}]}`
	for _, test := range []struct{ rates, codec, want string }{
		{good, "", ""},
		{good, `{"name":"jpeg","parameters":{"quality":60}}`, "of a pair of many rates"},
		{strings.Replace(good, `"loss":0`, `"loss":1.2`, 1), "", "no point that loses at most max_loss 1"},
		{strings.Replace(good, "80", "0", 1), "", "quality 20 at 0 bytes"},
		{strings.Replace(good, "40", "101", 1), "", "quality 101"},
		{strings.Replace(good, "40", "20", 1), "", "rising"},
	} {
		props := map[string]string{
			"bnc.format": "1", "bnc.part": `"mobile"`, "bnc.pair": `"x"`, "bnc.codec_at": `"host"`, "bnc.range": `"static"`, "bnc.tile": "[7,28]", "bnc.quality": "60",
			"bnc.rates": test.rates, "bnc.codec": test.codec,
		}
		if test.codec == "" {
			props["bnc.codec"] = fmt.Sprintf(`{"name":"transform","parameters":{"quality":60,"variable":1,"max_bytes":0,"table":%q}}`, base64.StdEncoding.EncodeToString(transformTable(4, 7, 7)))
		}
		m, err := ParseMeta(props)
		if test.want == "" && (err != nil || len(m.Rates.Allowed()) != 1 || m.Rates.Allowed()[0] != m.Rates.Points[1]) {
			t.Errorf("%+v, %v", m.Rates, err)
		}
		if test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
			t.Errorf("%s: error is %v, expected one with %q", test.rates, err, test.want)
		}
	}
}
