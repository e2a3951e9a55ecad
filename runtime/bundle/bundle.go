// Package bundle opens and runs what bnc split writes: the directory with
// mobile.onnx, cloud.onnx and bottlenet.onnx. It runs whole models the same
// way.
//
// The halves know each other only through their files' metadata. What crosses
// between them is a payload, or for a plain pair the cut tensors; where the
// codec is not a node of a graph, this package does it.
//
//	r, err := bundle.OpenRunner("resnet50-rb1-c1-s2", ort.Options{})
//	defer r.Close()
//	result, err := r.Run(ctx, ort.Feed{"input": image})
//	seen, err := kind.See(task.Batch{Outputs: result.Outputs}, task.Sight{Labels: r.Meta().Labels, Most: 5}) // of task.Open
package bundle

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/bottlenet/bnc/runtime/model"
)

// The files of a bundle.
const (
	MobileFile = "mobile.onnx"
	CloudFile  = "cloud.onnx"
	JoinedFile = "bottlenet.onnx"
)

// Bundle is a checked pair of halves, not yet loaded.
type Bundle struct {
	Dir    string
	Meta   Meta // the mobile half's; the cloud half's differs in Part only
	Mobile *model.Model
	Cloud  *model.Model
}

// PairError says that two halves do not belong together.
type PairError struct {
	Dir           string
	Mobile, Cloud string // their bnc.pair
}

// Error gives both identities.
func (e *PairError) Error() string {
	return fmt.Sprintf("%s: mobile.onnx and cloud.onnx do not belong together: their bnc.pair are %s and %s; take both from one split or training",
		e.Dir, e.Mobile, e.Cloud)
}

// Name returns what servers call the bundle or model at path: the name of the
// directory, or that of the file without .onnx.
func Name(path string) string {
	if full, err := filepath.Abs(path); err == nil {
		path = full
	}
	return strings.TrimSuffix(filepath.Base(path), ".onnx")
}

// IsBundle tells whether path is a directory with a bundle's halves in it.
func IsBundle(path string) bool {
	for _, name := range []string{MobileFile, CloudFile} {
		stat, err := os.Stat(filepath.Join(path, name))
		if err != nil || !stat.Mode().IsRegular() {
			return false
		}
	}
	return true
}

// Open reads the heads of a bundle's halves and checks them: their metadata,
// that they belong together, and that what the one gives is what the other
// takes. It does not load them.
func Open(dir string) (*Bundle, error) {
	mobile, mobileMeta, err := readHalf(dir, MobileFile, PartMobile)
	if err != nil {
		return nil, err
	}
	cloud, cloudMeta, err := readHalf(dir, CloudFile, PartCloud)
	if err != nil {
		return nil, err
	}
	if mobileMeta.Pair != cloudMeta.Pair {
		return nil, &PairError{dir, mobileMeta.Pair, cloudMeta.Pair}
	}
	if mobileMeta.Codec != cloudMeta.Codec || mobileMeta.CodecAt != cloudMeta.CodecAt {
		return nil, fmt.Errorf("%s: the halves disagree on the codec: %s at %s and %s at %s",
			dir, mobileMeta.Codec, mobileMeta.CodecAt, cloudMeta.Codec, cloudMeta.CodecAt)
	}
	b := &Bundle{Dir: dir, Meta: mobileMeta, Mobile: mobile, Cloud: cloud}
	if err := b.check(); err != nil {
		return nil, fmt.Errorf("%s: %w", dir, err)
	}
	return b, nil
}

// readHalf reads the head of one file of a bundle.
func readHalf(dir, name, part string) (*model.Model, Meta, error) {
	path := filepath.Join(dir, name)
	m, err := model.ReadFile(path)
	if err != nil {
		return nil, Meta{}, err
	}
	meta, err := ParseMeta(m.Metadata)
	if err == nil && meta.Part != part {
		err = fmt.Errorf("metadata bnc.part is %q, expected %q: is this file of another name, or not of bnc split?", meta.Part, part)
	}
	if err != nil {
		return nil, Meta{}, fmt.Errorf("%s: %w", path, err)
	}
	return m, meta, nil
}

