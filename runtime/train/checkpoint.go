package train

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"

	"github.com/bottlenet/bnc/runtime/ort"
	"github.com/bottlenet/bnc/runtime/tensor"
)

// A checkpoint is one file: the magic, the length of a JSON header (uint64,
// little-endian), the header, the tensors of state one after another as
// little-endian float32 in the header's order, and a CRC-32 of all that.
const checkpointMagic = "bncckpt1"

// header is what a checkpoint says beside the numbers.
type header struct {
	Settings string        `json:"settings"` // identity of the training; another's checkpoint is refused
	Steps    int           `json:"steps"`
	State    []stateTensor `json:"state"`
	Progress progress      `json:"progress"`
}

// ErrOtherTraining is the answer to a checkpoint of a training with other
// settings, data or weights.
var ErrOtherTraining = errors.New("the checkpoint is of a training with other settings")

// save writes the state and what the loop knows, all or nothing.
func (t *Trainer) save(path string, settings string, p progress) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*.tmp")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(f.Name())
		}
	}()
	head, err := json.Marshal(header{settings, t.steps, t.man.State, p})
	if err != nil {
		return err
	}
	sum := crc32.NewIEEE()
	buffered := bufio.NewWriterSize(f, 1<<20)
	w := io.MultiWriter(buffered, sum)
	parts := [][]byte{[]byte(checkpointMagic), binary.LittleEndian.AppendUint64(nil, uint64(len(head))), head}
	for _, s := range t.man.State {
		parts = append(parts, t.state[s.Name].Data)
	}
	for _, p := range parts {
		if _, err := w.Write(p); err != nil {
			return err
		}
	}
	if _, err := buffered.Write(binary.LittleEndian.AppendUint32(nil, sum.Sum32())); err != nil {
		return err
	}
	if err := buffered.Flush(); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// load restores what save wrote. A damaged file, or one of another training,
// changes nothing.
func (t *Trainer) load(path string, settings string) (p progress, err error) {
	f, err := os.Open(path)
	if err != nil {
		return p, err
	}
	defer f.Close()
	fail := func(err error) (progress, error) {
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			err = errors.New("the file is cut off")
		}
		return progress{}, fmt.Errorf("checkpoint %s: %w", path, err)
	}
	sum := crc32.NewIEEE()
	in := bufio.NewReaderSize(f, 1<<20)
	r := io.TeeReader(in, sum)
	start := make([]byte, len(checkpointMagic)+8)
	if _, err := io.ReadFull(r, start); err != nil {
		return fail(err)
	}
	if string(start[:len(checkpointMagic)]) != checkpointMagic {
		return fail(errors.New("the file is no checkpoint of bnc train"))
	}
	size := binary.LittleEndian.Uint64(start[len(checkpointMagic):])
	if st, err := f.Stat(); err != nil || size > uint64(st.Size()) {
		return fail(errors.New("the file is damaged"))
	}
	doc := make([]byte, size)
	if _, err := io.ReadFull(r, doc); err != nil {
		return fail(err)
	}
	var h header
	if err := json.Unmarshal(doc, &h); err != nil {
		return fail(err)
	}
	if h.Settings != settings {
		return fail(ErrOtherTraining)
	}
	state := ort.Feed{}
	for _, s := range h.State {
		if t.state[s.Name] == nil || t.state[s.Name].Len() != int(param{Dims: s.Dims}.len()) {
			return fail(ErrOtherTraining)
		}
		x, err := tensor.New(tensor.Float32, s.Dims...)
		if err != nil {
			return fail(err)
		}
		if _, err := io.ReadFull(r, x.Data); err != nil {
			return fail(err)
		}
		state[s.Name] = x
	}
	if len(state) != len(t.state) {
		return fail(ErrOtherTraining)
	}
	want := sum.Sum32()
	var tail [4]byte
	if _, err := io.ReadFull(in, tail[:]); err != nil {
		return fail(err)
	}
	if binary.LittleEndian.Uint32(tail[:]) != want {
		return fail(errors.New("the file is damaged"))
	}
	for name, x := range state {
		copy(t.state[name].Data, x.Data)
	}
	t.steps = h.Steps
	return h.Progress, nil
}
