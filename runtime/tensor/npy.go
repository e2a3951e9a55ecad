package tensor

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Limits on what a .npy header may claim, so that a hostile file cannot make
// the reader allocate without bounds.
const (
	maxNPYHeader = 1 << 16
	maxNPYRank   = 32
	// readStep is how much is allocated ahead of the bytes that really came.
	readStep = 1 << 20
)

// npyMagic begins every .npy file.
const npyMagic = "\x93NUMPY"

// npyTypes maps numpy's type codes, without the byte-order mark, to types.
var npyTypes = map[string]DType{
	"f2": Float16, "f4": Float32, "f8": Float64,
	"i1": Int8, "i2": Int16, "i4": Int32, "i8": Int64,
	"u1": Uint8, "u2": Uint16, "u4": Uint32, "u8": Uint64,
	"b1": Bool,
}

// The three fields of a .npy header, a Python dictionary literal written by
// numpy.lib.format.
var (
	npyDescr   = regexp.MustCompile(`'descr'\s*:\s*'([<>|=]?)([a-zA-Z]\d*)'`)
	npyFortran = regexp.MustCompile(`'fortran_order'\s*:\s*(True|False)`)
	npyShape   = regexp.MustCompile(`'shape'\s*:\s*\(([0-9,\sL]*)\)`)
)

// ReadNPYFile reads a .npy file; errors name it.
func ReadNPYFile(path string) (*Tensor, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	t, err := ReadNPY(bufio.NewReader(f))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return t, nil
}

// ReadNPY reads an array in numpy's .npy format, versions 1.0 to 3.0
// (numpy.lib.format), of either byte order and of C or Fortran memory order;
// the result is always little-endian and in C order. Structured, object,
// string and complex types are refused. Memory grows with the bytes that are
// there, not with what the header claims. Bytes after the array are left
// unread.
func ReadNPY(r io.Reader) (*Tensor, error) {
	header, err := readNPYHeader(r)
	if err != nil {
		return nil, err
	}
	descr := npyDescr.FindStringSubmatch(header)
	fortran := npyFortran.FindStringSubmatch(header)
	dims := npyShape.FindStringSubmatch(header)
	if descr == nil || fortran == nil || dims == nil {
		return nil, fmt.Errorf(".npy header %.80q: expected a plain array's 'descr', 'fortran_order' and 'shape'; save one array of numbers with numpy.save", header)
	}
	dtype, ok := npyTypes[descr[2]]
	if !ok {
		return nil, fmt.Errorf(".npy element type %q is not supported: convert it to float32 or another plain number", descr[1]+descr[2])
	}
	shape, err := parseNPYShape(dims[1])
	if err != nil {
		return nil, err
	}
	n, err := Elements(shape)
	if err != nil {
		return nil, fmt.Errorf(".npy: %w", err)
	}
	if n > (1<<62)/dtype.Size() {
		return nil, fmt.Errorf(".npy shape %v of %v is too large", shape, dtype)
	}
	data, err := readGrowing(r, n*dtype.Size())
	if err != nil {
		return nil, fmt.Errorf(".npy array %v%v needs %d bytes: %w", dtype, shape, n*dtype.Size(), err)
	}
	if descr[1] == ">" {
		swapBytes(data, dtype.Size())
	}
	if fortran[1] == "True" && n > 0 {
		data = transpose(data, shape, dtype.Size())
	}
	return FromBytes(dtype, shape, data)
}

// readNPYHeader checks magic and version and returns the dictionary literal.
func readNPYHeader(r io.Reader) (string, error) {
	var start [8]byte
	if _, err := io.ReadFull(r, start[:]); err != nil {
		return "", fmt.Errorf(".npy header: %w", err)
	}
	if string(start[:6]) != npyMagic {
		return "", fmt.Errorf("not a .npy file: expected it to begin with \\x93NUMPY, found %q", start[:6])
	}
	lengthBytes := 4
	switch start[6] {
	case 1:
		lengthBytes = 2
	case 2, 3:
	default:
		return "", fmt.Errorf(".npy version %d.%d is unknown: versions 1 to 3 can be read", start[6], start[7])
	}
	var length [4]byte
	if _, err := io.ReadFull(r, length[:lengthBytes]); err != nil {
		return "", fmt.Errorf(".npy header: %w", err)
	}
	n := binary.LittleEndian.Uint32(length[:])
	if n > maxNPYHeader {
		return "", fmt.Errorf(".npy header claims %d bytes, at most %d are taken", n, maxNPYHeader)
	}
	header := make([]byte, n)
	if _, err := io.ReadFull(r, header); err != nil {
		return "", fmt.Errorf(".npy header: %w", err)
	}
	return string(header), nil
}

