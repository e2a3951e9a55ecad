package candidate

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/bottlenet/bnc/runtime/bundle"
	"github.com/bottlenet/bnc/runtime/eval"
	"github.com/bottlenet/bnc/runtime/plan"
	"github.com/bottlenet/bnc/runtime/search"
	"github.com/bottlenet/bnc/runtime/train"
)

// maker tells what it is asked for, and answers the next of its errors to a training.
type maker struct {
	Maker
	asked []string
	fails []error
}

func (m *maker) Options(plan.Candidate) train.RunOptions { return train.RunOptions{} }

func (m *maker) Split(_ context.Context, _ plan.Candidate, dir string) error {
	m.asked = append(m.asked, "split")
	return halves(dir)
}

func (m *maker) Warm(_ context.Context, _, joined string, _ train.RunOptions, _ *train.Sets) error {
	m.asked = append(m.asked, "warm "+filepath.Base(filepath.Dir(joined)))
	return nil
}

func (m *maker) Train(_ context.Context, _ string, o train.RunOptions, _ func(*train.Training)) (*train.Result, error) {
	text := "train"
	if o.Resume {
		text = "resume"
	}
	m.asked = append(m.asked, text)
	err := m.fails[0]
	m.fails = m.fails[1:]
	return nil, err
}

// halves writes what is taken for a bundle.
func halves(dir string) error {
	err := os.MkdirAll(dir, 0o777)
	for _, name := range []string{bundle.MobileFile, bundle.CloudFile} {
		err = errors.Join(err, os.WriteFile(filepath.Join(dir, name), nil, 0o666))
	}
	return err
}

// graphs tells errors apart.
type graphs struct{ eval.Graphs }

var errUnsuitable = errors.New("unsuitable")

func (graphs) Unsuitable(err error) bool { return errors.Is(err, errUnsuitable) }

// TestTrain: a training goes on from its checkpoint with the bundle that is there, begins anew
// where that is of no use, and begins with a neighbour's weights. Errors that are the candidate's
// own are marked, and what is finished is removed.
func TestTrain(t *testing.T) {
	other := errors.New("no space left")
	for _, c := range []struct {
		name    string
		resumed bool
		fails   []error
		asked   []string
		own     bool
	}{
		{"anew", false, []error{other}, []string{"split", "warm near", "train"}, false},
		{"goes on", true, []error{other}, []string{"resume"}, false},
		{"of another training", true, []error{train.ErrOtherTraining, errUnsuitable}, []string{"resume", "split", "warm near", "train"}, true},
		{"damaged", true, []error{train.ErrDamaged, &train.DivergedError{}}, []string{"resume", "split", "warm near", "train"}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			candidate := plan.Candidate{Cut: "rb1", C: 1, S: 2}
			m := &maker{fails: c.fails}
			tr := &Trainer{Dir: search.Dir(t.TempDir()), Maker: m, Whole: &train.Whole{Subject: &eval.Subject{Graphs: graphs{}}}}
			folder := train.FolderOf(filepath.Join(string(tr.Dir), tr.Dir.Bundle(candidate)))
			if c.resumed {
				if err := errors.Join(os.MkdirAll(string(folder), 0o777), os.WriteFile(folder.Checkpoint(), nil, 0o666), halves(tr.Dir.Work(candidate))); err != nil {
					t.Fatal(err)
				}
			}
			_, err := tr.Train(t.Context(), candidate, &plan.Candidate{Bundle: "bundles/near"})
			if !errors.Is(err, c.fails[len(c.fails)-1]) || errors.As(err, new(*search.CandidateError)) != c.own || !slices.Equal(m.asked, c.asked) {
				t.Errorf("%v after %v, expected %v", err, m.asked, c.asked)
			}
			if err := tr.Finished(candidate); err != nil {
				t.Fatal(err)
			}
			if held, err := folder.HasCheckpoint(); held || err != nil || bundle.IsBundle(tr.Dir.Work(candidate)) {
				t.Errorf("what the training began with is left: %v, %v", held, err)
			}
		})
	}
}
