package train

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/bottlenet/bnc/runtime/ort"
	"github.com/bottlenet/bnc/runtime/tensor"
)

// stateOnly is a trainer that can be saved and loaded, but does no steps.
func stateOnly(scale float32) *Trainer {
	man := &manifest{State: []stateTensor{{Name: "w:"}, {Name: "w:conv"}}}
	man.State[0].Dims, man.State[1].Dims = []int64{3}, []int64{2, 1, 2}
	t := &Trainer{man: man, state: ort.Feed{}, steps: int(scale)}
	for _, s := range man.State {
		values := make([]float32, param{Dims: s.Dims}.len())
		for i := range values {
			values[i] = scale * float32(i+1)
		}
		t.state[s.Name] = tensor.Of(s.Dims, values)
	}
	return t
}

func sameState(a, b *Trainer) bool {
	for name, x := range a.state {
		if !bytes.Equal(x.Data, b.state[name].Data) {
			return false
		}
	}
	return a.steps == b.steps
}

// TestCheckpoint restores what was saved.
func TestCheckpoint(t *testing.T) {
	path := filepath.Join(t.TempDir(), "checkpoint")
	top1, best := 0.5, 0.7
	p := position{Epoch: 3, Step: 7, LossSum: 1.0 / 3, Hits: 11, Seconds: 0.1, Slower: 2, Best: 2, Score: &best, Start: &Validation{Judged: Judged{Agreement: &top1}}, Done: []Epoch{{Epoch: 1, Loss: 2.5, Judged: Judged{Top1: &top1}}}}
	saved := stateOnly(5)
	if err := saved.save(path, "settings", p); err != nil {
		t.Fatal(err)
	}
	restored := stateOnly(1)
	got, err := restored.load(path, "settings")
	if err != nil || !sameState(saved, restored) || !reflect.DeepEqual(got, p) {
		t.Errorf("%+v, %v", got, err)
	}
	if left, err := os.ReadDir(filepath.Dir(path)); err != nil || len(left) != 1 {
		t.Errorf("left %v, %v", left, err)
	}
}

// TestCheckpointDamage flips every byte and cuts at every length: each is an
// error, and changes nothing.
func TestCheckpointDamage(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "checkpoint")
	if err := stateOnly(5).save(path, "settings", position{Epoch: 1}); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	try := func(what string, at int, b []byte) {
		if err := os.WriteFile(path, b, 0o644); err != nil {
			t.Fatal(err)
		}
		tr := stateOnly(1)
		if p, err := tr.load(path, "settings"); err == nil || !sameState(tr, stateOnly(1)) || !reflect.DeepEqual(p, position{}) {
			t.Errorf("%s %d: %v, progress %+v", what, at, err, p)
		}
	}
	for i := range whole {
		for _, mask := range []byte{0x01, 0x80} {
			b := bytes.Clone(whole)
			b[i] ^= mask
			try("flipped byte", i, b)
		}
		try("cut at", i, whole[:i])
	}
	try("one byte more than", len(whole), append(bytes.Clone(whole), 0))
}

// TestCheckpointOfAnother training is refused, whatever is different.
func TestCheckpointOfAnother(t *testing.T) {
	path := filepath.Join(t.TempDir(), "checkpoint")
	if err := stateOnly(5).save(path, "settings", position{}); err != nil {
		t.Fatal(err)
	}
	fewer, larger, renamed := stateOnly(1), stateOnly(1), stateOnly(1)
	delete(fewer.state, "w:")
	larger.state["w:"] = tensor.Of([]int64{4}, []float32{1, 2, 3, 4})
	renamed.state["other"] = renamed.state["w:"]
	delete(renamed.state, "w:")
	for what, tr := range map[string]*Trainer{"fewer": fewer, "larger": larger, "renamed": renamed} {
		if _, err := tr.load(path, "settings"); !errors.Is(err, ErrOtherTraining) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, err := stateOnly(1).load(path, "other"); !errors.Is(err, ErrOtherTraining) {
		t.Errorf("other settings: %v", err)
	}
	if _, err := stateOnly(1).load(path+".missing", "settings"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing file: %v", err)
	}
}

// TestCheckpointThatFails leaves the one before and nothing else.
func TestCheckpointThatFails(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "checkpoint")
	if err := os.Mkdir(path, 0o755); err != nil { // cannot be replaced by a file
		t.Fatal(err)
	}
	if err := stateOnly(5).save(path, "settings", position{}); err == nil {
		t.Error("no error")
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
		t.Errorf("left %v, %v", left, err)
	}
}
