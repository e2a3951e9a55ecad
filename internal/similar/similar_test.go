package similar

import (
	"slices"
	"testing"
)

// TestNames: a slip of the finger is found, and what is like no name gets none.
func TestNames(t *testing.T) {
	known := []string{"resnet18", "resnet50", "vgg11", "run", "split", "rb1", "rb9", "rb1"}
	for name, want := range map[string][]string{
		"resnet51": {"resnet50", "resnet18"}, "vgg12": {"vgg11"}, "splt": {"split"}, "rn": {"run"}, "rb99": {"rb9", "rb1"},
		"nosuch": nil, "x": nil, "": nil, "network": nil, "änderung": nil,
	} {
		if got := Names(name, known); !slices.Equal(got, want) {
			t.Errorf("%q: %q, expected %q", name, got, want)
		}
	}
}
