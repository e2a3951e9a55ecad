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

	"github.com/bottlenet/bnc/internal/files"
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
	Progress position      `json:"progress"`
}

// ErrOtherTraining is the answer to a checkpoint of a training with other
// settings, data or weights.
var ErrOtherTraining = errors.New("the checkpoint is of a training with other settings")

// ErrDamaged is the answer to a checkpoint that cannot be made out.
var ErrDamaged = errors.New("the file is damaged, or no checkpoint of bnc train")

// save writes the state and what the loop knows, all or nothing.
func (t *Trainer) save(path string, settings string, p position) error {
	f, err := files.Create(path)
	if err != nil {
		return err
	}
	defer f.Discard()
	head, err := json.Marshal(header{settings, t.steps, t.man.kept(), p})
	if err != nil {
		return err
	}
	sum := crc32.NewIEEE()
	buffered := bufio.NewWriterSize(f, 1<<20)
	w := io.MultiWriter(buffered, sum)
	parts := [][]byte{[]byte(checkpointMagic), binary.LittleEndian.AppendUint64(nil, uint64(len(head))), head}
	for _, s := range t.man.kept() {
		parts = append(parts, t.tensor(s.Name).Data)
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
	return f.Commit()
}

// load restores what save wrote. A damaged file, or one of another training,
// changes nothing.
func (t *Trainer) load(path string, settings string) (position, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return position{}, err
	}
	h, numbers, err := parseCheckpoint(b)
	if err == nil && (h.Settings != settings || !t.holds(h.State, len(numbers))) {
		err = ErrOtherTraining
	}
	if err != nil {
		return position{}, fmt.Errorf("checkpoint %s: %w", path, err)
	}
	for _, s := range h.State {
		numbers = numbers[copy(t.tensor(s.Name).Data, numbers):]
	}
	t.steps = h.Steps
	return h.Progress, nil
}

// parseCheckpoint checks the contents of a checkpoint and takes the header off.
func parseCheckpoint(b []byte) (h header, numbers []byte, err error) {
	body, magic := len(b)-crc32.Size, len(checkpointMagic)
	if body < magic+8 || string(b[:magic]) != checkpointMagic || crc32.ChecksumIEEE(b[:body]) != binary.LittleEndian.Uint32(b[body:]) {
		return h, nil, ErrDamaged
	}
	b = b[magic:body]
	size := binary.LittleEndian.Uint64(b)
	if b = b[8:]; size > uint64(len(b)) {
		return h, nil, ErrDamaged
	}
	if err := json.Unmarshal(b[:size], &h); err != nil {
		return h, nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return h, b[size:], nil
}

// holds tells whether the trainer's state is of those tensors, which take so many
// bytes.
func (t *Trainer) holds(state []stateTensor, bytes int) bool {
	for _, s := range state {
		x := t.tensor(s.Name)
		if x == nil || x.Len() != int(param{Dims: s.Dims}.len()) {
			return false
		}
		bytes -= len(x.Data)
	}
	return bytes == 0 && len(state) == len(t.man.kept())
}
