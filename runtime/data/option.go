package data

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"sync"

	"github.com/bottlenet/bnc/internal/fault"
)

// Notice tells what a person should know.
type Notice func(format string, args ...any)

// OpenOption opens the data that an option names for a part, and tells what of it is
// passed over.
func OpenOption(option, path string, part Part, notice Notice) (*Set, error) {
	set, err := Open(path, part)
	if err != nil {
		return nil, fault.Unusable("option %s: %w", option, err)
	}
	for _, line := range set.PassedOver() {
		notice("option %s: %s", option, line)
	}
	return set, nil
}

// Named numbers the classes of folders as a model's labels do, where folders and labels
// have the same names. Folders of which no name is a label stay in their order. Option is
// what names the data.
func (s *Set) Named(labels []string, option string) (*Set, error) {
	known := slices.ContainsFunc(s.Classes(), func(name string) bool { return slices.Contains(labels, name) })
	if !known || Numbered(s.Classes()) {
		return s, nil
	}
	same, err := s.As(labels)
	if err != nil {
		return nil, fault.Unusable("option %s: %w: the model's labels have the names of other folders; rename it, or give option labels", option, err)
	}
	return same, nil
}

// Like numbers the classes of images to judge by as those of the images to train on.
func (s *Set) Like(train *Set) (*Set, error) {
	if !s.Labelled() || !train.Labelled() || Numbered(s.Classes()) || Numbered(train.Classes()) {
		return s, nil
	}
	same, err := s.As(train.Classes())
	if err != nil {
		return nil, fault.Unusable("images to judge by: %w: those that are trained on have no such folder", err)
	}
	return same, nil
}

// Readable leaves images to judge by out that cannot be read, with a notice, so that
// every epoch is judged by the same ones.
func (s *Set) Readable(notice Notice) (*Set, error) {
	if s.File(0) == "" { // a file of all items was read as a whole
		return s, nil
	}
	failed := make([]error, s.Len())
	workers := runtime.GOMAXPROCS(0)
	var group sync.WaitGroup
	for first := range workers {
		group.Go(func() {
			var r Reader
			for i := first; i < s.Len(); i += workers {
				_, failed[i] = s.Read(i, &r)
			}
		})
	}
	group.Wait()
	var good []int
	for i, err := range failed {
		if err == nil {
			good = append(good, i)
		} else {
			notice("left out: %v", err)
		}
	}
	if good == nil {
		return nil, fault.Unusable("none of the images to judge by can be read: %w", failed[0])
	}
	return s.Select(good), nil
}

// ID tells sets, nil ones left out, apart by their classes and the names and labels of
// their items, wherever their folders are.
func ID(sets ...*Set) string {
	h := sha256.New()
	for _, set := range sets {
		if set == nil {
			continue
		}
		fmt.Fprintln(h, set.Len(), set.Classes())
		for i := range set.Len() {
			fmt.Fprintln(h, filepath.Base(set.Name(i)), set.Label(i))
		}
	}
	return hex.EncodeToString(h.Sum(nil))
}

// ReadLabels reads the file that option labels names, the name of a class a line; nil where
// it is "".
func ReadLabels(path string) ([]string, error) {
	if path == "" {
		return nil, nil
	}
	labels, err := ReadNames(path)
	if err != nil {
		return nil, fault.Unusable("option labels: %w", err)
	}
	return labels, nil
}
