package predict

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
)

// numbers are inputs 0 to n-1.
func numbers(n int) (inputs []string) {
	for i := range n {
		inputs = append(inputs, strconv.Itoa(i))
	}
	return inputs
}

// TestInOrder: results come in the inputs' order also where a later input is done first,
// and no more inputs are under way than may be.
func TestInOrder(t *testing.T) {
	for _, atOnce := range []int{1, 2, 5} {
		inputs := numbers(20)
		done := make([]chan struct{}, len(inputs))
		for i := range done {
			done[i] = make(chan struct{})
		}
		var running, most atomic.Int64
		one := func(_ context.Context, input string) (string, error) {
			defer running.Add(-1)
			for now := running.Add(1); ; {
				if before := most.Load(); now <= before || most.CompareAndSwap(before, now) {
					break
				}
			}
			i, _ := strconv.Atoi(input)
			if i%atOnce < atOnce-1 { // waits for the next one, which is under way
				<-done[i+1]
			}
			close(done[i])
			return input, nil
		}
		var got []string
		err := inOrder(t.Context(), inputs, atOnce, one, func(s string) error { got = append(got, s); return nil })
		if err != nil || !slices.Equal(got, inputs) || most.Load() > int64(atOnce) {
			t.Errorf("%d at once: %v, %v, %d were under way", atOnce, got, err, most.Load())
		}
	}
}

// TestInOrderEnds: an error, of an input or of whoever takes the results, ends it; what
// came before it is there.
func TestInOrderEnds(t *testing.T) {
	broken := errors.New("broken")
	for _, receiver := range []bool{false, true} {
		var got []string
		one := func(_ context.Context, input string) (string, error) {
			if input == "3" && !receiver {
				return "", broken
			}
			return input, nil
		}
		err := inOrder(t.Context(), numbers(1000), 4, one, func(s string) error {
			if s == "3" {
				return broken
			}
			got = append(got, s)
			return nil
		})
		if !errors.Is(err, broken) || !slices.Equal(got, numbers(3)) {
			t.Errorf("%v before %v", got, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := inOrder(ctx, numbers(3), 1, func(ctx context.Context, _ string) (string, error) { return "", ctx.Err() }, func(string) error { return nil })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("after its context: %v", err)
	}
}
