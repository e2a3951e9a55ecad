package oip

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/bottlenet/bnc/runtime/tensor"
)

// MaxMessage is the most bytes of one message in either form, tensors
// included: what Remote sends and takes, and the limit that servers are
// recommended.
const MaxMessage = 64 << 20

// maxRank is the most dimensions of a tensor: numpy's limit. It keeps shapes
// printable.
const maxRank = 64

// quote returns a string that came from the other side as error messages show
// it: quoted, and cut where it is long, since messages travel in headers.
func quote(s string) string {
	const most = 80
	if len(s) > most {
		return strconv.Quote(s[:most]) + "..."
	}
	return strconv.Quote(s)
}

// dimensions returns how many elements a shape that came from the other side
// holds. what names the tensor in errors.
func dimensions(what string, shape []int64) (int, error) {
	if len(shape) > maxRank {
		return 0, Errorf(Invalid, "%s: a shape of %d dimensions, at most %d are taken", what, len(shape), maxRank)
	}
	n, err := tensor.Elements(shape)
	if err != nil {
		return 0, Errorf(Invalid, "%s: %v", what, err)
	}
	return n, nil
}

// checkNames returns an error if a name is empty or given twice. kind is
// "input" or "output".
func checkNames(kind string, names []string) error {
	for i, name := range names {
		if name == "" {
			return Errorf(Invalid, "%s %d of the request has no name", kind, i)
		}
	}
	slices.Sort(names)
	for i := range len(names) - 1 {
		if names[i] == names[i+1] {
			return Errorf(Invalid, "%s %s is there twice", kind, quote(names[i]))
		}
	}
	return nil
}

// label names a tensor in errors.
func label(kind, name string) string { return fmt.Sprintf("%s %s", kind, quote(name)) }
