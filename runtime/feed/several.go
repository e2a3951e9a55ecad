package feed

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/bottlenet/bnc/runtime/data"
	"github.com/bottlenet/bnc/runtime/imagein"
	"github.com/bottlenet/bnc/runtime/model"
	"github.com/bottlenet/bnc/runtime/tensor"
)

// Several prepares files for all inputs of a model that are given nothing always.
type Several struct{ feeders []*Feeder }

// Several returns what feeds such inputs; images are prepared for each as choose says.
func (g Given) Several(inputs []model.Port, choose Chooser) (*Several, error) {
	s := &Several{}
	for _, port := range g.Rest(inputs) {
		f, err := newFeeder(port, choose)
		if err != nil {
			return nil, err
		}
		s.feeders = append(s.feeders, f)
	}
	if len(s.feeders) == 0 {
		return nil, errNone
	}
	return s, s.feeders[0].add(g, inputs)
}

// Fed is what one run is given.
type Fed struct {
	Feed  map[string]*tensor.Tensor
	Frame imagein.Frame // how the first picture lies in its input; zero where there is none
	File  string        // of that, else of the first item
}

// Read prepares a run's files: one for the only input, or NAME=FILE,NAME=FILE for several.
// Errors name the file.
func (s *Several) Read(files string) (*Fed, error) {
	paths, err := s.paths(files)
	if err != nil {
		return nil, err
	}
	items := make([]data.Item, len(paths))
	for i, path := range paths {
		if items[i], err = data.ReadItem(path); err != nil {
			return nil, err
		}
	}
	return s.feed(items, paths)
}

// Items prepares a run of which every input gets the same item, as far as it takes it: for
// measuring what a run takes.
func (s *Several) Items(item data.Item) (*Fed, error) {
	items := make([]data.Item, len(s.feeders))
	for i := range items {
		items[i] = item
	}
	return s.feed(items, make([]string, len(items)))
}

func (s *Several) feed(items []data.Item, paths []string) (*Fed, error) {
	fed := &Fed{File: paths[0]}
	for i, f := range s.feeders {
		x, err := f.One(items[i])
		if err != nil {
			return nil, ofFile(paths[i], err)
		}
		if i == 0 {
			fed.Feed = f.Feed(x)
		}
		fed.Feed[f.port.Name] = x
		if items[i].Image == nil || fed.Frame != (imagein.Frame{}) {
			continue
		}
		fed.File = paths[i]
		if fed.Frame, err = f.Frame(items[i]); err != nil {
			return nil, ofFile(paths[i], err)
		}
	}
	return fed, nil
}

func ofFile(path string, err error) error {
	if path == "" {
		return err
	}
	return fmt.Errorf("%s: %w", path, err)
}

// paths are the files of the inputs, in their order.
func (s *Several) paths(files string) ([]string, error) {
	if _, err := os.Stat(files); len(s.feeders) == 1 && !(errors.Is(err, fs.ErrNotExist) && strings.HasPrefix(files, s.feeders[0].port.Name+"=")) {
		return []string{files}, nil
	}
	found := map[string]string{}
	last := ""
	for part := range strings.SplitSeq(files, ",") {
		name, file, ok := strings.Cut(part, "=")
		switch {
		case ok && s.has(name) && found[name] == "":
			found[name], last = file, name
		case last != "": // a comma in a file's name
			found[last] += "," + part
		default:
			return nil, fmt.Errorf("%s: the model has several inputs: expected %s, or option feed NAME=FILE.npy for what is always the same", files, s.form())
		}
	}
	var paths []string
	for _, f := range s.feeders {
		if found[f.port.Name] == "" {
			return nil, fmt.Errorf("%s: nothing for input %s: expected %s, or option feed %s=FILE.npy", files, f.port.Name, s.form(), f.port.Name)
		}
		paths = append(paths, found[f.port.Name])
	}
	return paths, nil
}

func (s *Several) has(name string) bool {
	for _, f := range s.feeders {
		if f.port.Name == name {
			return true
		}
	}
	return false
}

// form is how files for all inputs are given.
func (s *Several) form() string {
	var parts []string
	for _, f := range s.feeders {
		parts = append(parts, f.port.Name+"=FILE")
	}
	return strings.Join(parts, ",")
}
