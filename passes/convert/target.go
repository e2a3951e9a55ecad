package convert

import (
	"slices"

	"github.com/bottlenet/bnc/passes"
)

// Target is what a mobile half is for.
type Target struct {
	Name string
	// Passes bring the mobile half there, and check that the target takes it.
	Passes []passes.Pass
	// CodecAt is the only place where the target lets the codec be, "" for any, for
	// this Reason.
	CodecAt, Reason string
}

// DefaultTarget is any runtime.
const DefaultTarget = "default"

// targets are all there are, the default first.
var targets = []Target{
	{Name: DefaultTarget},
	tx2,
}

// Targets returns the names of the targets.
func Targets() []string {
	var names []string
	for _, t := range targets {
		names = append(names, t.Name)
	}
	return names
}

// TargetNamed returns the target of a name, the default for "", and false where there
// is none.
func TargetNamed(name string) (Target, bool) {
	i := slices.IndexFunc(targets, func(t Target) bool { return t.Name == name })
	switch {
	case name == "":
		return targets[0], true
	case i < 0:
		return Target{}, false
	}
	return targets[i], true
}
