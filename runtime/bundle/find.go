package bundle

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/bottlenet/bnc/internal/fault"
)

// Find returns the bundles at path: it is one itself, or a folder of some; nil for a
// file. A folder without one is a fault.DataError.
func Find(path string) ([]string, error) {
	st, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, err
	case !st.IsDir():
		return nil, nil
	case IsBundle(path):
		return []string{path}, nil
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil, err
	}
	var dirs []string
	for _, e := range entries {
		if dir := filepath.Join(path, e.Name()); IsBundle(dir) {
			dirs = append(dirs, dir)
		}
	}
	if dirs == nil {
		return nil, fault.Unusable("%s holds neither %s and %s nor folders with them: expected a bundle that bnc split wrote, or a folder of bundles", path, MobileFile, CloudFile)
	}
	return dirs, nil
}

// Of returns which of the bundles dirs are meant by a name: the one of that folder name,
// or all that were split at the cut of that name. An alias such as rb1 is found in the
// folder's name that bnc split gives. Known says what the names and cuts of all are.
func Of(dirs []string, name string) (found, known []string, err error) {
	for _, dir := range dirs {
		b, err := Open(dir)
		if err != nil {
			return nil, nil, err
		}
		own := filepath.Base(dir)
		known = append(known, fmt.Sprintf("%s (%s)", own, b.Meta.Cut))
		if own == name {
			return []string{dir}, known, nil
		}
		if b.Meta.Cut == name || slices.Contains(strings.Split(own, "-"), name) {
			found = append(found, dir)
		}
	}
	return found, known, nil
}

// CloudOf is the file that a server runs of the bundle or model at path: the bundle's cloud
// half, or the whole model.
func CloudOf(path string) (file string, err error) {
	if IsBundle(path) {
		_, err := Open(path)
		return filepath.Join(path, CloudFile), err
	}
	stat, err := os.Stat(path)
	if err == nil && stat.IsDir() {
		err = fault.Unusable("%s is no bundle: it has not both %s and %s", path, MobileFile, CloudFile)
	}
	return path, err
}
