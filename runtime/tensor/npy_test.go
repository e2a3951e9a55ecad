package tensor_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/bottlenet/bnc/internal/rttest"
	"github.com/bottlenet/bnc/runtime/tensor"
)

// writeArrays has numpy write one array in many types, both byte orders, both
// memory orders and all format versions, with the values 0..23 in 2x3x4.
const writeArrays = `
import itertools, sys, numpy as np
for kind, order, version in itertools.product(
        ["<f2", "<f4", ">f4", "<f8", ">f8", "|i1", "|u1", "<i2", ">i2", "<u2", "<i4", ">i4", "<u4", "<i8", ">i8", "<u8"],
        ["C", "F"], [(1, 0), (2, 0), (3, 0)]):
    a = np.asarray(np.arange(24).reshape(2, 3, 4).astype(kind), order=order)
    name = "%s-%s-%d.npy" % (kind.replace("<", "le").replace(">", "be").replace("|", "no"), order, version[0])
    with open(sys.argv[1] + "/" + name, "wb") as f:
        np.lib.format.write_array(f, a, version=version)
`

func TestReadNPYAgainstNumpy(t *testing.T) {
	dir := t.TempDir()
	rttest.Python(t, writeArrays, dir)
	files, err := filepath.Glob(filepath.Join(dir, "*.npy"))
	if err != nil || len(files) != 16*2*3 {
		t.Fatalf("numpy wrote %d files, %v", len(files), err)
	}
	var want []float64
	for i := range 24 {
		want = append(want, float64(i))
	}
	for _, path := range files {
		x, err := tensor.ReadNPYFile(path)
		if err != nil {
			t.Errorf("%s: %v", filepath.Base(path), err)
			continue
		}
		if got, _ := x.Floats(); !slices.Equal(got, want) || !slices.Equal(x.Shape, []int64{2, 3, 4}) {
			t.Errorf("%s: %v %v", filepath.Base(path), x, got)
		}
	}
}

// npy puts a .npy file of version 1 together.
func npy(header string, data ...byte) []byte {
	file := append([]byte("\x93NUMPY\x01\x00"), binary.LittleEndian.AppendUint16(nil, uint16(len(header)))...)
	return append(append(file, header...), data...)
}

func dict(descr, fortran, shape string) string {
	return fmt.Sprintf("{'descr': '%s', 'fortran_order': %s, 'shape': %s, }\n", descr, fortran, shape)
}

func TestReadNPYByHand(t *testing.T) {
	tests := []struct {
		file  []byte
		shape []int64
		want  []float64
	}{
		{npy(dict("|u1", "False", "()"), 7), []int64{}, []float64{7}},
		{npy(dict("|b1", "False", "(2,)"), 1, 0), []int64{2}, []float64{1, 0}},
		{npy(dict(">i2", "False", "(1, 2)"), 1, 0, 0, 2), []int64{1, 2}, []float64{256, 2}},
		{npy(dict("|i1", "True", "(2, 3)"), 1, 4, 2, 5, 3, 6), []int64{2, 3}, []float64{1, 2, 3, 4, 5, 6}},
		{npy(dict("<f4", "True", "(1000000000000, 0)")), []int64{1000000000000, 0}, []float64{}},
	}
	for _, test := range tests {
		x, err := tensor.ReadNPY(bytes.NewReader(test.file))
		if err != nil {
			t.Errorf("%q: %v", test.file, err)
			continue
		}
		if got, _ := x.Floats(); !slices.Equal(x.Shape, test.shape) || !slices.Equal(got, test.want) {
			t.Errorf("%q: %v %v", test.file, x, got)
		}
	}
}

