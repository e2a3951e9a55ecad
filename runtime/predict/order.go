package predict

import (
	"context"
	"sync"
)

// inOrder runs one for each input, some at once, and gives the results to done
// in the inputs' order, each as soon as it and those before it are there. It
// stops at the first error, which names the input.
func inOrder[T any](ctx context.Context, inputs []string, atOnce int, one func(context.Context, string) (T, error), done func(T) error) error {
	type outcome struct {
		value T
		err   error
	}
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()
	// The first waiting one is with the receiver; the others are in the channel.
	queue := make(chan chan outcome, atOnce-1)
	running.Go(func() {
		defer close(queue)
		for _, input := range inputs {
			result := make(chan outcome, 1)
			select {
			case queue <- result:
			case <-ctx.Done():
				return
			}
			running.Go(func() {
				value, err := one(ctx, input)
				result <- outcome{value, err}
			})
		}
	})
	for result := range queue {
		r := <-result
		if r.err != nil {
			return r.err
		}
		if err := done(r.value); err != nil {
			return err
		}
	}
	return context.Cause(ctx)
}
