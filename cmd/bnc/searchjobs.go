package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"syscall"

	"github.com/bottlenet/bnc/runtime/search"
)

// searchJobs runs a plan in --jobs processes: each takes a place, candidate by
// candidate, and then the next one.
func searchJobs(ctx context.Context, s streams, p *search.Plan, o *searchOptions) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	places := make(chan []int, len(p.Places()))
	for _, place := range p.Places() {
		places <- place
	}
	close(places)
	errs := make([]error, o.jobs)
	var group sync.WaitGroup
	for w := range o.jobs {
		group.Go(func() {
			runtime.LockOSThread() // a child ends with the thread that began it
			for place := range places {
				for _, index := range place {
					if errs[w] = searchChild(ctx, s, self, index, o); errs[w] != nil {
						cancel()
						return
					}
				}
			}
		})
	}
	group.Wait()
	return errors.Join(errs...)
}

// searchChild is bnc search run in a process of its own, which ends when this one
// does.
func searchChild(ctx context.Context, s streams, self string, index int, o *searchOptions) error {
	args := []string{"search", "run", "-o", o.dir, fmt.Sprintf("--index=%d", index), fmt.Sprintf("--threads=%d", o.threads)}
	if o.asJSON {
		args = append(args, "--json")
	}
	c := exec.CommandContext(ctx, self, args...)
	c.Cancel = func() error { return c.Process.Signal(syscall.SIGTERM) }
	// In a group of its own, a terminal's Ctrl-C does not reach it beside that signal,
	// whose second one would end it before it has written a checkpoint.
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	c.Stderr = struct{ io.Writer }{s.err} // no terminal: bars of several processes would overwrite one another
	if err := c.Run(); err != nil {
		return fmt.Errorf("candidate %d: bnc search run: %w", index, err)
	}
	return nil
}
