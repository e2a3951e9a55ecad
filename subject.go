package bnc

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/onnx"
	"github.com/bottlenet/bnc/ops"
	"github.com/bottlenet/bnc/passes/bottleneck"
	"github.com/bottlenet/bnc/passes/grad"
	"github.com/bottlenet/bnc/runtime/bundle"
	"github.com/bottlenet/bnc/runtime/data"
	"github.com/bottlenet/bnc/runtime/eval"
	"github.com/bottlenet/bnc/runtime/feed"
	"github.com/bottlenet/bnc/runtime/model"
	"github.com/bottlenet/bnc/runtime/ort"
	"github.com/bottlenet/bnc/runtime/task"
)

// subject is a bundle or a model to be evaluated.
type subject struct {
	path   string
	meta   bundle.Meta
	inputs []model.Port
	// joined is the path of bottlenet.onnx, "" for whole models and plain pairs.
	joined string
	// pair is the bundle whose halves are run where there is no joined network.
	pair    *bundle.Bundle
	session ort.Options
	// bypassed stands for the joined network without its bottleneck.
	bypassed bool
}

// openSubject reads the heads of the files at path. Session is how they are to be
// run.
func openSubject(path string, session ort.Options) (*subject, error) {
	stat, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if stat.IsDir() {
		return openBundleSubject(path, session)
	}
	head, err := model.ReadFile(path)
	if err != nil {
		return nil, unusable("%w", err)
	}
	meta, err := bundle.ParseMeta(head.Metadata)
	if err != nil {
		return nil, unusable("%s: %w", path, err)
	}
	s := &subject{path: path, meta: meta, inputs: head.Inputs, session: session}
	switch meta.Part {
	case "":
	case bundle.PartJoined:
		s.joined = path
	default:
		return nil, unusable("%s is the %s half of a bundle: give the folder %s", path, meta.Part, filepath.Dir(path))
	}
	return s, nil
}

func openBundleSubject(dir string, session ort.Options) (*subject, error) {
	b, err := bundle.Open(dir)
	if err != nil {
		return nil, unusable("%w", err)
	}
	s := &subject{path: dir, meta: b.Meta, inputs: b.Mobile.Inputs, pair: b, session: session}
	joined, err := b.Joined()
	if b.Meta.Plain() || errors.Is(err, os.ErrNotExist) {
		return s, nil
	}
	if err != nil {
		return nil, err
	}
	own, err := openSubject(joined, session)
	if err != nil {
		return nil, err
	}
	if own.meta.Pair != b.Meta.Pair {
		return nil, unusable("%s does not belong to the halves beside it: its bnc.pair is %s, theirs %s; take all three files from one split or training",
			joined, own.meta.Pair, b.Meta.Pair)
	}
	s.joined = joined
	return s, nil
}

// bottleneck tells whether the subject has a codec whose quality can be chosen.
func (s *subject) bottleneck() bool { return s.joined != "" }

// open loads the subject with its codec, if any, at a quality; 0 stands for its
// own.
func (s *subject) open(quality int) (eval.Model, io.Closer, error) {
	if s.pair != nil && s.joined == "" {
		r, err := s.pair.OpenRunner(s.session)
		if err != nil {
			return nil, nil, err
		}
		return eval.Pair(r), r, nil
	}
	path := s.path
	if s.joined != "" {
		path = s.joined
	}
	var edit func(*ir.Model) error
	switch {
	case s.bypassed:
		edit = bottleneck.Bypass
	case s.joined != "" && quality != 0 && quality != s.meta.Quality:
		edit = func(m *ir.Model) error { return setQuality(m, quality) }
	}
	session, err := openEdited(path, edit, s.session)
	if err != nil {
		return nil, nil, err
	}
	return eval.Session(session), session, nil
}

// options returns how batches of n images, 0 for the default, are to be made.
func (s *subject) options(n int) eval.Options {
	if s.pair != nil && s.joined == "" && !s.meta.Plain() {
		n = 1 // so that each image's payload is counted
	}
	return eval.BatchOf(s.inputs[0], n)
}

// taskOf is what models' outputs are.
func taskOf() task.Task { return task.Of(task.Classify) }

// outputsOf are heads as a task judges them.
func outputsOf(heads []grad.Judged, except []string) task.Outputs {
	o := task.Outputs{Except: except}
	for _, h := range heads {
		o.Judged = append(o.Judged, task.Output{Name: h.Output, From: h.Scores})
	}
	return o
}

// heads are the outputs that the subject is judged by, as grad.JudgedBy chooses them.
func (s *subject) heads(want grad.Want) (heads []grad.Judged, others []grad.Other, except []string, err error) {
	paths := []string{cmp.Or(s.joined, s.path)}
	if s.pair != nil && s.joined == "" {
		paths = []string{filepath.Join(s.path, bundle.MobileFile), filepath.Join(s.path, bundle.CloudFile)}
	}
	var parts []*ir.Model
	for _, path := range paths {
		m, err := onnx.Load(path)
		if err != nil {
			return grad.WhateverLooksRight(want.Output), nil, nil, nil // the runtime tells
		}
		parts = append(parts, m)
	}
	want.Of = s.meta.Outputs
	if heads, others, except, err = grad.JudgedBy(want, parts...); err != nil {
		err = unusable("%s: %w", s.path, err)
	}
	return heads, others, except, err
}

// setQuality changes the quality of a joined network's codecs.
func setQuality(m *ir.Model, quality int) error {
	without := ""
	err := bottleneck.SetCodec(m, func(c bottleneck.Codec) bottleneck.Codec {
		if c.Number(bundle.QualityParameter) == 0 {
			without = c.Name
			return c
		}
		return c.With(bundle.QualityParameter, int64(quality))
	})
	if err == nil && without != "" {
		return unusable("the codec, %s, has no quality to choose", without)
	}
	return err
}

// ofCodec tells whether a node is that operator of some codec that kind picks.
func ofCodec(n *ir.Node, kind func(ops.Operators) string) bool {
	return n.Domain == ops.Domain && slices.ContainsFunc(bundle.Codecs(), func(c bundle.Codec) bool { return kind(c.Operators()) == n.Op })
}

// openEdited opens a session of the model at path, with edit of a changed copy.
func openEdited(path string, edit func(*ir.Model) error, o ort.Options) (*ort.Session, error) {
	if edit == nil {
		return ort.Open(path, o)
	}
	m, err := onnx.Load(path)
	if err != nil {
		return nil, err
	}
	if err := edit(m); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	b, err := onnx.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return ort.OpenBytes(path, b, o)
}

// run evaluates the subject at a quality on a set that feeder prepares; judge hears what
// it says.
func (s *subject) run(ctx context.Context, quality int, feeder *feed.Feeder, set *data.Set, judge task.Judge, o eval.Options) (*eval.Result, error) {
	m, closer, err := s.open(quality)
	if err != nil {
		return nil, err
	}
	defer closer.Close()
	r, err := eval.Run(ctx, m, feeder, set, judge, o)
	var unfit *eval.UnusableError
	var node *ort.NodeError
	switch {
	case errors.As(err, &unfit):
		return nil, unusable("%s: %w", s.path, err)
	case errors.As(err, &node) && o.Batch != 1:
		return nil, fmt.Errorf("%s: %w; if the model takes single images only, use option batch 1", s.path, err)
	case err != nil:
		return nil, fmt.Errorf("%s: %w", s.path, err)
	}
	return r, nil
}
