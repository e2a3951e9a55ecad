package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/bottlenet/bnc/internal/files"
	"github.com/bottlenet/bnc/runtime/train"
)

// Names in a training's folder, beside the log and the curves.
const (
	// checkpointFile is the checkpoint; the best state's name goes on with ".best".
	checkpointFile = "checkpoint"
	// writtenFile tells what a training that is done gave, as long as its bundle may
	// not be in place yet: see written.
	writtenFile = "written"
	// lockFile is held by the process that trains.
	lockFile = "lock"
)

// lockTraining makes a training's folder and keeps others out of it. Unlock gives it
// back, and removes the folder where nothing was put into it.
func lockTraining(dir string) (unlock func(), err error) {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, err
	}
	lock, err := files.TryLock(filepath.Join(dir, lockFile))
	if held := (*files.HeldError)(nil); errors.As(err, &held) {
		return nil, fmt.Errorf("another training works in %s, %s: wait for it, or write to another -o", dir, held.By)
	}
	if err != nil {
		return nil, err
	}
	return func() {
		lock.Unlock()
		os.Remove(dir) // fails where there is something in it
	}, nil
}

// removeCheckpoint removes the checkpoint of a training that is done.
func removeCheckpoint(dir string) error {
	for _, file := range []string{checkpointFile, checkpointFile + ".best", writtenFile} {
		if err := os.Remove(filepath.Join(dir, file)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// written is what a training gave whose bundle is about to be put in place. Where the
// bundle of that pair is there, the training is done, also where its process ended
// before it could say so; a checkpoint could not be gone on from, since what it began
// with is replaced.
type written struct {
	Pair        string         `json:"pair"`
	History     *train.History `json:"history"`
	Requantised bool           `json:"requantised"`
}

// note writes w into a training's folder.
func (w *written) note(dir string) error {
	b, err := json.Marshal(w)
	if err != nil {
		return err
	}
	return files.Write(filepath.Join(dir, writtenFile), b)
}

// readWritten returns what the training in dir gave where it has put the bundle of that
// pair in place, else nil.
func readWritten(dir, pair string) (*written, error) {
	b, err := os.ReadFile(filepath.Join(dir, writtenFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	w := new(written)
	if err := json.Unmarshal(b, w); err != nil || w.Pair != pair {
		return nil, nil // the bundle was not replaced: the training goes on
	}
	return w, nil
}
