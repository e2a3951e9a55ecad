package bnc

import (
	"slices"

	"github.com/bottlenet/bnc/compiler/ends"
	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/onnx"
	"github.com/bottlenet/bnc/compiler/shape"
	"github.com/bottlenet/bnc/ops"
	"github.com/bottlenet/bnc/passes/bottleneck"
	"github.com/bottlenet/bnc/passes/grad"
	"github.com/bottlenet/bnc/runtime/bundle"
	"github.com/bottlenet/bnc/runtime/eval"
	"github.com/bottlenet/bnc/runtime/model"
	"github.com/bottlenet/bnc/runtime/ort"
	"github.com/bottlenet/bnc/runtime/task"
)

// openSubject opens what is to be evaluated, whose codec can be given other qualities.
// Session is how it is to be run.
func openSubject(path string, session ort.Options) (*eval.Subject, error) {
	s, err := eval.OpenSubject(path, session)
	if err != nil || s.Joined == "" {
		return s, err
	}
	s.Change = func(path string, quality int) ([]byte, error) {
		if quality == 0 || quality == s.Meta.Quality {
			return nil, nil
		}
		return edited(path, func(m *ir.Model) error { return bottleneck.SetQuality(m, int64(quality)) })
	}
	return s, nil
}

// bypassed is a bundle's own network without its bottleneck.
func bypassed(s *eval.Subject) *eval.Subject {
	original := *s
	original.MaxBytes = 0
	original.Change = func(path string, _ int) ([]byte, error) { return edited(path, bottleneck.Bypass) }
	return &original
}

// edited is the model at path, changed by edit.
func edited(path string, edit func(*ir.Model) error) ([]byte, error) {
	m, err := onnx.Load(path)
	if err != nil {
		return nil, err
	}
	if err := edit(m); err != nil {
		return nil, err
	}
	return onnx.Marshal(m)
}

// TaskOptions say what a model's outputs are.
type TaskOptions = task.Options

// Tasks are the values of TaskOptions.Task.
func Tasks() []string { return task.Kinds() }

// named is how many classes there are, where option scores does not say that there are some.
func named(scores string, classes int) int {
	if scores != "" {
		return task.OfAny
	}
	return classes
}

// taskOf opens the task of a subject, whose classes have those names.
func taskOf(o TaskOptions, s *eval.Subject, labels []string) (*task.Chosen, error) {
	known := knownOf(s)
	if labels != nil {
		known.Labels = labels
	}
	return o.Open(known, s.Meta.Task)
}

// knownOf is what is known of a subject's task, with what the graphs of its files tell.
func knownOf(s *eval.Subject) task.Model {
	known := s.Known()
	known.Ends = map[string][]task.End{}
	for _, path := range s.Files() {
		m, err := onnx.Load(path)
		if err != nil {
			continue // the runtime tells
		}
		info, err := shape.Infer(m, shape.Options{})
		if err != nil {
			continue
		}
		tell(&known, m, info)
	}
	return known
}

// tell adds what the outputs of m end in, and their shapes.
func tell(known *task.Model, m *ir.Model, info *shape.Info) {
	for _, e := range ends.Of(m, info) {
		end := task.End{Kind: string(e.Kind), Axis: e.Axis}
		if len(e.Where) > 0 {
			end.PartAxis, end.Part = e.Where[0].Axis, [2]int{int(e.Where[0].Start), int(e.Where[0].Stop)}
		}
		known.Ends[e.Output.Name()] = append(known.Ends[e.Output.Name()], end)
	}
	for i, p := range known.Outputs {
		if v := m.Graph.Value(p.Name); v != nil && v.IsOutput() && info.Of(v).Ranked {
			known.Outputs[i].Ranked, known.Outputs[i].Shape = true, dimsOf(info.Of(v))
		}
	}
}

// dimsOf are dimensions as the runtime has them.
func dimsOf(t shape.Type) (dims []model.Dim) {
	for _, d := range t.Dims {
		dim := model.Dim{Size: -1}
		if n, known := d.Int(); known {
			dim.Size = n
		}
		dim.Symbol, _ = d.Symbol()
		dims = append(dims, dim)
	}
	return dims
}

// judgedBy are the outputs that a subject is judged by: of a task of scores those that
// grad.JudgedBy chooses, else all, or the one that is wanted by name.
func judgedBy(t task.Task, s *eval.Subject, want grad.Want) (o task.Outputs, others []grad.Other, err error) {
	if !task.OfScores(t) {
		if o = knownOf(s).All(want.Output); len(o.Judged) == 0 && !want.Optional {
			return o, nil, unusable("%s: there is no output %q to judge by", s.Path, want.Output)
		}
		return o, nil, nil
	}
	heads, others, except, err := headsOf(s, want)
	return outputsOf(heads, except), others, err
}

// outputsOf are heads as a task judges them.
func outputsOf(heads []grad.Judged, except []string) task.Outputs {
	o := task.Outputs{Except: except}
	for _, h := range heads {
		o.Judged = append(o.Judged, task.Output{Name: h.Output, From: h.Scores})
	}
	return o
}

// headsOf are the outputs with scores of a subject, as grad.JudgedBy chooses them.
func headsOf(s *eval.Subject, want grad.Want) (heads []grad.Judged, others []grad.Other, except []string, err error) {
	var parts []*ir.Model
	for _, path := range s.Files() {
		m, err := onnx.Load(path)
		if err != nil {
			return grad.WhateverLooksRight(want.Output), nil, nil, nil // the runtime tells
		}
		parts = append(parts, m)
	}
	want.Of = s.Meta.Outputs
	if heads, others, except, err = grad.JudgedBy(want, parts...); err != nil {
		err = unusable("%s: %w", s.Path, err)
	}
	return heads, others, except, err
}

// ofCodec tells whether a node is that operator of some codec that kind picks.
func ofCodec(n *ir.Node, kind func(ops.Operators) string) bool {
	return n.Domain == ops.Domain && slices.ContainsFunc(bundle.Codecs(), func(c bundle.Codec) bool { return kind(c.Operators()) == n.Op })
}
