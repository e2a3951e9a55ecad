package bnc

import (
	"context"
	"errors"

	"github.com/bottlenet/bnc/compiler/ends"
	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/onnx"
	"github.com/bottlenet/bnc/compiler/shape"
	"github.com/bottlenet/bnc/compiler/survey"
	"github.com/bottlenet/bnc/passes"
	"github.com/bottlenet/bnc/passes/bottleneck"
	"github.com/bottlenet/bnc/passes/grad"
	"github.com/bottlenet/bnc/runtime/eval"
	"github.com/bottlenet/bnc/runtime/model"
	"github.com/bottlenet/bnc/runtime/ort"
	"github.com/bottlenet/bnc/runtime/task"
)

// openSubject opens what is to be evaluated. Session is how it is to be run.
func openSubject(path string, session ort.Options) (*eval.Subject, error) {
	return eval.OpenSubject(path, session, graphs{})
}

// graphs are the graphs of subjects' files, an eval.Graphs.
type graphs struct{}

// AtQuality implements eval.Graphs.
func (graphs) AtQuality(file string, quality int) ([]byte, error) {
	return edited(file, func(m *ir.Model) error { return bottleneck.SetQuality(m, int64(quality)) })
}

// Original implements eval.Graphs.
func (graphs) Original(file string) ([]byte, error) { return edited(file, bottleneck.Bypass) }

// Unsuitable implements eval.Graphs.
func (graphs) Unsuitable(err error) bool { return errors.As(err, new(*passes.UnsuitableError)) }

// MACs implements eval.Graphs.
func (graphs) MACs(ctx context.Context, file string) *int64 {
	a, err := analyse(ctx, file, nil)
	if err != nil {
		return nil
	}
	return survey.MACs(a)
}

// OriginalMACs implements eval.Graphs.
func (graphs) OriginalMACs(file string) *int64 {
	m, err := onnx.Load(file)
	if err != nil || bottleneck.Bypass(m) != nil {
		return nil
	}
	return survey.ModelMACs(m)
}

// Tell implements eval.Graphs.
func (graphs) Tell(known *task.Model, files []string) {
	for _, path := range files {
		m, err := onnx.Load(path)
		if err != nil {
			continue // the runtime tells
		}
		info, err := shape.Infer(m, shape.Options{})
		if err != nil {
			continue
		}
		tell(known, m, info)
	}
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

// Scores implements eval.Graphs, as grad.JudgedBy chooses.
func (graphs) Scores(w eval.Want, files []string) (o task.Outputs, others []eval.Other, err error) {
	var parts []*ir.Model
	for _, path := range files {
		m, err := onnx.Load(path)
		if err != nil {
			return outputsOf(grad.WhateverLooksRight(w.Output), nil), nil, nil // the runtime tells
		}
		parts = append(parts, m)
	}
	heads, rest, except, err := grad.JudgedBy(grad.Want(w), parts...)
	for _, r := range rest {
		others = append(others, eval.Other{Name: r.Output.Name(), Reason: r.Reason})
	}
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