func TestReadNPYRefuses(t *testing.T) {
	tests := map[string]struct {
		file []byte
		want string
	}{
		"other file":     {[]byte("\xff\xd8\xff\xe0 not numpy"), "not a .npy file"},
		"empty":          {nil, "header"},
		"version":        {[]byte("\x93NUMPY\x09\x00\x10\x00"), "version 9.0"},
		"long header":    {append([]byte("\x93NUMPY\x02\x00"), 0xff, 0xff, 0xff, 0xff), "at most"},
		"objects":        {npy(dict("|O", "False", "(1,)")), "|O"},
		"text":           {npy(dict("<U4", "False", "(1,)")), "U4"},
		"complex":        {npy(dict("<c8", "False", "(1,)")), "c8"},
		"structured":     {npy("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,), }\n"), "descr"},
		"huge":           {npy(dict("<f4", "False", "(1000000000000,)"), 1, 2, 3), "unexpected EOF"},
		"overflow":       {npy(dict("<f4", "False", "(4611686018427387904, 4)")), "address"},
		"number":         {npy(dict("<f4", "False", "(99999999999999999999,)")), "shape"},
		"too many axes":  {npy(dict("|u1", "False", "("+strings.Repeat("1,", 40)+")"), 1), "dimensions"},
		"cut in the end": {npy(dict("<f4", "False", "(2,)"), 1, 2, 3, 4, 5), "needs 8 bytes"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			x, err := tensor.ReadNPY(bytes.NewReader(test.file))
			if err == nil {
				t.Fatalf("it was read as %v", x)
			}
			if !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %q does not say %q", err, test.want)
			}
		})
	}
	_, err := tensor.ReadNPYFile(filepath.Join(t.TempDir(), "absent.npy"))
	if !os.IsNotExist(err) {
		t.Errorf("%v", err)
	}
}

func FuzzReadNPY(f *testing.F) {
	f.Add(npy(dict("<f4", "False", "(1, 2)"), 0, 0, 0, 0, 1, 2, 3, 4))
	f.Add(npy(dict(">u2", "True", "(2, 2)"), 1, 2, 3, 4, 5, 6, 7, 8))
	f.Fuzz(func(t *testing.T, file []byte) {
		x, err := tensor.ReadNPY(bytes.NewReader(file))
		if err != nil {
			return
		}
		if err := x.Validate(); err != nil {
			t.Errorf("a tensor that is not whole: %v", err)
		}
	})
}

// TestWriteNPYAgainstNumpy: numpy reads what is written, with mmap_mode too, which wants the
// data where format 1.0 says; scalars and empty arrays as well.
func TestWriteNPYAgainstNumpy(t *testing.T) {
	dir := t.TempDir()
	all := map[string]*tensor.Tensor{
		"f4":    tensor.Of([]int64{2, 3}, []float32{1.5, -2, 0.25, 3, 4, 5}),
		"f8":    tensor.Of([]int64{2}, []float64{1e300, -1}),
		"i8":    tensor.Of([]int64{1, 2}, []int64{1 << 60, -3}),
		"u1":    tensor.Of([]int64{3}, []uint8{0, 7, 255}),
		"one":   tensor.Of([]int64{}, []int32{-9}),
		"empty": tensor.Of([]int64{0, 4}, []float32{}),
	}
	half, err := tensor.FromBytes(tensor.BFloat16, []int64{2}, []byte{0x80, 0x3f, 0, 0xc0}) // 1, -2
	if err != nil {
		t.Fatal(err)
	}
	all["bf16"] = half
	for name, x := range all {
		var b bytes.Buffer
		if err := tensor.WriteNPY(&b, x); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if err := os.WriteFile(filepath.Join(dir, name+".npy"), b.Bytes(), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	got := string(rttest.Python(t, `
import sys, numpy as np
for name in ["f4", "f8", "i8", "u1", "one", "empty", "bf16"]:
    a = np.load(sys.argv[1] + "/" + name + ".npy")
    if a.size: assert (np.load(sys.argv[1] + "/" + name + ".npy", mmap_mode="r") == a).all()
    assert open(sys.argv[1] + "/" + name + ".npy", "rb").read().index(b"\n") % 64 == 63
    print(name, a.dtype, list(a.shape), a.ravel().tolist())
`, dir))
	want := `f4 float32 [2, 3] [1.5, -2.0, 0.25, 3.0, 4.0, 5.0]
f8 float64 [2] [1e+300, -1.0]
i8 int64 [1, 2] [1152921504606846976, -3]
u1 uint8 [3] [0, 7, 255]
one int32 [] [-9]
empty float32 [0, 4] []
bf16 float32 [2] [1.0, -2.0]
`
	if got != want {
		t.Errorf("numpy reads\n%s\nexpected\n%s", got, want)
	}
	if err := tensor.WriteNPY(new(bytes.Buffer), &tensor.Tensor{DType: tensor.String, Shape: []int64{1}, Strings: []string{"a"}}); err == nil {
		t.Error("strings are written")
	}
}
