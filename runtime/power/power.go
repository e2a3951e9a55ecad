// Package power measures what a device draws while something runs: by the sensors
// of its board, by the processor's own counters, by a command, or by a constant.
//
//	m, err := power.Open("auto", "/")
//	stop, err := m.Start()
//	... compute ...
//	mj, err := stop()
//
// It is pure Go and reads below a root folder, so that tests can bring their own
// sysfs.
package power

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// Meter measures energy. It takes one measurement at a time.
type Meter interface {
	// Source says where the numbers come from: ina3221, ina226, rapl, command or
	// constant.
	Source() string
	// Detail names what is read, for people.
	Detail() string
	// Start begins a measurement; stop ends it and returns the energy drawn in
	// between, in mJ.
	Start() (stop func() (mj float64, err error), err error)
}

// Open returns the meter that a specification names:
//
//	auto            the board's sensors, else the processor's counters
//	rails:A,B       the board's rails of these labels
//	constant:MW     that many mW
//	command:CMD     what the shell command prints, in mW, asked again and again
//
// Root is the folder that /sys is in.
func Open(spec, root string) (Meter, error) {
	kind, value, _ := strings.Cut(spec, ":")
	switch kind {
	case "auto":
		board, noBoard := openBoard(root, nil)
		if noBoard == nil {
			return board, nil
		}
		counters, noCounters := openRAPL(root)
		if noCounters == nil {
			return counters, nil
		}
		return nil, fmt.Errorf("nothing tells the power: %w", errors.Join(noBoard, noCounters))
	case "rails":
		return openBoard(root, strings.Split(value, ","))
	case "constant":
		mw, err := milliwatts(value)
		if err != nil {
			return nil, fmt.Errorf("power %q: %w", spec, err)
		}
		return Constant(mw), nil
	case "command":
		if value == "" {
			return nil, fmt.Errorf("power %q: expected a command that prints mW", spec)
		}
		return command(value), nil
	}
	return nil, fmt.Errorf("power %q: expected auto, rails:LABEL[,LABEL], constant:MW or command:CMD", spec)
}

// milliwatts reads a power.
func milliwatts(s string) (float64, error) {
	mw, err := strconv.ParseFloat(strings.TrimSpace(s), 64)
	if err != nil || !(mw >= 0) || math.IsInf(mw, 1) {
		return 0, fmt.Errorf("expected a number of mW, found %q", s)
	}
	return mw, nil
}

// Constant is a power that does not change, in mW.
type Constant float64

func (c Constant) Source() string { return "constant" }
func (c Constant) Detail() string { return fmt.Sprintf("%v mW, as given", float64(c)) }

func (c Constant) Start() (func() (float64, error), error) {
	start := time.Now()
	return func() (float64, error) { return float64(c) * time.Since(start).Seconds(), nil }, nil
}

// commandTime is how long a command may take for a sample.
const commandTime = 5 * time.Second

// command prints the power in mW.
type command string

func (c command) Source() string { return "command" }
func (c command) Detail() string { return string(c) }

func (c command) Start() (func() (float64, error), error) { return integrate(c.read) }

func (c command) read() (float64, error) {
	ctx, cancel := context.WithTimeout(context.Background(), commandTime)
	defer cancel()
	out, err := exec.CommandContext(ctx, "sh", "-c", string(c)).Output()
	if err != nil {
		return 0, fmt.Errorf("power command %q: %w", string(c), err)
	}
	mw, err := milliwatts(string(out))
	if err != nil {
		return 0, fmt.Errorf("power command %q: %w", string(c), err)
	}
	return mw, nil
}

// interval is the time between two samples: a TX2's sensors average over about as
// much.
const interval = 5 * time.Millisecond

// integrate samples a power until it is stopped and sums it up over time, with
// straight lines between samples.
func integrate(read func() (mw float64, err error)) (stop func() (float64, error), err error) {
	last, err := read()
	if err != nil {
		return nil, err
	}
	start, sum := time.Now(), 0.0
	at := start
	sample := func() error {
		mw, err := read()
		now := time.Now()
		sum += (last + mw) / 2 * now.Sub(at).Seconds()
		last, at = mw, now
		return err
	}
	end, ended := make(chan struct{}), make(chan error, 1)
	go func() {
		tick := time.NewTicker(interval)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				if err := sample(); err != nil {
					ended <- err
					return
				}
			case <-end:
				ended <- sample()
				return
			}
		}
	}()
	return func() (float64, error) {
		asked := time.Since(start)
		close(end)
		err := <-ended
		if sampled := at.Sub(start); sampled > 0 { // the last sample ends later than what it is of
			sum *= asked.Seconds() / sampled.Seconds()
		}
		return sum, err
	}, nil
}
