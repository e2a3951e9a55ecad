package data

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// NoPartError says that a divided DATA lacks the part that was asked for.
type NoPartError struct {
	Path string
	Part Part
}

// Error names the folder and the part.
func (e *NoPartError) Error() string {
	return fmt.Sprintf("%s is divided, but has no part for %s", e.Path, map[Part]string{
		Train: "training (train/ or train-*)",
		Val:   "evaluation (val/ or t10k-*)",
	}[e.Part])
}

// Open opens a part of the DATA at path. It returns a *NoPartError where DATA
// is divided and does not have that part, and errors that name the file or
// folder for anything that is not DATA.
func Open(path string, part Part) (*Set, error) {
	stat, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !stat.IsDir() {
		if isNPY(path) {
			return openArrays(path, "")
		}
		return nil, fmt.Errorf("%s: expected a folder of images or a .npy file", path)
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil, err
	}
	if set, err := openPrefixed(path, entries, part); set != nil || err != nil {
		return set, err
	}
	if set, err := openMasked(path, entries, part); set != nil || err != nil {
		return set, err
	}
	divided, err := dividedBySubfolder(path, entries)
	if err != nil {
		return nil, err
	}
	if !divided {
		return openFolder(path, entries)
	}
	sub := filepath.Join(path, string(part))
	entries, err = os.ReadDir(sub)
	if os.IsNotExist(err) {
		return nil, &NoPartError{path, part}
	}
	if err != nil {
		return nil, err
	}
	set, err := openMasked(sub, entries, part)
	if set == nil && err == nil {
		set, err = openFolder(sub, entries)
	}
	if err != nil {
		return nil, err
	}
	set.part = part
	return set, nil
}

// prefixes are how file names begin in MNIST's way of dividing.
var prefixes = map[Part]string{Train: "train-", Val: "t10k-"}

// openPrefixed opens the IDX files or arrays of a folder in which their names
// tell the part; it returns nil where there are none.
func openPrefixed(path string, entries []fs.DirEntry, part Part) (*Set, error) {
	found := false
	for _, p := range []Part{part, Train, Val} {
		images := findFile(entries, prefixes[p], "images")
		if images == "" {
			continue
		}
		found = true
		if p != part {
			continue
		}
		set, err := openPair(path, images, findFile(entries, prefixes[p], "labels"))
		if err != nil {
			return nil, err
		}
		set.part = part
		return set, nil
	}
	if found {
		return nil, &NoPartError{path, part}
	}
	return nil, nil
}

// findFile returns the name of the IDX or .npy file for what ("images" or
// "labels") whose name begins with prefix, "" if there is none. Of two the
// first in name order is taken: a plain file before its gzipped twin.
func findFile(entries []fs.DirEntry, prefix, what string) string {
	for _, e := range entries {
		rest, ok := strings.CutPrefix(e.Name(), prefix+what)
		if !ok || e.IsDir() {
			continue
		}
		if rest == ".npy" || isIDX(rest) {
			return e.Name()
		}
	}
	return ""
}

// openPair opens a file of images and, where it is there, one of labels.
func openPair(path, images, labels string) (*Set, error) {
	images = filepath.Join(path, images)
	if labels != "" {
		labels = filepath.Join(path, labels)
	}
	open := openIDX
	if isNPY(images) {
		open = openArrays
	}
	set, err := open(images, labels)
	if err != nil {
		return nil, err
	}
	return set, nameClasses(set, path)
}

// nameClasses gives a set whose labels are numbers the names of a classes.txt
// in its folder.
func nameClasses(set *Set, path string) error {
	listed, file, err := readClasses(path)
	if err != nil || listed == nil || !set.Labelled() {
		return err
	}
	if len(listed) < len(set.classes) {
		return fmt.Errorf("%s names %d classes, but there is a label %d", file, len(listed), len(set.classes)-1)
	}
	set.classes = listed
	return nil
}

// parts are the sub-folders' names that divide a set; test belongs to neither
// part that bnc uses.
var parts = []string{string(Train), string(Val), "test"}

// dividedBySubfolder tells whether train/ and val/ are parts rather than
// classes of those names: nothing but parts beside them, or class folders in
// them.
func dividedBySubfolder(path string, entries []fs.DirEntry) (bool, error) {
	onlyParts, candidates := true, []string{}
	for _, e := range entries {
		switch {
		case !isFolder(path, e) || hidden(e):
		case e.Name() == string(Train) || e.Name() == string(Val):
			candidates = append(candidates, e.Name())
		case !slices.Contains(parts, e.Name()):
			onlyParts = false
		}
	}
	if len(candidates) == 0 || onlyParts {
		return len(candidates) > 0, nil
	}
	for _, name := range candidates {
		sub := filepath.Join(path, name)
		inside, err := os.ReadDir(sub)
		if err != nil {
			return false, err
		}
		if slices.ContainsFunc(inside, func(e fs.DirEntry) bool { return isFolder(sub, e) && !hidden(e) }) {
			return true, nil
		}
	}
	return false, nil
}

// isFolder tells whether an entry is a folder or a link to one.
func isFolder(path string, e fs.DirEntry) bool {
	if e.Type()&fs.ModeSymlink == 0 {
		return e.IsDir()
	}
	stat, err := os.Stat(filepath.Join(path, e.Name()))
	return err == nil && stat.IsDir()
}
