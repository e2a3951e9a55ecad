package output

import (
	"path/filepath"
	"slices"

	"github.com/bottlenet/bnc/compiler/onnx"
	"github.com/bottlenet/bnc/internal/fault"
	"github.com/bottlenet/bnc/internal/files"
)

// Outside checks that a file that an option names, or the model for "", is not in the
// bundle dir, which is replaced as a whole.
func Outside(dir, option, path string) error {
	if path == "" {
		return nil
	}
	within, err := files.Within(dir, path)
	if err != nil || !within {
		return err
	}
	if option == "" {
		path = "the model " + path
	}
	return fault.Usage(option, "%s lies in the bundle %s, which is replaced as a whole: choose another place", path, dir)
}

// WriteDepfile writes what a bundle depends on into a make-style dependency file, unless
// that is "": the model, the files with its external data and what else was read.
func WriteDepfile(file, bundle, model string, read []string) error {
	if file == "" {
		return nil
	}
	external, err := onnx.ExternalFiles(model)
	if err != nil {
		return err
	}
	var targets []string
	for _, part := range Parts {
		targets = append(targets, filepath.Join(bundle, part+".onnx"))
	}
	return files.WriteRule(file, targets, slices.Concat([]string{model}, external, read))
}