// parseNPYShape reads the inside of a Python tuple of integers: "", "3,",
// "2, 3".
func parseNPYShape(text string) ([]int64, error) {
	shape := []int64{}
	for _, field := range strings.Split(text, ",") {
		field = strings.TrimSuffix(strings.TrimSpace(field), "L")
		if field == "" {
			continue
		}
		d, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return nil, fmt.Errorf(".npy shape (%s): %w", text, err)
		}
		if len(shape) == maxNPYRank {
			return nil, fmt.Errorf(".npy shape (%s): more than %d dimensions", text, maxNPYRank)
		}
		shape = append(shape, d)
	}
	return shape, nil
}

// readGrowing reads exactly n bytes, allocating as they arrive.
func readGrowing(r io.Reader, n int) ([]byte, error) {
	if n <= readStep {
		data := make([]byte, n)
		_, err := io.ReadFull(r, data)
		return data, err
	}
	var buf bytes.Buffer
	buf.Grow(readStep)
	got, err := io.CopyN(&buf, r, int64(n))
	if err == io.EOF {
		err = fmt.Errorf("the file ends after %d: %w", got, io.ErrUnexpectedEOF)
	}
	return buf.Bytes(), err
}

// swapBytes turns big-endian elements of the given size into little-endian.
func swapBytes(data []byte, size int) {
	for i := 0; i+size <= len(data); i += size {
		slices.Reverse(data[i : i+size])
	}
}

// transpose returns the elements of a column-major array in row-major order.
func transpose(data []byte, shape []int64, size int) []byte {
	out := make([]byte, 0, len(data))
	strides := make([]int, len(shape))
	stride := size
	for i, d := range shape {
		strides[i] = stride
		stride *= int(d)
	}
	var walk func(axis, offset int)
	walk = func(axis, offset int) {
		if axis == len(shape) {
			out = append(out, data[offset:offset+size]...)
			return
		}
		for i := range int(shape[axis]) {
			walk(axis+1, offset+i*strides[axis])
		}
	}
	walk(0, 0)
	return out
}

// WriteNPY writes a tensor of numbers or bools as a .npy file of format 1.0, little-endian
// and in C order. BFloat16, which numpy does not know, is written as float32.
func WriteNPY(w io.Writer, t *Tensor) error {
	if t.DType == BFloat16 {
		values, err := t.Float32s()
		if err != nil {
			return err
		}
		t = Of(t.Shape, values)
	}
	var descr string
	for name, dtype := range npyTypes {
		if dtype == t.DType {
			descr = name
		}
	}
	if descr == "" {
		return fmt.Errorf("a tensor of type %v cannot be written as .npy", t.DType)
	}
	order := "<"
	if t.DType.Size() == 1 {
		order = "|"
	}
	dims := make([]string, len(t.Shape))
	for i, d := range t.Shape {
		dims[i] = strconv.FormatInt(d, 10) + ","
	}
	header := fmt.Sprintf("{'descr': '%s%s', 'fortran_order': False, 'shape': (%s), }", order, descr, strings.Join(dims, " "))
	header += strings.Repeat(" ", 63-(len(npyMagic)+4+len(header))%64) + "\n" // data is aligned at 64 bytes
	head := append([]byte(npyMagic), 1, 0)
	head = binary.LittleEndian.AppendUint16(head, uint16(len(header)))
	for _, b := range [][]byte{head, []byte(header), t.Data} {
		if _, err := w.Write(b); err != nil {
			return err
		}
	}
	return nil
}
