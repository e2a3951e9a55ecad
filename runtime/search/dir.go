package search

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"

	"github.com/bottlenet/bnc/internal/fault"
	"github.com/bottlenet/bnc/internal/files"
	"github.com/bottlenet/bnc/runtime/plan"
)

// Dir is a search's folder:
//
//	plan.json             the candidates
//	candidates/0000.json  what is known about each
//	results.json          all of them, by Collect
//	locks/CUT             who works at a place holds its lock; no state
//
// The rest is the Trainer's:
//
//	bundles/CUT-cC-sS     trained, with -CODEC and -qQUALITY where they differ, with the folder of the training beside it
//	work/0000             what a training begins with
//	cache/CUT             activations at a place, as long as it is screened
type Dir string

// PlanFile and ResultsFile are the paths of the folder's files.
func (d Dir) PlanFile() string    { return filepath.Join(string(d), "plan.json") }
func (d Dir) ResultsFile() string { return filepath.Join(string(d), "results.json") }

// Work is where a candidate's bundle begins its training.
func (d Dir) Work(c plan.Candidate) string {
	return filepath.Join(string(d), "work", fmt.Sprintf("%04d", c.Index))
}

// Cache is the folder for activations at a place.
func (d Dir) Cache(cut string) string { return filepath.Join(string(d), "cache", cut) }

// Bundle is where a candidate's trained bundle is, relative to d.
func (d Dir) Bundle(c plan.Candidate) string {
	name := fmt.Sprintf("%s-c%d-s%d", c.Cut, c.C, c.S)
	if c.Codec != plan.JPEG {
		name += "-" + c.Codec
	}
	if c.Quality != 0 {
		name += fmt.Sprintf("-q%d", c.Quality)
	}
	return filepath.Join("bundles", name)
}

// Tidy removes what a search needs as long as it goes on.
func (d Dir) Tidy() error {
	return errors.Join(os.RemoveAll(filepath.Join(string(d), "cache")), os.RemoveAll(filepath.Join(string(d), "work")))
}

func (d Dir) file(index int) string {
	return filepath.Join(string(d), "candidates", fmt.Sprintf("%04d.json", index))
}

// WritePlan begins a search. A folder with the same plan stays as it is; one with
// another is an error. Upgrade brings a plan of an older format to today's.
func (d Dir) WritePlan(p *Plan, upgrade func(*Plan) error) error {
	if err := p.Validate(); err != nil {
		return err
	}
	old, err := OpenPlan(d.PlanFile())
	if err == nil {
		if err := upgrade(old); err != nil {
			return fmt.Errorf("%s: %w", d.PlanFile(), err)
		}
		if err := p.Same(old); err != nil {
			return &OtherPlanError{string(d), err}
		}
		return nil
	}
	if !errors.Is(err, os.ErrNotExist) {
		return err
	}
	b, err := p.encode()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(string(d), "candidates"), 0o777); err != nil {
		return err
	}
	return files.Write(d.PlanFile(), b)
}

// OpenPlan reads the plan of a search. Upgrade brings one of an older format to today's.
func (d Dir) OpenPlan(upgrade func(*Plan) error) (*Plan, error) {
	p, err := OpenPlan(d.PlanFile())
	if err != nil {
		return nil, fault.Unusable("%w", err)
	}
	if err := upgrade(p); err != nil {
		return nil, fault.Unusable("%s: %w", d.PlanFile(), err)
	}
	return p, nil
}

// OtherPlanError says that a folder is another search's.
type OtherPlanError struct {
	Dir string
	Err error
}

// Error tells the difference.
func (e *OtherPlanError) Error() string {
	return fmt.Sprintf("%s holds another search: %v; go on with the flags that it was begun with, or choose another folder", e.Dir, e.Err)
}

// read returns what is known about a candidate, nil for nothing.
func (d Dir) read(index int) (*plan.Candidate, error) {
	b, err := os.ReadFile(d.file(index))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	c := new(plan.Candidate)
	if err := json.Unmarshal(b, c); err != nil {
		return nil, fmt.Errorf("%s: %w", d.file(index), err)
	}
	if c.Index != index {
		return nil, fmt.Errorf("%s is of candidate %d", d.file(index), c.Index)
	}
	return c, nil
}

// all returns what is known about a plan's candidates, those of the plan itself
// where nothing is.
func (d Dir) all(p *Plan) ([]plan.Candidate, error) {
	var list []plan.Candidate
	for i, c := range p.Candidates {
		known, err := d.read(i)
		if err != nil {
			return nil, err
		}
		if known != nil {
			c = *known
		}
		list = append(list, c)
	}
	return list, nil
}

func (d Dir) write(c plan.Candidate) error {
	b, err := encode(c)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(string(d), "candidates"), 0o777); err != nil {
		return err
	}
	return files.Write(d.file(c.Index), b)
}

// Collect merges what is known into the search's results and writes them. Missing
// counts the candidates that are not finished; they are left out.
func (d Dir) Collect(p *Plan) (r *plan.Results, missing int, err error) {
	known, err := d.all(p)
	if err != nil {
		return nil, 0, err
	}
	r = &plan.Results{
		Format: plan.FileFormat, Kind: plan.KindSearch, Model: p.Model, SourceSHA256: p.SourceSHA256,
		Settings: map[string]any{"max_loss": p.MaxLoss, "margin": p.Margin, "exhaustive": p.Exhaustive, "data_sha256": p.DataSHA256},
		Task:     p.Task, Measure: p.Measure,
		Baseline: p.Baseline, Candidates: []plan.Candidate{},
	}
	var own map[string]any
	if err := json.Unmarshal(p.Settings, &own); err != nil {
		return nil, 0, fmt.Errorf("%s: settings: %w", d.PlanFile(), err)
	}
	maps.Copy(r.Settings, own)
	for _, c := range known {
		if !final(c) {
			missing++
			continue
		}
		r.Candidates = append(r.Candidates, c)
	}
	if err := r.Validate(); err != nil {
		return nil, missing, fmt.Errorf("%s: %w", d, err)
	}
	b, err := encode(r)
	if err != nil {
		return nil, missing, err
	}
	return r, missing, files.Write(d.ResultsFile(), b)
}

// lock waits until no other process works at a place. Where the file system has
// no locks there is none: two processes then do the same work twice.
func (d Dir) lock(ctx context.Context, cut string) (*files.Lock, error) {
	name := strings.Map(func(r rune) rune {
		if r == '/' || r == '\\' || r == 0 {
			return '_'
		}
		return r
	}, cut)
	locks := filepath.Join(string(d), "locks")
	if err := os.MkdirAll(locks, 0o777); err != nil {
		return nil, err
	}
	return files.WaitLock(ctx, filepath.Join(locks, name))
}
