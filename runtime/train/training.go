package train

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/bottlenet/bnc/internal/fault"
	"github.com/bottlenet/bnc/internal/progress"
	"github.com/bottlenet/bnc/runtime/task"
)

// Network is a bundle or a model that is trained: its graphs are the caller's.
type Network interface {
	// Sets opens the images, and decides what they teach.
	Sets() (*Sets, error)
	// Compile makes what learns, of a bottleneck that fits the images.
	Compile(ctx context.Context, sets *Sets) (*Job, error)
	// Write puts weights into the files at path. Before is called when nothing but these is
	// left to do, with the bundle's pair and whether its quantiser was given another range.
	Write(ctx context.Context, path string, weights map[string][]float32, sets *Sets, before func(pair string, requantised bool) error) error
	// Judge evaluates what was written; beside tells that a teacher was heard.
	Judge(ctx context.Context, sets *Sets) (v Validation, beside bool, err error)

	Task() *task.Chosen
	Pair() (pair string, bundle bool) // that the files of a bundle have
	QualityFollows() bool             // the target of payloads: what is a little above it is made good
}

// Training is the training of the network at Path: in its folder, which it locks, for as long
// as it takes, over the ends of processes.
type Training struct {
	*RunOptions
	Network  Network
	Path     string
	Opened   fs.FileInfo // of the file when the network was read
	Hopeless func([]Epoch) bool
	Keep     bool // the checkpoint of a training that is done is the caller's
	Progress progress.Progress
}

// Run trains, unless an earlier process did and did not come to the end.
func (t *Training) Run(ctx context.Context) (*Result, error) {
	dir := FolderOf(t.Destination(t.Path))
	if held, err := dir.HasCheckpoint(); err == nil && !held && t.Resume {
		return nil, fault.Usage("resume", ": there is no checkpoint in %s: start without option resume", dir)
	}
	unlock, err := dir.Lock()
	if err != nil {
		return nil, err
	}
	defer unlock()
	if now, err := os.Stat(t.Path); err != nil || !os.SameFile(t.Opened, now) {
		return nil, fmt.Errorf("%s was replaced while it was read, by a training that ended just now: start again", t.Path)
	}
	sets, err := t.Network.Sets()
	if err != nil {
		return nil, err
	}
	for _, name := range sets.Train.EmptyClasses() {
		t.Progress.Notice("class %q has no images to train on", name)
	}
	done, err := t.before(dir)
	if err == nil && done == nil {
		done, err = t.train(ctx, dir, sets)
	}
	if err != nil {
		return nil, err
	}
	return t.finish(ctx, dir, sets, done)
}

// before returns what an earlier process gave that trained and did not come to the end,
// nil for none.
func (t *Training) before(dir Folder) (*Written, error) {
	pair, bundle := t.Network.Pair()
	switch {
	case t.Resume && bundle && t.InPlace(t.Path):
		return dir.Written(pair)
	case !t.Resume && t.EpochsToRun() > 0:
		return nil, dir.Forget()
	}
	return nil, nil
}

// train trains and writes what was learnt.
func (t *Training) train(ctx context.Context, dir Folder, sets *Sets) (*Written, error) {
	job, err := t.Network.Compile(ctx, sets)
	if err != nil {
		return nil, err
	}
	defer job.Close()
	history, err := t.Learn(ctx, dir, job)
	if err != nil {
		return nil, err
	}
	done := &Written{History: history}
	err = t.Network.Write(ctx, t.Path, job.Trainer.Params(), sets, func(pair string, requantised bool) error {
		done.Pair, done.Requantised = pair, requantised
		if t.EpochsToRun() == 0 || !t.InPlace(t.Path) {
			return nil
		}
		return dir.Note(done)
	})
	if err != nil {
		return nil, fmt.Errorf("%w; what was learnt is kept in %s: option resume writes it again", err, dir)
	}
	return done, nil
}

// Learn runs a job in a folder, and tells how it goes on.
func (t *Training) Learn(ctx context.Context, dir Folder, job *Job) (*History, error) {
	teller := &Teller{Primary: task.First(t.Network.Task()).Text, Notice: t.Progress.About, Phase: func(name string, steps int) func(int, any) { return t.Progress.Phase(name, steps).At }}
	s := t.Settings()
	if s.Hopeless = t.Hopeless; t.Network.QualityFollows() {
		s.Payload.Loose = loose
	}
	s.Notice, s.Step, s.Start, s.Epoch = t.Progress.Notice, teller.Step, teller.Start, teller.Epoch
	return job.Run(ctx, dir, s)
}

// finish makes the result of a training that is written, and leaves its folder with the
// curves.
func (t *Training) finish(ctx context.Context, dir Folder, sets *Sets, done *Written) (*Result, error) {
	kind := t.Network.Task()
	r := NewResult(done.History, kind.Kind, sets.Train.Len(), t.Destination(t.Path), dir)
	if done.Requantised && sets.Val != nil { // the range is another than that of the last epoch
		v, beside, err := t.Network.Judge(ctx, sets)
		if err != nil {
			return nil, err
		}
		r.Rejudge(v, beside)
	}
	if t.EpochsToRun() == 0 {
		return r, nil
	}
	if err := WriteCurves(dir.Curves(), filepath.Base(r.Destination), kind.Task, done.History); err != nil {
		return nil, err
	}
	if t.Keep {
		return r, nil
	}
	return r, dir.Finish()
}
