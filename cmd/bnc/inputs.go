package main

import (
	"errors"
	"os"
	"time"

	"github.com/bottlenet/bnc/ops"
	"github.com/bottlenet/bnc/runtime/bundle"
	"github.com/bottlenet/bnc/runtime/data"
	"github.com/bottlenet/bnc/runtime/imagein"
	"github.com/bottlenet/bnc/runtime/ort"
)

func millis(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// expand replaces folders by the images and tensors in them, in name order, and
// tells what else they hold.
func expand(args []string, notice func(format string, args ...any)) ([]string, error) {
	var out []string
	for _, arg := range args {
		st, err := os.Stat(arg)
		if err != nil {
			return nil, err
		}
		if !st.IsDir() {
			out = append(out, arg)
			continue
		}
		files, passedOver, err := data.Files(arg)
		if err != nil {
			return nil, err
		}
		if len(files) == 0 {
			return nil, unusablef("%s holds no image (%s) and no .npy file", arg, imagein.Extensions())
		}
		for _, line := range passedOver {
			notice("%s: %s", arg, line)
		}
		out = append(out, files...)
	}
	return out, nil
}

// openError marks errors of the runtime that are about the model or the data.
func openError(err error) error {
	var pair *bundle.PairError
	var input *ort.InputError
	var damaged *ops.DamagedError
	var refused *ort.ModelError
	if errors.As(err, &refused) || errors.As(err, &pair) || errors.As(err, &input) || errors.As(err, &damaged) {
		return unusableError{err}
	}
	return err
}
