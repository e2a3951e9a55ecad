package bench

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bottlenet/bnc/runtime/bundle"
	"github.com/bottlenet/bnc/runtime/data"
)

// TestTurns: ways are run in turns with the same image, the first time for nothing, and one
// that takes too long three times.
func TestTurns(t *testing.T) {
	for most, rounds := range map[time.Duration]int{time.Hour: 5, time.Nanosecond: 3} {
		var ran []string
		run := func(name string) way {
			return way{name: name, model: "m", run: func(_ context.Context, image int) (bundle.Timings, int, error) {
				ran = append(ran, name+string(rune('0'+image)))
				for start := time.Now(); time.Since(start) < 2; { // longer than what is too long
				}
				return bundle.Timings{Mobile: time.Millisecond, Total: time.Duration(len(ran)) * time.Millisecond}, 10 * len(ran), nil
			}}
		}
		b := &bench{o: Options{N: 5, Most: most}, photos: &Photos{items: make([]data.Item, 2)}}
		steps := 0
		measured, err := b.measure(t.Context(), []way{run("a"), run("b")}, func() { steps++ })
		if err != nil {
			t.Fatal(err)
		}
		want := strings.Fields("a0 b0 a1 b1 a0 b0 a1 b1 a0 b0 a1 b1")[:2*(rounds+1)]
		if !slices.Equal(ran, want) || steps != 6 {
			t.Errorf("at most %v: ran %v in %d steps, expected %v", most, ran, steps, want)
		}
		// Runs of b that count are the 4th, 6th, ... of all: their median is that of the middle one.
		middle := 2 * (rounds/2 + 2)
		for _, slower := range []float64{1, 2.5} {
			total := float64(middle) - 1 + slower
			if r := rows(measured, "3g", slower)[1]; r.Link != "3g" || r.Way != "b" || r.N != rounds || r.Mobile.Median != slower || r.Total.Median != total || r.Bytes != 10*middle {
				t.Errorf("at most %v, %v times slower: %+v, expected a median of %v", most, slower, r, total)
			}
		}
	}
	broken := way{name: "split", model: "m", run: func(context.Context, int) (bundle.Timings, int, error) {
		return bundle.Timings{}, 0, errors.New("no answer")
	}}
	b := &bench{photos: &Photos{items: make([]data.Item, 1)}}
	if _, err := b.measure(t.Context(), []way{broken}, func() {}); err == nil || err.Error() != "m, split: no answer" {
		t.Errorf("a way that fails: %v", err)
	}
}

// TestBest: the best of each kind of way, the fastest first.
func TestBest(t *testing.T) {
	row := func(way, model string, median float64) Row {
		return Row{Way: way, Model: model, Total: Time{Median: median}}
	}
	got := best([]Row{
		row("mobile-only", "net", 40), row("cloud-only", "net", 90), row("cloud-only, avif of quality 50", "net", 30), row("split", "rb1", 35), row("split", "rb2", 20),
	})
	want := []string{"split rb2", "cloud-only, avif of quality 50 net", "mobile-only net"}
	if !slices.EqualFunc(got, want, func(r Row, name string) bool { return r.Way+" "+r.Model == name }) {
		t.Errorf("%+v, expected %v", got, want)
	}
}
