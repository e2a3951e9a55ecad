package train

import (
	"time"

	"github.com/bottlenet/bnc/runtime/ort"
	"github.com/bottlenet/bnc/runtime/tensor"
)

// checkpoint writes where the training is.
func (r *run) checkpoint() error {
	if r.o.Checkpoint == "" {
		return nil
	}
	r.saved = time.Now()
	return r.save(r.o.Checkpoint, r.o.Settings, r.p)
}

// keepBest remembers the state, in a file too where there are checkpoints.
func (r *run) keepBest() error {
	for _, s := range r.man.kept() {
		if r.best[s.Name] == nil {
			y, err := tensor.New(tensor.Float32, s.Dims...)
			if err != nil {
				return err
			}
			r.best[s.Name] = y
		}
		copy(r.best[s.Name].Data, r.tensor(s.Name).Data)
	}
	if r.o.Checkpoint == "" {
		return nil
	}
	if err := r.save(r.o.Checkpoint+".best", r.o.Settings, r.p); err != nil {
		r.o.Notice("the best state could not be written: %v", err)
	}
	return nil
}

// loadBest reads the best state of a training that is resumed. That file is
// written before the checkpoint, and may be that of another epoch where one of
// the two could not be written: what it holds is the best that there is.
func (r *run) loadBest() error {
	other := &Trainer{man: r.man, state: ort.Feed{}}
	for _, s := range r.man.kept() {
		y, err := tensor.New(tensor.Float32, s.Dims...)
		if err != nil {
			return err
		}
		other.state[s.Name] = y
	}
	if s := r.man.Statistics; s != nil {
		other.statistics = other.state[s.Name]
	}
	p, err := other.load(r.o.Checkpoint+".best", r.o.Settings)
	if err != nil {
		r.o.Notice("the best weights so far, of epoch %d, are lost: %v", r.p.Best, err)
		r.p.Best, r.p.Score, r.p.Excess = 0, nil, 0
		return nil
	}
	r.best, r.p.Best, r.p.Score, r.p.Excess = other.state, p.Best, p.Score, p.Excess
	return nil
}
