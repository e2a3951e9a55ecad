package triton

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
)

// Model is a model's folder.
type Model struct {
	Config Config
	// Files writes what lies beside config.pbtxt, by path within the folder
	// ("1/model.onnx"). A function may write further files beside its own.
	Files map[string]func(path string) error
	// Notices are what a person should know of the model.
	Notices []string
}

// Bytes returns what writes data to a file, for Model.Files.
func Bytes(data []byte) func(path string) error {
	return func(path string) error { return os.WriteFile(path, data, 0o666) }
}

// copyOf returns what writes the contents of a file, for Model.Files.
func copyOf(file string) func(path string) error {
	return func(path string) error {
		data, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		return os.WriteFile(path, data, 0o666)
	}
}

// Write fills dir, which must exist. The configuration is written last: Triton
// takes no folder without one.
func (m Model) Write(dir string) error {
	for path, write := range m.Files {
		full := filepath.Join(dir, filepath.FromSlash(path))
		if err := os.MkdirAll(filepath.Dir(full), 0o777); err != nil {
			return err
		}
		if err := write(full); err != nil {
			return err
		}
	}
	return os.WriteFile(filepath.Join(dir, ConfigFile), m.Config.Text(), 0o666)
}

// Exported tells whether dir is a folder that Write made and that holds nothing
// else at its top; the error says what it holds.
func Exported(dir string) error {
	text, err := os.ReadFile(filepath.Join(dir, ConfigFile))
	if err != nil {
		return err
	}
	var p printer
	p.comment(written)
	if !bytes.HasPrefix(text, p.text) {
		return fmt.Errorf("%s was not written by bnc", filepath.Join(dir, ConfigFile))
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !slices.Contains([]string{ConfigFile, Version, WarmupDir, PluginFile}, e.Name()) {
			return fmt.Errorf("%s holds %s, which is not of an export", dir, e.Name())
		}
	}
	return nil
}
