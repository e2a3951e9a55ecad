package shape

import "fmt"

// Op is a row of the operator table.
type Op struct {
	Domain, Name string
	// Since lists the versions of the domain's operator set that brought the
	// operator or changed it, rising. Where the last one retires the operator it
	// is listed too.
	Since []int64
	// In and Out are the numbers of inputs and outputs that operator sets 7 and
	// newer allow.
	In, Out Arity
	Traits  Traits

	infer rule
	macs  cost // nil: none
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

// Traits are properties that passes ask for.
type Traits uint8

const (
	// Random marks operators whose outputs differ from run to run.
	Random Traits = 1 << iota
	// RandomInTraining marks operators that are random where their input
	// training_mode (the third) is true, as Dropout is from operator set 12 on.
	RandomInTraining
	// ShapeOnly marks operators whose outputs depend on the shape of their first
	// input only.
	ShapeOnly
)

type opID struct{ domain, name string }

// Lookup returns the row of an operator, nil where there is none. Domain is ""
// for ai.onnx. The row must not be changed.
func Lookup(domain, op string) *Op { return table[opID{domain, op}] }

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

// index makes the table's rows accessible by name.
func index(groups ...[]Op) map[opID]*Op {
	out := map[opID]*Op{}
	for _, rows := range groups {
		for i := range rows {
			row := &rows[i]
			id := opID{row.Domain, row.Name}
			if out[id] != nil || row.infer == nil || len(row.Since) == 0 {
				panic(fmt.Sprintf("BUG: operator table: row %v is double or incomplete", id))
			}
			out[id] = row
		}
	}
	return out
}
