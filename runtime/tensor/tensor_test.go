package tensor

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestViewsShareMemory(t *testing.T) {
	values := []float32{1, 2, 3, 4}
	x := Of([]int64{2, 2}, values)
	Slice[float32](x)[3] = 9
	if values[3] != 9 {
		t.Error("Slice is a copy")
	}
	flat, err := x.Reshape(4)
	if err != nil {
		t.Fatal(err)
	}
	Slice[float32](flat)[0] = 7
	if values[0] != 7 {
		t.Error("Reshape copies")
	}
	if _, err := x.Reshape(3); err == nil {
		t.Error("four elements became three")
	}
}

func TestFromBytesAligns(t *testing.T) {
	buffer := make([]byte, 17)
	for offset := range 8 {
		x, err := FromBytes(Float64, []int64{1}, buffer[offset:offset+8])
		if err != nil {
			t.Fatal(err)
		}
		Slice[float64](x)[0] = 1 // -race and checkptr fault on a misaligned view
	}
	if _, err := FromBytes(Float32, []int64{3}, buffer[:8]); err == nil {
		t.Error("8 bytes were taken for three floats")
	}
	if _, err := FromBytes(DType(99), []int64{1}, buffer[:1]); err == nil {
		t.Error("an unknown type was taken")
	}
}

func TestElementsRefusesWhatCannotBe(t *testing.T) {
	for _, shape := range [][]int64{{-1}, {math.MaxInt64, 2}, {1 << 32, 1 << 32}} {
		if n, err := Elements(shape); err == nil {
			t.Errorf("%v holds %d elements", shape, n)
		}
	}
	if n, err := Elements([]int64{}); n != 1 || err != nil {
		t.Errorf("a scalar has %d elements, %v", n, err)
	}
	if n, err := Elements([]int64{5, 0}); n != 0 || err != nil {
		t.Errorf("%d elements, %v", n, err)
	}
}

// TestFloat16 checks every half against the format's definition in float64,
// and rounding against a search for the nearest half.
func TestFloat16(t *testing.T) {
	finite := []float64{}
	for h := range 1 << 16 {
		got := float64(Float16ToFloat32(uint16(h)))
		want := define16(uint16(h))
		same := got == want && math.Signbit(got) == math.Signbit(want) || math.IsNaN(got) && math.IsNaN(want)
		if !same {
			t.Fatalf("half %#04x = %v, want %v", h, got, want)
		}
		if !math.IsNaN(want) {
			if back := Float32ToFloat16(float32(want)); int(back) != h {
				t.Fatalf("half %#04x came back as %#04x", h, back)
			}
		}
		if !math.IsNaN(want) && !math.IsInf(want, 0) && h < 1<<15 {
			finite = append(finite, want)
		}
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for range 100000 {
		f := float32(math.Ldexp(1+rng.Float64(), rng.IntN(46)-28))
		i, exact := slices.BinarySearch(finite, float64(f))
		if exact {
			continue
		}
		var want uint16
		switch {
		case i == len(finite): // beyond the largest half: half a unit more is infinity
			want = 0x7bff
			if f >= 65520 {
				want = 0x7c00
			}
		default:
			below, above := float64(f)-finite[i-1], finite[i]-float64(f)
			want = uint16(i)
			if below < above || below == above && i%2 == 1 {
				want = uint16(i - 1)
			}
		}
		if got := Float32ToFloat16(f); got != want {
			t.Fatalf("%v became %#04x, want %#04x", f, got, want)
		}
		if got := Float32ToFloat16(-f); got != want|0x8000 {
			t.Fatalf("%v became %#04x, want %#04x", -f, got, want|0x8000)
		}
	}
	if h := Float32ToFloat16(float32(math.NaN())); h&0x7c00 != 0x7c00 || h&0x3ff == 0 {
		t.Errorf("NaN became %#04x", h)
	}
}

// define16 computes a binary16 number by its definition in IEEE 754.
func define16(h uint16) float64 {
	sign := 1.0
	if h>>15 == 1 {
		sign = -1
	}
	exponent, fraction := int(h>>10&0x1f), float64(h&0x3ff)
	switch exponent {
	case 0:
		return math.Copysign(math.Ldexp(fraction, -24), sign)
	case 31:
		if fraction == 0 {
			return math.Inf(int(sign))
		}
		return math.NaN()
	}
	return sign * math.Ldexp(1+fraction/1024, exponent-15)
}

func TestFloats(t *testing.T) {
	tests := []struct {
		x    *Tensor
		want []float64
	}{
		{Of([]int64{2}, []int8{-1, 2}), []float64{-1, 2}},
		{Of([]int64{2}, []uint64{0, 1 << 40}), []float64{0, 1 << 40}},
		{Of([]int64{2}, []bool{true, false}), []float64{1, 0}},
		{&Tensor{DType: Float16, Shape: []int64{1}, Data: []byte{0, 0x3c}}, []float64{1}},
		{&Tensor{DType: BFloat16, Shape: []int64{1}, Data: []byte{0x80, 0x3f}}, []float64{1}},
	}
	for _, test := range tests {
		if got, err := test.x.Floats(); err != nil || !slices.Equal(got, test.want) {
			t.Errorf("%v: %v, %v, want %v", test.x, got, err, test.want)
		}
	}
	if _, err := (&Tensor{DType: String, Shape: []int64{1}, Strings: []string{"1"}}).Floats(); err == nil {
		t.Error("strings were read as numbers")
	}
}

// TestFromFloat32s: numbers are those that Float32s gives back, in float16 rounded, and integers
// are refused.
func TestFromFloat32s(t *testing.T) {
	values := []float32{0, -1.5, 1.0 / 3, 70000, float32(math.Inf(-1))}
	for dtype, want := range map[DType][]float32{
		Float32: values, Float64: values, Float16: {0, -1.5, 0.33325195, float32(math.Inf(1)), float32(math.Inf(-1))}, // 0x3555: 1365 / 4096
	} {
		x, err := FromFloat32s(dtype, []int64{5}, values)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := x.Float32s(); err != nil || x.DType != dtype || !slices.Equal(got, want) {
			t.Errorf("%v: %v, expected %v (%v)", dtype, got, want, err)
		}
	}
	if _, err := FromFloat32s(Int8, []int64{1}, values[:1]); err == nil {
		t.Error("a number became an integer")
	}
}
