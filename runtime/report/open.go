package report

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"

	"github.com/bottlenet/bnc/internal/files"
	"github.com/bottlenet/bnc/runtime/plan"
)

// Open reads what a name stands for, with a hash of what was read.
func Open[T any](name string, read func(string) ([]byte, error), parse func(string, []byte) (T, error)) (*From[T], error) {
	text, err := read(name)
	if err != nil {
		return nil, err
	}
	value, err := parse(name, text)
	if err != nil {
		return nil, err
	}
	hash := sha256.Sum256(text)
	return &From[T]{File: File{Name: name, SHA256: hex.EncodeToString(hash[:])}, Value: value}, nil
}

// OpenProfile is plan.OpenProfile with the file's hash.
func OpenProfile(name string) (*From[*plan.Profile], error) {
	return Open(name, plan.ReadProfile, plan.ParseProfile)
}

// OpenResults is plan.OpenResults with the file's hash.
func OpenResults(name string) (*From[*plan.Results], error) {
	return Open(name, os.ReadFile, plan.ParseResults)
}

// OpenNetwork is plan.OpenNetwork with the hash of the file, if it is one.
func OpenNetwork(name string) (*From[plan.Network], error) {
	n, err := plan.OpenNetwork(name)
	if err != nil || !strings.HasSuffix(name, ".json") {
		return &From[plan.Network]{Value: n}, err
	}
	return Open(name, os.ReadFile, func(string, []byte) (plan.Network, error) { return n, nil })
}

// OpenEval reads what bnc eval --json printed, of NAME=FILE or FILE.
func OpenEval(named string) (*From[*Eval], error) {
	name, file, ok := strings.Cut(named, "=")
	if !ok {
		file, name = named, strings.TrimSuffix(filepath.Base(named), ".json")
	}
	return Open(file, os.ReadFile, func(file string, text []byte) (*Eval, error) { return ParseEval(file, name, text) })
}

// Write writes the page, the Markdown file and the folder of CSV files, each unless its
// name is "", and returns the names of the files.
func (r *Report) Write(html, markdown, csv string) (written []string, err error) {
	var b bytes.Buffer
	put := func(name string, err error) error {
		if err == nil {
			err = files.Write(name, b.Bytes())
		}
		b.Reset()
		written = append(written, name)
		return err
	}
	if html != "" {
		if err := put(html, r.WriteHTML(&b)); err != nil {
			return nil, err
		}
	}
	if markdown != "" {
		if err := put(markdown, r.WriteMarkdown(&b)); err != nil {
			return nil, err
		}
	}
	if csv == "" {
		return written, nil
	}
	if err := os.MkdirAll(csv, 0o777); err != nil {
		return nil, err
	}
	for _, t := range r.Tables() {
		if err := put(filepath.Join(csv, t.ID+".csv"), t.WriteCSV(&b)); err != nil {
			return nil, err
		}
	}
	return written, nil
}
