package train

import (
	"github.com/bottlenet/bnc/internal/fault"
	"github.com/bottlenet/bnc/runtime/data"
	"github.com/bottlenet/bnc/runtime/plan"
	"github.com/bottlenet/bnc/runtime/task"
)

// MasksTeach tells whether labels teach that are masks: not where the original model does.
func (s *Sets) MasksTeach(taught bool) bool { return s.Train.Masked() && !taught }

// Names are the names of the classes: those that are known, or the folders' own where they
// were learnt, and not by the original model alone.
func (s *Sets) Names(known []string, taught bool) []string {
	if known == nil && !taught && s.Train.Labelled() && !data.Numbered(s.Train.Classes()) {
		return s.Train.Classes()
	}
	return known
}

// TaughtByMasks is the task of a model that the masks at path teach.
func TaughtByMasks(kind *task.Chosen, m task.Model, path string) (*task.Chosen, error) {
	if kind = kind.WithMasks(m); kind.Kind != task.Segment {
		return nil, fault.Unusable("option data %s: its labels are masks, which teach task %s only, and the model is taken for task %s: option distill lets the original model teach, option task says what it is", path, task.Segment, kind.Kind)
	}
	return kind, nil
}

// TaskOf is the task of a model that is trained, taken for kind as far as is known of it: labels
// may make it known. It is told.
func (o *RunOptions) TaskOf(kind *task.Chosen, known task.Model, sets *Sets, notice data.Notice) (*task.Chosen, error) {
	classes := task.ClassesBeside(o.Scores, len(sets.Train.Classes()))
	switch {
	case sets.MasksTeach(o.Distill):
		var err error
		if kind, err = TaughtByMasks(kind, known, o.Data); err != nil {
			return nil, err
		}
		classes = 0
	case !o.Distill: // they teach
		classes = task.OfAny
	case len(o.Outputs) > 0: // others may be taught
		classes = 0
	}
	if kind = kind.WithClasses(known, classes); o.Annotations != "" && !task.Annotated(kind.Task) {
		return nil, fault.Usage("annotations", "has no meaning for task %s: it says what is to be detected", kind.Kind)
	}
	kind.Tell(notice)
	return kind, nil
}

// Accuracy is what a search notes of what was judged.
func (j Judged) Accuracy() plan.Accuracy {
	return plan.Accuracy{Primary: j.Top1, Labelled: j.Labelled, Agreement: j.Agreement}
}

// Accuracies are those after each epoch.
func Accuracies(done []Epoch) []plan.Accuracy {
	list := make([]plan.Accuracy, len(done))
	for i, e := range done {
		list[i] = e.Judged.Accuracy()
	}
	return list
}
