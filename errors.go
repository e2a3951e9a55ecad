package bnc

import (
	"errors"
	"io/fs"
	"slices"

	"github.com/bottlenet/bnc/compiler/cut"
	"github.com/bottlenet/bnc/compiler/onnx"
	"github.com/bottlenet/bnc/internal/fault"
	"github.com/bottlenet/bnc/internal/files"
	"github.com/bottlenet/bnc/ops"
	"github.com/bottlenet/bnc/passes"
	"github.com/bottlenet/bnc/runtime/bundle"
	"github.com/bottlenet/bnc/runtime/client"
	"github.com/bottlenet/bnc/runtime/model"
	"github.com/bottlenet/bnc/runtime/oip"
	"github.com/bottlenet/bnc/runtime/ort"
)

// UsageError is a wrong use of a function: options that cannot be, or do not go
// together. Messages, those of other errors and of notices too, name options by the word
// option and the name that they have in JSON: "option val_split", so that a program with
// other names for them, as the command line's flags, can put its own there.
type UsageError = fault.UsageError

// DataError says that a model or data cannot be used: which file, node or tensor, what
// was expected and found, and the nearest thing that works.
type DataError = fault.DataError

// usage returns a UsageError; format as fmt.Errorf's.
func usage(option, format string, args ...any) error { return fault.Usage(option, format, args...) }

// unusable returns a DataError; format as fmt.Errorf's.
func unusable(format string, args ...any) error { return fault.Unusable(format, args...) }

// Kind tells errors apart by whose move is next.
type Kind int

// The kinds of errors.
const (
	None   Kind = iota // no error
	Failed             // the machine's: a full disk, a server that is gone, an interruption
	Usage              // the caller's: other options
	Data               // the model's or the data's: others, or a repair
)

// KindOf returns the kind of an error that a function of this package returned.
func KindOf(err error) Kind {
	if err == nil {
		return None
	}
	for _, known := range kinds {
		if known.is(err) {
			return known.kind
		}
	}
	return Failed
}

// kinds tells errors of the packages below, in the order in which they count.
var kinds = []struct {
	kind Kind
	is   func(error) bool
}{
	{Usage, is[*UsageError]}, {Usage, is[*files.UnfitError]},
	{Data, is[*DataError]}, {Data, is[*cut.Error]}, {Data, is[*passes.UnsuitableError]},
	{Data, is[*ort.ModelError]}, {Data, is[*ort.InputError]}, {Data, is[*bundle.PairError]}, {Data, is[*ops.DamagedError]},
	{Data, is[*client.PairError]}, {Data, is[*client.ServerError]}, {Data, is[*client.MixedError]}, {Data, refused},
	{Data, func(err error) bool {
		return errors.Is(err, onnx.ErrFormat) || errors.Is(err, model.ErrFormat) || errors.Is(err, fs.ErrNotExist)
	}},
}

func is[E error](err error) bool {
	var e E
	return errors.As(err, &e)
}

// refused tells refusals of a server that are about the model or the data.
func refused(err error) bool {
	refusal := (*oip.Error)(nil)
	return errors.As(err, &refusal) && slices.Contains([]oip.Cause{oip.Invalid, oip.NotFound, oip.Mismatch, oip.TooLarge, oip.Unsupported}, refusal.Cause)
}
