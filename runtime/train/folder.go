package train

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/bottlenet/bnc/internal/files"
)

// Folder is the folder of a training: its log, its curves, and until it is done its
// checkpoint. One process works in it at a time.
type Folder string

// FolderOf is the folder of a training that writes a model or bundle.
func FolderOf(destination string) Folder {
	return Folder(strings.TrimSuffix(destination, ".onnx") + ".train")
}

// Names in a training's folder.
const (
	LogFile    = "log.jsonl"
	CurvesFile = "curves.html"
	// checkpointFile is the checkpoint; the best state's name goes on with bestSuffix.
	checkpointFile = "checkpoint"
	// writtenFile tells what a training that is done gave, as long as its bundle may not
	// be in place yet: see Written.
	writtenFile = "written"
	// lockFile is held by the process that trains.
	lockFile = "lock"
)

// bestSuffix ends the name of the best state, beside the checkpoint.
const bestSuffix = ".best"

// Log is the path of the log, a JSON object a line.
func (f Folder) Log() string { return filepath.Join(string(f), LogFile) }

// Curves is the path of the page of charts.
func (f Folder) Curves() string { return filepath.Join(string(f), CurvesFile) }

// Checkpoint is the path of the checkpoint.
func (f Folder) Checkpoint() string { return filepath.Join(string(f), checkpointFile) }

// HasCheckpoint reports whether there is a training that can be gone on with.
func (f Folder) HasCheckpoint() (bool, error) {
	_, err := os.Stat(f.Checkpoint())
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// Lock makes the folder and keeps other processes out of it. Unlock gives it back, and
// removes the folder where nothing was put into it.
func (f Folder) Lock() (unlock func(), err error) {
	if err := os.MkdirAll(string(f), 0o777); err != nil {
		return nil, err
	}
	lock, err := files.TryLock(filepath.Join(string(f), lockFile))
	if held := (*files.HeldError)(nil); errors.As(err, &held) {
		return nil, fmt.Errorf("another training works in %s, %s: wait for it, or write to another option output", f, held.By)
	}
	if err != nil {
		return nil, err
	}
	return func() {
		lock.Unlock()
		os.Remove(string(f)) // fails where there is something in it
	}, nil
}

// Finish removes the checkpoint of a training that is done.
func (f Folder) Finish() error {
	return f.remove(checkpointFile, checkpointFile+bestSuffix, writtenFile)
}

// Forget removes what a training before has noted of what it gave.
func (f Folder) Forget() error { return f.remove(writtenFile) }

func (f Folder) remove(names ...string) error {
	for _, name := range names {
		if err := os.Remove(filepath.Join(string(f), name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// Written is what a training gave whose bundle is about to be put in place. Where the
// bundle of that pair is there, the training is done, also where its process ended
// before it could say so; a checkpoint could not be gone on from, since what it began
// with is replaced.
type Written struct {
	Pair        string   `json:"pair"`
	History     *History `json:"history"`
	Requantised bool     `json:"requantised"` // the quantiser was given another range than it was judged with
}

// Note writes w into the folder.
func (f Folder) Note(w *Written) error {
	b, err := json.Marshal(w)
	if err != nil {
		return err
	}
	return files.Write(filepath.Join(string(f), writtenFile), b)
}

// Written returns what the training in f gave where it has put the bundle of that pair in
// place, else nil.
func (f Folder) Written(pair string) (*Written, error) {
	b, err := os.ReadFile(filepath.Join(string(f), writtenFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	w := new(Written)
	if err := json.Unmarshal(b, w); err != nil || w.Pair != pair {
		return nil, nil // the bundle was not replaced: the training goes on
	}
	return w, nil
}