// check compares the halves' inputs and outputs with what the metadata says
// crosses between them.
func (b *Bundle) check() error {
	leaving, entering := b.leaves(), b.enters()
	if len(b.Mobile.Outputs) < len(leaving) {
		return fmt.Errorf("mobile.onnx has the outputs %s, expected %s first", list(b.Mobile.Outputs), strings.Join(leaving, ", "))
	}
	for i, name := range leaving {
		if b.Mobile.Outputs[i].Name != name {
			return fmt.Errorf("mobile.onnx has the outputs %s, expected %s first", list(b.Mobile.Outputs), strings.Join(leaving, ", "))
		}
	}
	entering = append(entering, b.late()...)
	if len(b.Cloud.Inputs) != len(entering) {
		return fmt.Errorf("cloud.onnx has the inputs %s, expected %s", list(b.Cloud.Inputs), strings.Join(entering, ", "))
	}
	for i, name := range entering {
		if b.Cloud.Inputs[i].Name != name {
			return fmt.Errorf("cloud.onnx has the inputs %s, expected %s", list(b.Cloud.Inputs), strings.Join(entering, ", "))
		}
	}
	for _, name := range b.Outputs() {
		_, early := model.Find(b.Mobile.Outputs[len(leaving):], name)
		_, late := model.Find(b.Cloud.Outputs, name)
		if !early && !late {
			return fmt.Errorf("output %s of the original model comes out of neither half", name)
		}
	}
	return nil
}

// PayloadName is the name of what crosses where it is a payload.
const PayloadName = "payload"

// tileNames are the names, in a graph without the codec, of crossing tensor i's tile
// and of its range: "tile" and "range", from the second on with a number.
func tileNames(i int) (tile, limits string) {
	if i == 0 {
		return "tile", "range"
	}
	return fmt.Sprintf("tile_%d", i+1), fmt.Sprintf("range_%d", i+1)
}

// Crosses returns the names of what crosses: the payload, or the tensors of a plain
// pair; and the model's inputs that only its cloud half reads, which travel as they are.
func (b *Bundle) Crosses() []string { return slices.Concat(b.computed(), b.late()) }

// computed returns the names of what crosses and the mobile half computes.
func (b *Bundle) computed() []string {
	if !b.Meta.Plain() {
		return []string{PayloadName}
	}
	if b.Meta.Tensors != nil {
		return b.Meta.Tensors
	}
	var names []string
	for _, port := range b.Cloud.Inputs {
		if !slices.Contains(b.Meta.Inputs, port.Name) {
			names = append(names, port.Name)
		}
	}
	return names
}

// late returns the names of the model's inputs that only its cloud half reads.
func (b *Bundle) late() (names []string) {
	for _, name := range b.Meta.Inputs {
		_, early := model.Find(b.Mobile.Inputs, name)
		_, late := model.Find(b.Cloud.Inputs, name)
		if late && !early {
			names = append(names, name)
		}
	}
	return names
}

// Inputs returns the model's inputs, in its order.
func (b *Bundle) Inputs() []model.Port {
	if b.late() == nil {
		return b.Mobile.Inputs
	}
	var ports []model.Port
	for _, name := range b.Meta.Inputs {
		port, ok := model.Find(b.Mobile.Inputs, name)
		if !ok {
			port, ok = model.Find(b.Cloud.Inputs, name)
		}
		if ok {
			ports = append(ports, port)
		}
	}
	return ports
}

// leaves returns the names of mobile's outputs that make up what crosses.
func (b *Bundle) leaves() []string {
	if !b.Meta.Plain() && b.Meta.CodecAt != AtGraph {
		return b.tiles()
	}
	return b.computed()
}

// enters returns the names of cloud's inputs, but for the model's own.
func (b *Bundle) enters() []string {
	if !b.Meta.Plain() && b.Meta.CodecAt == AtHost {
		return b.tiles()
	}
	return b.computed()
}

// tiles returns the names of all tiles and ranges.
func (b *Bundle) tiles() []string {
	var names []string
	for i, c := range b.Meta.Crossing() {
		tile, limits := tileNames(i)
		if names = append(names, tile); c.Part.Dynamic {
			names = append(names, limits)
		}
	}
	return names
}

// Outputs returns the names of the original model's outputs in order: as the
// metadata lists them, or else the cloud's and then those that leave with the
// mobile half.
func (b *Bundle) Outputs() []string {
	if len(b.Meta.Outputs) > 0 {
		return b.Meta.Outputs
	}
	var names []string
	for _, port := range slices.Concat(b.Cloud.Outputs, b.Mobile.Outputs[len(b.leaves()):]) {
		names = append(names, port.Name)
	}
	return names
}

// Joined returns the path of bottlenet.onnx, and an error where the bundle has
// none: a plain pair is not trainable.
func (b *Bundle) Joined() (string, error) {
	path := filepath.Join(b.Dir, JoinedFile)
	if _, err := os.Stat(path); err != nil {
		if errors.Is(err, os.ErrNotExist) && b.Meta.Plain() {
			return "", fmt.Errorf("%s is a plain pair: it has no %s", b.Dir, JoinedFile)
		}
		return "", err
	}
	return path, nil
}

func list(ports []model.Port) string {
	if len(ports) == 0 {
		return "(none)"
	}
	words := make([]string, len(ports))
	for i, p := range ports {
		words[i] = p.Name
	}
	return strings.Join(words, ", ")
}
