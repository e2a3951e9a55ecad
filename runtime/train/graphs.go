package train

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"

	"github.com/bottlenet/bnc/internal/files"
	"github.com/bottlenet/bnc/runtime/ort"
)

// Graphs are the ONNX files of a training.
type Graphs struct {
	Step       []byte
	Eval       []byte // of images and the weights in the state to the network's outputs
	Statistics []byte // of a batch, for batch normalisation that learns; nil for none
	// Initial holds the first values of the tensors of state that do not begin with zeros.
	Initial map[string][]float32
}

// ID tells trainings apart by their step and what it begins with.
func (g *Graphs) ID() string {
	h := sha256.New()
	h.Write(g.Step)
	for _, name := range slices.Sorted(maps.Keys(g.Initial)) {
		b := make([]byte, 0, 4*len(g.Initial[name]))
		for _, v := range g.Initial[name] {
			b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
		}
		h.Write(b)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// Write writes the graphs into a folder, which it makes.
func (g *Graphs) Write(dir string) error {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	for name, graph := range map[string][]byte{"step.onnx": g.Step, "eval.onnx": g.Eval, "statistics.onnx": g.Statistics} {
		if graph == nil {
			continue
		}
		if err := files.Write(filepath.Join(dir, name), graph); err != nil {
			return err
		}
	}
	return nil
}

// Sessions are the sessions of a training.
type Sessions struct {
	Trainer    *Trainer
	Evaluation *ort.Session
	open       []*ort.Session
}

// Open opens the sessions of graphs. Closing frees them.
func (g *Graphs) Open(o ort.Options) (s *Sessions, err error) {
	s = &Sessions{}
	defer func() {
		if err != nil {
			s.Close()
		}
	}()
	var sessions [3]*ort.Session
	for i, graph := range []struct {
		name string
		onnx []byte
	}{{"training step", g.Step}, {"evaluation", g.Eval}, {"batch statistics", g.Statistics}} {
		if graph.onnx == nil {
			continue
		}
		if sessions[i], err = ort.OpenBytes(graph.name, graph.onnx, o); err != nil {
			return s, err
		}
		s.open = append(s.open, sessions[i])
	}
	s.Evaluation = sessions[1]
	s.Trainer, err = NewTrainer(sessions[0], sessions[2], g.Initial)
	return s, err
}

// take goes on with the graphs of other sessions, which have the same state, and closes
// its own.
func (s *Sessions) take(other *Sessions) {
	s.Close()
	s.Trainer.session, s.Trainer.measuring = other.Trainer.session, other.Trainer.measuring
	s.Evaluation, s.open = other.Evaluation, other.open
}

// Close closes the sessions.
func (s *Sessions) Close() {
	for _, session := range s.open {
		session.Close()
	}
}
