package data

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/bottlenet/bnc/runtime/imagein"
)

// classesFile names the file that puts class folders in order.
const classesFile = "classes.txt"

// files is a source of one file an item: images, or .npy tensors.
type files struct {
	root    string
	folders []string // sub-folders of root, "" for root itself
	entries []entry
}

// entry is one file: a name of its own and shared pieces, as there can be
// millions.
type entry struct {
	name   string
	folder int32 // index into folders
	label  int32
}

// openFolder opens a folder that is not divided: arrays, class folders, or a
// flat folder.
func openFolder(path string, entries []fs.DirEntry) (*Set, error) {
	if images := findFile(entries, "", "images"); images != "" {
		return openPair(path, images, findFile(entries, "", "labels"))
	}
	var folders []string
	for _, e := range entries {
		if isFolder(path, e) && !strings.HasPrefix(e.Name(), ".") {
			folders = append(folders, e.Name())
		}
	}
	if len(folders) > 0 {
		set, err := openClasses(path, folders)
		if err != nil {
			return nil, err
		}
		beside := &files{}
		beside.add(entries, 0, NoLabel)
		set.beside = len(beside.entries)
		return set, nil
	}
	src := &files{root: path, folders: []string{""}}
	src.add(entries, 0, NoLabel)
	if len(src.entries) == 0 {
		return nil, fmt.Errorf("%s: expected class folders, images (.jpg, .jpeg, .png), .npy tensors or IDX files, found none of them", path)
	}
	return &Set{source: src}, nil
}

// openClasses opens an image folder: folders are its sub-folders, sorted.
func openClasses(path string, folders []string) (*Set, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	classes, file, err := readClasses(path, filepath.Dir(abs))
	if err != nil {
		return nil, err
	}
	if classes == nil {
		classes = folders
	}
	index := make(map[string]int, len(classes))
	for i, name := range classes {
		index[name] = i
	}
	var empty []string
	src := &files{root: path, folders: folders}
	for k, name := range folders {
		label, ok := index[name]
		if !ok {
			return nil, fmt.Errorf("%s: class folder %s is not listed in %s", path, name, file)
		}
		inside, err := os.ReadDir(filepath.Join(path, name))
		if err != nil {
			return nil, err
		}
		before := len(src.entries)
		src.add(inside, k, label)
		if len(src.entries) == before {
			empty = append(empty, name)
		}
	}
	if len(src.entries) == 0 {
		return nil, fmt.Errorf("%s: none of its %d class folders holds images (.jpg, .jpeg, .png, .npy)", path, len(folders))
	}
	return &Set{source: src, classes: classes, empty: empty}, nil
}

// readClasses reads the classes.txt of the first of dirs that has one: one
// folder name a line. It returns nil where there is none.
func readClasses(dirs ...string) (classes []string, file string, err error) {
	for _, dir := range dirs {
		file = filepath.Join(dir, classesFile)
		f, err := os.Open(file)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, "", err
		}
		defer f.Close()
		seen := map[string]bool{}
		lines := bufio.NewScanner(f)
		for lines.Scan() {
			name := strings.TrimSpace(lines.Text())
			if name == "" {
				continue
			}
			if seen[name] {
				return nil, "", fmt.Errorf("%s names %q twice", file, name)
			}
			seen[name] = true
			classes = append(classes, name)
		}
		if err := lines.Err(); err != nil {
			return nil, "", fmt.Errorf("%s: %w", file, err)
		}
		if classes == nil {
			return nil, "", fmt.Errorf("%s is empty: expected one class folder's name a line", file)
		}
		return classes, file, nil
	}
	return nil, "", nil
}

// add appends the images and tensors among entries.
func (f *files) add(entries []fs.DirEntry, folder, label int) {
	for _, e := range entries {
		if !e.IsDir() && (imagein.IsImage(e.Name()) || isNPY(e.Name())) {
			f.entries = append(f.entries, entry{e.Name(), int32(folder), int32(label)})
		}
	}
}

func (f *files) len() int        { return len(f.entries) }
func (f *files) label(i int) int { return int(f.entries[i].label) }
func (f *files) file() bool      { return true }

func (f *files) name(i int) string {
	e := f.entries[i]
	return filepath.Join(f.root, f.folders[e.folder], e.name)
}

func (f *files) item(i int, r *Reader) (Item, error) { return r.read(f.name(i)) }

// ReadItem reads a JPEG or PNG image, or a .npy tensor, which is taken as
// already prepared and as it is. Errors name the file.
func ReadItem(path string) (Item, error) {
	return new(Reader).read(path)
}

// isNPY tells whether a file's name is that of a numpy array.
func isNPY(name string) bool { return strings.EqualFold(filepath.Ext(name), ".npy") }
