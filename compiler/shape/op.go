package shape

import (
	"cmp"
	"fmt"

	"github.com/bottlenet/bnc/compiler/ir"
)

// Op is a row of the operator table: every fact about an operator.
type Op struct {
	Domain, Name string
	// Since lists the versions of the domain's operator set that brought the
	// operator or changed it, rising. Where the last one retires the operator it
	// is listed too.
	Since []int64
	// In and Out are the numbers of inputs and outputs that operator sets 7 and
	// newer allow.
	In, Out Arity
	// Omits counts the inputs at the front that may be omitted though In.Min counts
	// them.
	Omits int

	Class   Class
	Depends Depends
	// Inputs are the roles of the inputs; further ones have the last role.
	Inputs []Role
	Sign   Sign
	Axes   Axes
	Batch  Batch
	// Axis is the default of attribute axis where Batch is BatchAcross.
	Axis      int64
	Half      Half
	Magnitude Magnitude
	Gives     Gives

	infer rule
	macs  cost
}

// Elementwise reports whether every output's element is computed from those at the same
// place of the inputs, which broadcast.
func (op *Op) Elementwise() bool {
	switch op.Class {
	case Elementwise, Activation:
		return true
	case Copy, Conversion:
		return op.Batch == BatchAligned
	}
	return false
}

// Layout reports whether the output is the first input's numbers in another order or shape,
// and nothing else.
func (op *Op) Layout() bool {
	return op.Class == View || op.Class == Copy && op.Deterministic() || op.Axes == AxesPermuted
}

// Cheap reports whether computing the outputs takes hardly more than reading the inputs:
// who has these need not be sent those.
func (op *Op) Cheap() bool { return op.Class != Computation && op.Deterministic() }

// InIntegers reports whether ONNX Runtime has the operator on integers too, which it takes
// where the inputs are dequantised and the output is quantised.
func (op *Op) InIntegers() bool {
	return op.Domain == "" && (Lookup("", "QLinear"+op.Name) != nil || Lookup("com.microsoft", "QLinear"+op.Name) != nil || Lookup("com.microsoft", "Q"+op.Name) != nil)
}

// Deterministic reports whether equal inputs give equal outputs in every run.
func (op *Op) Deterministic() bool { return op.Depends == OnContents || op.Depends == OnShape }

// Role returns the role of input i.
func (op *Op) Role(i int) Role {
	if len(op.Inputs) == 0 {
		return 0
	}
	return op.Inputs[min(i, len(op.Inputs)-1)]
}

// Arity is a range of numbers of inputs or outputs.
type Arity struct {
	Min, Max int // Max < 0: any number
}

func exactly(n int) Arity           { return Arity{n, n} }
func between(least, most int) Arity { return Arity{least, most} }
func atLeast(n int) Arity           { return Arity{n, -1} }

// String returns for example 2, 1..3 or 1...
func (a Arity) String() string {
	switch {
	case a.Max < 0:
		return fmt.Sprintf("%d..", a.Min)
	case a.Min == a.Max:
		return fmt.Sprint(a.Min)
	}
	return fmt.Sprintf("%d..%d", a.Min, a.Max)
}

type opID struct{ domain, name string }

// Lookup returns the row of an operator, nil where there is none. Domain is ""
// for ai.onnx. The operators of all codecs share the rows of [Encode], [Decode] and
// [RoundTrip]. The row must not be changed.
func Lookup(domain, op string) *Op { return table[idOf(domain, op)] }

// idOf returns the table's key for an operator.
func idOf(domain, op string) opID {
	if domain == CodecDomain {
		op = codecStep(op)
	}
	return opID{domain, op}
}

// unknown is what is taken for true of operators without a row.
var unknown = Op{
	Class: Computation, Depends: OnContents, Inputs: takes(Data), Sign: AnySign, Axes: AxesKept, Batch: BatchMixed,
	Half: Never, Magnitude: Rounds, Gives: GivesNumbers,
}

// Of returns the row of n's operator, or a careful guess where there is none. The row
// must not be changed.
func Of(n *ir.Node) *Op {
	if op := Lookup(n.Domain, n.Op); op != nil {
		return op
	}
	return &unknown
}

// SinceVersion returns the version that defines an operator as the given version
// of its domain's operator set has it: the newest one in Since that is not newer.
// It is false where the operator has no row or is not in that operator set yet.
func SinceVersion(domain, op string, opset int64) (int64, bool) {
	row := Lookup(domain, op)
	if row == nil {
		return 0, false
	}
	since, found := int64(0), false
	for _, v := range row.Since {
		if v <= opset {
			since, found = v, true
		}
	}
	return since, found
}

// group makes the rows of operators that share facts: what a row does not state is as
// class has it.
func group(class Op, rows []Op) []Op {
	for i := range rows {
		row := &rows[i]
		row.Domain = class.Domain
		row.In, row.Out = cmp.Or(row.In, class.In), cmp.Or(row.Out, class.Out)
		row.Class = cmp.Or(row.Class, class.Class)
		row.Depends = cmp.Or(row.Depends, class.Depends)
		row.Sign = cmp.Or(row.Sign, class.Sign)
		row.Axes = cmp.Or(row.Axes, class.Axes)
		row.Batch = cmp.Or(row.Batch, class.Batch)
		row.Half = cmp.Or(row.Half, class.Half)
		row.Magnitude = cmp.Or(row.Magnitude, class.Magnitude)
		row.Gives = cmp.Or(row.Gives, class.Gives)
		if row.Inputs == nil {
			row.Inputs = class.Inputs
		}
		if row.infer == nil {
			row.infer = class.infer
		}
		if row.macs == nil {
			row.macs = class.macs
		}
	}
	return rows
}

// index makes the table's rows accessible by name.
func index(groups ...[]Op) map[opID]*Op {
	out := map[opID]*Op{}
	for _, rows := range groups {
		for i := range rows {
			row := &rows[i]
			id := opID{row.Domain, row.Name}
			if out[id] != nil || row.infer == nil || row.macs == nil || len(row.Since) == 0 {
				panic(fmt.Sprintf("BUG: operator table: row %v is double or incomplete", id))
			}
			out[id] = row
		}
	}
	return out
}
