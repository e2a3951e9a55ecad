package search

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/bottlenet/bnc/runtime/plan"
)

// blocked is a trainer whose first screening waits until it is let go on.
type blocked struct {
	trainer
	first     bool
	begun, on chan struct{}
}

func (b *blocked) Screen(ctx context.Context, c plan.Candidate) (Outcome, error) {
	if b.first {
		b.first = false
		close(b.begun)
		<-b.on
		return Outcome{}, errKilled
	}
	return b.trainer.Screen(ctx, c)
}

// opened counts the descriptors of this process that a file is open under.
func opened(t *testing.T, path string) (n int) {
	t.Helper()
	descriptors, err := filepath.Glob("/proc/self/fd/*")
	must(t, err)
	for _, d := range descriptors {
		if to, err := os.Readlink(d); err == nil && to == path {
			n++
		}
	}
	return n
}

// TestLockGivenUp: who gives up waiting for a place does not take its lock later: it has
// nothing open any more that could.
func TestLockGivenUp(t *testing.T) {
	p := testPlan(false)
	tr := &blocked{trainer: trainer{model: gentle}, first: true, begun: make(chan struct{}), on: make(chan struct{})}
	s := &Search{Plan: p, Dir: Dir(t.TempDir()), Trainer: tr}
	must(t, s.Dir.WritePlan(p, asItIs))
	holder := make(chan error)
	go func() { holder <- s.Run(t.Context(), 0) }()
	<-tr.begun
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Run(ctx, 0); !errors.Is(err, context.Canceled) {
		t.Errorf("who gave up was told: %v", err)
	}
	if n := opened(t, filepath.Join(string(s.Dir), "locks", "rb1")); n != 1 {
		t.Errorf("the lock is open %d times, expected its holder alone", n)
	}
	close(tr.on)
	if err := <-holder; !errors.Is(err, errKilled) {
		t.Fatal(err)
	}
	ctx, cancel = context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := s.Run(ctx, 0); err != nil {
		t.Errorf("the place is locked by nobody, and not to be had: %v", err)
	}
}
