package feed

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/bottlenet/bnc/internal/fault"
	"github.com/bottlenet/bnc/internal/similar"
	"github.com/bottlenet/bnc/runtime/model"
	"github.com/bottlenet/bnc/runtime/tensor"
)

// Given are what inputs are given that get no item of a set: the same in every run, by
// the inputs' names.
type Given map[string]*tensor.Tensor

// OpenGiven reads the .npy files of inputs' names. Option is what names them.
func OpenGiven(files map[string]string, option string) (Given, error) {
	given := Given{}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		t, err := tensor.ReadNPYFile(files[name])
		if err != nil {
			return nil, fault.Unusable("option %s: %w", option, err)
		}
		given[name] = t
	}
	return given, nil
}

// Check finds names that no input has, and tensors that are not what their input takes.
func (g Given) Check(inputs []model.Port, option string) error {
	for _, name := range slices.Sorted(maps.Keys(g)) {
		port, ok := model.Find(inputs, name)
		if !ok {
			return fault.Usage(option, "%s: the model has no input of that name: expected one of %s%s", name, names(inputs), similar.Hint(name, portNames(inputs)))
		}
		if _, err := (&Feeder{port: port}).batched(g[name]); err != nil {
			return fault.Unusable("option %s: %w", option, err)
		}
	}
	return nil
}

func portNames(ports []model.Port) (all []string) {
	for _, p := range ports {
		all = append(all, p.Name)
	}
	return all
}

func names(ports []model.Port) string { return strings.Join(portNames(ports), ", ") }

// ID tells what is given apart, "" for nothing.
func (g Given) ID() string {
	if len(g) == 0 {
		return ""
	}
	h := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(g)) {
		fmt.Fprintln(h, name, g[name])
		h.Write(g[name].Data)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// Rest are the inputs that nothing is given for.
func (g Given) Rest(inputs []model.Port) []model.Port {
	return slices.DeleteFunc(slices.Clone(inputs), func(p model.Port) bool { return g[p.Name] != nil })
}

// One is the input that nothing is given for, where there is one such.
func (g Given) One(inputs []model.Port) (model.Port, error) {
	rest := g.Rest(inputs)
	if len(rest) == 1 {
		return rest[0], nil
	}
	if len(rest) == 0 {
		return model.Port{}, errNone
	}
	return model.Port{}, fmt.Errorf("the model has %d inputs, %s: images and .npy tensors can be given to one; give the others by option feed NAME=FILE.npy", len(rest), names(rest))
}

var errNone = errors.New("no input of the model is left for images or .npy tensors")

// New is New for a model with one input beside those that are given something. What is
// given for inputs that it does not have is of no account.
func (g Given) New(inputs []model.Port, choose Chooser) (*Feeder, error) {
	port, err := g.One(inputs)
	if err != nil {
		return nil, err
	}
	f, err := newFeeder(port, choose)
	if err != nil {
		return nil, err
	}
	return f, f.add(g, inputs)
}

// ForOne returns what those of the inputs are given that have something, for one image.
func (g Given) ForOne(inputs []model.Port) (map[string]*tensor.Tensor, error) {
	f := &Feeder{}
	err := f.add(g, inputs)
	all := map[string]*tensor.Tensor{}
	for _, c := range f.given {
		all[c.port.Name] = c.value
	}
	return all, err
}

// add notes what else a run of the feeder's model is given.
func (f *Feeder) add(g Given, inputs []model.Port) error {
	for _, port := range inputs {
		t := g[port.Name]
		if t == nil {
			continue
		}
		x, err := (&Feeder{port: port}).batched(t)
		if err != nil {
			return err
		}
		f.given = append(f.given, constant{port, x})
	}
	return nil
}

// constant is what an input is given in every run.
type constant struct {
	port  model.Port
	value *tensor.Tensor
}

// rows is the value for a batch of n: one row is given to each image where the batch is
// open.
func (c constant) rows(n int64) *tensor.Tensor {
	shape, ports := c.value.Shape, c.port.Shape
	if n <= 1 || len(shape) == 0 || shape[0] != 1 || len(ports) > 0 && ports[0].Size == 1 {
		return c.value
	}
	shape = slices.Clone(shape)
	shape[0] = n
	x, err := tensor.FromBytes(c.value.DType, shape, slices.Repeat(c.value.Data, int(n)))
	if err != nil {
		panic("BUG: " + err.Error()) // it is n times what it was
	}
	return x
}

// Feed is what a run is given: a batch of the feeder's items, and what is given always.
func (f *Feeder) Feed(x *tensor.Tensor) map[string]*tensor.Tensor {
	all := map[string]*tensor.Tensor{f.port.Name: x}
	n := int64(1)
	if len(x.Shape) > 0 {
		n = x.Shape[0]
	}
	for _, c := range f.given {
		all[c.port.Name] = c.rows(n)
	}
	return all
}

// Port is the input that is fed.
func (f *Feeder) Port() model.Port { return f.port }
