// Package compiler_test holds the rules on what may import what.
package compiler_test

import (
	"bytes"
	"go/build"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/bottlenet/bnc/"

// rules list, for each folder, what no package below it may import: folders of
// this module, packages of others, and "C".
var rules = map[string][]string{
	"compiler": {"C", module + "runtime", module + "ops", module + "passes", module + "cmd", module + "internal/rttest", module + "internal/oracletest", onnxruntime},
	"passes":   {"C", module + "runtime", module + "ops", module + "cmd", module + "internal/rttest", module + "internal/oracletest", onnxruntime},
	"models":   {"C", module + "runtime", module + "ops", module + "cmd", module + "internal/rttest", module + "internal/oracletest", onnxruntime},
	"runtime":  {module + "compiler", module + "passes", module + "models", module + "cmd"},
	"cmd":      {module + "compiler", module + "passes", module + "models"},
	"ops":      {module + "compiler", module + "passes", module + "models", module + "cmd", module + "runtime"},
}

const onnxruntime = "github.com/yalue/onnxruntime_go"

// TestImports reads the imports of every file that is compiled into a package,
// and those of the tests of compiler and passes: these have to run without a C
// compiler too. Tests in a folder named oracle may import anything, since they
// are for builds with cgo only.
func TestImports(t *testing.T) {
	for folder, forbidden := range rules {
		withTests := slices.Contains([]string{"compiler", "passes"}, folder)
		files := 0
		err := filepath.WalkDir(filepath.Join("..", folder), func(path string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if d.IsDir() && d.Name() == "testdata" {
				return filepath.SkipDir
			}
			if filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") && !withTests {
				return nil
			}
			files++
			if filepath.Base(filepath.Dir(path)) == "oracle" && strings.HasSuffix(path, "_test.go") {
				if b, err := os.ReadFile(path); err != nil || !bytes.HasPrefix(b, []byte("//go:build cgo\n")) {
					t.Errorf("%s: expected //go:build cgo in the first line (%v)", path, err)
				}
				return nil
			}
			for _, name := range importsOf(t, path) {
				if slices.ContainsFunc(forbidden, func(f string) bool { return name == f || strings.HasPrefix(name, f+"/") }) {
					t.Errorf("%s imports %s: packages in %s must not", path, name, folder)
				}
			}
			return nil
		})
		if err != nil || files == 0 {
			t.Errorf("%s: %d files read, %v", folder, files, err)
		}
	}
}

func importsOf(t *testing.T, path string) []string {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, spec := range f.Imports {
		name, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, name)
	}
	return names
}

// TestOnlyRootJoins finds the packages that see both the graph IR and what
// runs files: the root alone. Tools that measure are not part of the product.
func TestOnlyRootJoins(t *testing.T) {
	joins := map[string]bool{}
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		if name := d.Name(); name == "testdata" || name == "tools" || strings.HasPrefix(name, ".") && name != ".." {
			return filepath.SkipDir
		}
		p, err := build.ImportDir(path, 0)
		if err != nil {
			return nil // no Go package
		}
		sees := func(folders ...string) bool {
			return slices.ContainsFunc(p.Imports, func(name string) bool {
				rest, ours := strings.CutPrefix(name, module)
				return ours && slices.Contains(folders, strings.Split(rest, "/")[0])
			})
		}
		if sees("compiler", "passes") && sees("runtime") {
			joins[filepath.ToSlash(path)] = true
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	delete(joins, "../internal/oracletest") // of tests
	if len(joins) != 1 || !joins[".."] {
		t.Errorf("packages %v import both compiler or passes and runtime, expected the root alone", joins)
	}
}
