package files

import (
	"errors"
	"os"
	"path/filepath"
)

// Within tells whether a file, which need not exist, is dir or lies in it, links followed.
func Within(dir, path string) (bool, error) {
	into, err1 := withoutLinks(dir)
	file, err2 := withoutLinks(path)
	if err := errors.Join(err1, err2); err != nil {
		return false, err
	}
	rest, err := filepath.Rel(into, file)
	return err == nil && filepath.IsLocal(rest), nil
}

// withoutLinks is an absolute path without symbolic links, of a file that need not exist.
func withoutLinks(path string) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	real, err := filepath.EvalSymlinks(path)
	if !errors.Is(err, os.ErrNotExist) || path == filepath.Dir(path) {
		return real, err
	}
	parent, err := withoutLinks(filepath.Dir(path))
	return filepath.Join(parent, filepath.Base(path)), err
}
