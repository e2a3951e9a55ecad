package train

import (
	"github.com/bottlenet/bnc/internal/fault"
	"github.com/bottlenet/bnc/runtime/plan"
	"github.com/bottlenet/bnc/runtime/task"
)

// MasksTeach tells whether labels teach that are masks: not where the original model does.
func (s *Sets) MasksTeach(taught bool) bool { return s.Train.Masked() && !taught }

// TaughtByMasks is the task of a model that the masks in data teach.
func TaughtByMasks(kind *task.Chosen, m task.Model, data string) (*task.Chosen, error) {
	if kind = kind.WithMasks(m); kind.Kind != task.Segment {
		return nil, fault.Unusable("option data %s: its labels are masks, which teach task %s only, and the model is taken for task %s: option distill lets the original model teach, option task says what it is", data, task.Segment, kind.Kind)
	}
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
