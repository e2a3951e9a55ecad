package ir_test

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/bottlenet/bnc/compiler/ir"
)

// TestFloatsAs looks for the nearest of all 65536 numbers of the 16-bit types, the
// even one of two.
func TestFloatsAs(t *testing.T) {
	for _, d := range []ir.DType{ir.Float16, ir.BFloat16} {
		var raw []byte
		for i := range 1 << 16 {
			raw = binary.LittleEndian.AppendUint16(raw, uint16(i))
		}
		all, err := ir.NewTensor(d, []int64{1 << 16}, ir.Memory(raw)).Floats()
		if err != nil {
			t.Fatal(err)
		}
		type number struct {
			value float64
			bits  uint16
		}
		var known []number
		for i, v := range all {
			if f := float64(v); !math.IsNaN(f) && !math.IsInf(f, 0) {
				known = append(known, number{f, uint16(i)})
			}
		}
		slices.SortFunc(known, func(a, b number) int {
			switch {
			case a.value < b.value:
				return -1
			case a.value > b.value:
				return 1
			}
			return int(b.bits) - int(a.bits) // -0 before 0
		})
		r := rand.New(rand.NewPCG(1, uint64(d)))
		var asked []float32
		for range 2000 {
			at := r.IntN(len(known) - 1)
			a, b := known[at].value, known[at+1].value
			asked = append(asked, float32(a), float32((a+b)/2), float32(a+(b-a)*r.Float64()))
		}
		if d == ir.Float16 {
			asked = append(asked, 1e9, -1e9, 65504, 65505)
		}
		got, err := ir.FloatsAs(d, asked, int64(len(asked)))
		if err != nil {
			t.Fatal(err)
		}
		values, err := got.Floats()
		if err != nil {
			t.Fatal(err)
		}
		for i, x := range asked {
			at, _ := slices.BinarySearchFunc(known, float64(x), func(n number, x float64) int {
				switch {
				case n.value < x:
					return -1
				case n.value > x:
					return 1
				}
				return 0
			})
			hi := known[min(at, len(known)-1)]
			lo := known[max(min(at, len(known)-1)-1, 0)]
			want, low, high := hi, float64(x)-lo.value, hi.value-float64(x)
			if at == len(known) || low < high || low == high && lo.bits%2 == 0 {
				want = lo
			}
			if at == len(known) {
				want = hi // beyond the range: the largest
			}
			if float64(values[i]) != want.value {
				t.Fatalf("%v: %v becomes %v, expected %v", d, x, values[i], want.value)
			}
		}
	}
	if _, err := ir.FloatsAs(ir.Int8, []float32{1}, 1); err == nil {
		t.Error("int8 is taken for floats")
	}
}
