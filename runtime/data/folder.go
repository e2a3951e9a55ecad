package data

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/bottlenet/bnc/internal/fault"
	"github.com/bottlenet/bnc/runtime/imagein"
)

// classesFile names the file that puts class folders in order.
const classesFile = "classes.txt"

// files is a source of one file an item: images, or .npy tensors.
type files struct {
	root    string
	masks   string   // folder of masks as root is of images, "" for none
	folders []string // below root, "" for root itself
	entries []entry
	passed  passed
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
		if isFolder(path, e) && !hidden(e) {
			folders = append(folders, e.Name())
		}
	}
	if len(folders) > 0 {
		set, err := openClasses(path, folders)
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			if !isFolder(path, e) && isItem(e) {
				set.passed.beside++
			}
		}
		return set, nil
	}
	src := &files{root: path}
	if err := src.add("", NoLabel, nil); err != nil {
		return nil, err
	}
	if len(src.entries) == 0 {
		return nil, fmt.Errorf("%s: expected class folders, images (%s), .npy tensors or IDX files, found none of them", path, imagein.Extensions())
	}
	masked := src.pairMasks()
	return &Set{source: src, passed: src.passed, masked: masked}, nil
}

// openClasses opens an image folder: folders are its sub-folders.
func openClasses(path string, folders []string) (*Set, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	classes, file, err := readClasses(path, filepath.Dir(abs))
	if err != nil {
		return nil, err
	}
	slices.SortFunc(folders, func(a, b string) int { return strings.Compare(className(a), className(b)) })
	names := make([]string, len(folders))
	for k, folder := range folders {
		names[k] = className(folder)
		if k > 0 && names[k] == names[k-1] {
			return nil, fmt.Errorf("%s: two folders are called %s, once with composed and once with decomposed accents: put their images into one", path, names[k])
		}
	}
	if classes == nil {
		classes = names
	}
	index := make(map[string]int, len(classes))
	for i, name := range classes {
		index[name] = i
	}
	root, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	var empty []string
	src := &files{root: path}
	for k, folder := range folders {
		label, ok := index[names[k]]
		if !ok {
			return nil, fmt.Errorf("%s: class folder %s is not listed in %s", path, folder, file)
		}
		before := len(src.entries)
		if err := src.add(folder, label, []fs.FileInfo{root}); err != nil {
			return nil, err
		}
		if len(src.entries) == before {
			empty = append(empty, names[k])
		}
	}
	if len(src.entries) == 0 {
		return nil, fmt.Errorf("%s: none of its %d class folders holds images (%s, .npy)", path, len(folders), imagein.Extensions())
	}
	return &Set{source: src, classes: classes, empty: empty, passed: src.passed}, nil
}

// readClasses reads the classes.txt of the first of dirs that has one: one
// folder name a line. It returns nil where there is none.
func readClasses(dirs ...string) (classes []string, file string, err error) {
	for _, dir := range dirs {
		file = filepath.Join(dir, classesFile)
		lines, err := ReadNames(file)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, "", err
		}
		seen := map[string]bool{}
		for _, name := range lines {
			if name == "" {
				continue
			}
			if seen[name] {
				return nil, "", fmt.Errorf("%s names %q twice", file, name)
			}
			seen[name] = true
			classes = append(classes, name)
		}
		return classes, file, nil
	}
	return nil, "", nil
}

// Files returns the paths of the images and tensors below a folder, in order of
// their names, and what else is there: see Set.PassedOver.
func Files(folder string) (paths, passedOver []string, err error) {
	src := &files{root: folder}
	if err := src.add("", NoLabel, nil); err != nil {
		return nil, nil, err
	}
	for i := range src.entries {
		paths = append(paths, src.name(i))
	}
	return paths, src.passed.lines(), nil
}

// Inputs replaces folders among paths by the images and tensors below them, in name order as
// Files lists them, and tells what else they hold. A folder without any is a
// fault.DataError.
func Inputs(paths []string, notice Notice) (files []string, err error) {
	for _, path := range paths {
		stat, err := os.Stat(path)
		if errors.Is(err, fs.ErrNotExist) && strings.Contains(path, "=") { // several files, for inputs by their names
			files = append(files, path)
			continue
		}
		if err != nil {
			return nil, err
		}
		if !stat.IsDir() {
			files = append(files, path)
			continue
		}
		below, lines, err := Files(path)
		if err != nil {
			return nil, err
		}
		if len(below) == 0 {
			return nil, fault.Unusable("%s holds no image (%s) and no .npy file", path, imagein.Extensions())
		}
		for _, line := range lines {
			notice("%s: %s", path, line)
		}
		files = append(files, below...)
	}
	return files, nil
}

// add appends the images and tensors below a folder of root, in order of their
// names. Hidden files and folders are none. Links to folders are followed, but
// not back to one of the folders that they lie in, which above holds.
func (f *files) add(folder string, label int, above []fs.FileInfo) error {
	dir := filepath.Join(f.root, folder)
	stat, err := os.Stat(dir)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(above, func(other fs.FileInfo) bool { return os.SameFile(stat, other) }) {
		return nil
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	at := len(f.folders)
	f.folders = append(f.folders, folder)
	for _, e := range entries {
		switch {
		case hidden(e), e.Name() == classesFile:
		case isFolder(dir, e):
			if err := f.add(filepath.Join(folder, e.Name()), label, append(above, stat)); err != nil {
				return err
			}
		case isItem(e):
			f.entries = append(f.entries, entry{e.Name(), int32(at), int32(label)})
		default:
			f.passed.add(dir, e.Name())
		}
	}
	return nil
}

// hidden tells whether an entry is none of the data's: .git, a Mac's ._1.jpg.
func hidden(e fs.DirEntry) bool { return strings.HasPrefix(e.Name(), ".") }

// isItem tells whether an entry that is no folder is an image or a tensor.
func isItem(e fs.DirEntry) bool {
	return !hidden(e) && (imagein.IsImage(e.Name()) || isNPY(e.Name()))
}

func (f *files) len() int        { return len(f.entries) }
func (f *files) label(i int) int { return int(f.entries[i].label) }
func (f *files) file() bool      { return true }

func (f *files) name(i int) string {
	e := f.entries[i]
	return filepath.Join(f.root, f.folders[e.folder], e.name)
}

func (f *files) item(i int, r *Reader) (Item, error) { return r.read(f.name(i)) }

// ReadItem reads an image, or a .npy tensor, which is taken as
// already prepared and as it is. Errors name the file.
func ReadItem(path string) (Item, error) {
	return new(Reader).read(path)
}

// isNPY tells whether a file's name is that of a numpy array.
func isNPY(name string) bool { return strings.EqualFold(filepath.Ext(name), ".npy") }
