package train

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// TestFolder: what a training gave is told for its own pair alone, one process works in a
// folder, and a training that is done leaves log and curves.
func TestFolder(t *testing.T) {
	dir := FolderOf(filepath.Join(t.TempDir(), "net.onnx"))
	if !strings.HasSuffix(string(dir), "net.train") {
		t.Errorf("%s", dir)
	}
	unlock, err := dir.Lock()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := dir.Lock(); err == nil || !strings.Contains(err.Error(), "another training works in "+string(dir)) {
		t.Errorf("locked twice: %v", err)
	}
	unlock()
	if _, err := os.Stat(string(dir)); err == nil {
		t.Error("an empty folder is left")
	}
	if unlock, err = dir.Lock(); err != nil {
		t.Fatal(err)
	}
	defer unlock()
	w := &Written{Pair: "ab", History: &History{Kept: 2, Epochs: []Epoch{{Epoch: 1, Judged: Judged{Top1: new(0.5)}}}}, Requantised: true}
	if err := dir.Note(w); err != nil {
		t.Fatal(err)
	}
	if got, err := dir.Written("ab"); err != nil || !reflect.DeepEqual(got, w) {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err := dir.Written("cd"); err != nil || got != nil {
		t.Errorf("of another pair: %+v, %v", got, err)
	}
	for _, file := range []string{dir.Checkpoint(), dir.Checkpoint() + ".best", dir.Log(), dir.Curves()} {
		if err := os.WriteFile(file, []byte("x"), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	if held, err := dir.HasCheckpoint(); err != nil || !held {
		t.Errorf("checkpoint: %v, %v", held, err)
	}
	if err := dir.Finish(); err != nil {
		t.Fatal(err)
	}
	left, err := filepath.Glob(filepath.Join(string(dir), "*"))
	if want := []string{dir.Curves(), filepath.Join(string(dir), "lock"), dir.Log()}; err != nil || !reflect.DeepEqual(left, want) {
		t.Errorf("%v, %v: expected %v", left, err, want)
	}
}
