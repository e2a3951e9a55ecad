package bnc

import (
	"slices"

	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/onnx"
	"github.com/bottlenet/bnc/ops"
	"github.com/bottlenet/bnc/passes/bottleneck"
	"github.com/bottlenet/bnc/passes/grad"
	"github.com/bottlenet/bnc/runtime/bundle"
	"github.com/bottlenet/bnc/runtime/eval"
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

// taskName is what models' outputs are.
const taskName = task.Classify

func taskOf() task.Task {
	t, err := task.Open(taskName, task.Model{})
	if err != nil {
		panic("BUG: " + err.Error())
	}
	return t
}

// outputsOf are heads as a task judges them.
func outputsOf(heads []grad.Judged, except []string) task.Outputs {
	o := task.Outputs{Except: except}
	for _, h := range heads {
		o.Judged = append(o.Judged, task.Output{Name: h.Output, From: h.Scores})
	}
	return o
}

// headsOf are the outputs that a subject is judged by, as grad.JudgedBy chooses them.
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
