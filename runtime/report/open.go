package report

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/bottlenet/bnc/internal/fault"
	"github.com/bottlenet/bnc/internal/files"
	"github.com/bottlenet/bnc/runtime/plan"
)

// Options say what a report is made of, and where it is written to.
type Options struct {
	plan.Sources
	Evals   []string `json:"eval,omitempty"`     // [NAME=]FILE, what bnc eval --json prints
	MaxLoss *float64 `json:"max_loss,omitempty"` // with Results: accuracy that a choice may lose, percentage points; the search's
	Title   string   `json:"title,omitempty"`    // of the page; made of the model's name

	// What is written, nothing where "".
	Out      string `json:"output,omitempty"`   // HTML file
	Markdown string `json:"markdown,omitempty"` // Markdown file with the same tables
	CSV      string `json:"csv,omitempty"`      // folder for the same tables, all digits of the numbers in them
}

// check finds wrong options before any work.
func (o *Options) check() error {
	if err := o.Sources.Check(); err != nil {
		return err
	}
	if o.MaxLoss != nil && !(*o.MaxLoss >= 0 && *o.MaxLoss <= 100) {
		return fault.Usage("max_loss", "%v: expected percentage points from 0 to 100", *o.MaxLoss)
	}
	var errs []error
	for _, f := range []struct{ option, path string }{{"output", o.Out}, {"markdown", o.Markdown}} {
		if err := files.Check(f.path); f.path != "" && err != nil {
			errs = append(errs, fmt.Errorf("option %s: %w", f.option, err))
		}
	}
	return errors.Join(errs...)
}

// Input reads the files that the options name; the Model is left open. Options that cannot
// be are a fault.UsageError, files a fault.DataError.
func (o Options) Input() (in Input, err error) {
	if err := o.check(); err != nil {
		return in, err
	}
	in = Input{Title: o.Title, ImageBytes: o.ImageBytes}
	for _, name := range o.Profiles {
		p, err := openFrom(name, plan.ReadProfile, plan.ParseProfile)
		if err != nil {
			return in, fault.Unusable("%w", err)
		}
		in.Profiles = append(in.Profiles, *p)
	}
	if o.CloudProfile != "" {
		if in.Cloud, err = openFrom(o.CloudProfile, plan.ReadProfile, plan.ParseProfile); err != nil {
			return in, fault.Unusable("option cloud_profile: %w", err)
		}
	}
	if o.Results != "" {
		if in.Results, err = openFrom(o.Results, os.ReadFile, plan.ParseResults); err != nil {
			return in, fault.Unusable("option results: %w", err)
		}
		in.Limits.LossPoints = cmp.Or(o.MaxLoss, new(in.Results.Value.MaxLoss()))
	}
	for _, named := range o.Evals {
		e, err := openEval(named)
		if err != nil {
			return in, fault.Unusable("option eval: %w", err)
		}
		in.Evals = append(in.Evals, *e)
	}
	for _, name := range o.Networks {
		n, err := openNetwork(name)
		if err != nil {
			return in, fault.Usage("network", ": %w", err)
		}
		in.Networks = append(in.Networks, *n)
	}
	return in, nil
}

// openFrom reads what a name stands for, with a hash of what was read.
func openFrom[T any](name string, read func(string) ([]byte, error), parse func(string, []byte) (T, error)) (*From[T], error) {
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

// openNetwork is plan.OpenNetwork with the hash of the file, if it is one.
func openNetwork(name string) (*From[plan.Network], error) {
	n, err := plan.OpenNetwork(name)
	if err != nil || !strings.HasSuffix(name, ".json") {
		return &From[plan.Network]{Value: n}, err
	}
	return openFrom(name, os.ReadFile, func(string, []byte) (plan.Network, error) { return n, nil })
}

// openEval reads what bnc eval --json printed, of NAME=FILE or FILE.
func openEval(named string) (*From[*Eval], error) {
	name, file, ok := strings.Cut(named, "=")
	if !ok {
		file, name = named, strings.TrimSuffix(filepath.Base(named), ".json")
	}
	return openFrom(file, os.ReadFile, func(file string, text []byte) (*Eval, error) {
		e, err := ParseEval(file, name, text)
		if err != nil {
			return nil, err
		}
		return e, e.readPictures(filepath.Dir(file))
	})
}

// Write writes what the options ask for, and returns the names of the files.
func (r *Report) Write(o Options) (written []string, err error) {
	var b bytes.Buffer
	put := func(name string, err error) error {
		if err == nil {
			err = files.Write(name, b.Bytes())
		}
		b.Reset()
		written = append(written, name)
		return err
	}
	if o.Out != "" {
		if err := put(o.Out, r.WriteHTML(&b)); err != nil {
			return nil, err
		}
	}
	if o.Markdown != "" {
		if err := put(o.Markdown, r.WriteMarkdown(&b)); err != nil {
			return nil, err
		}
	}
	if o.CSV == "" {
		return written, nil
	}
	if err := os.MkdirAll(o.CSV, 0o777); err != nil {
		return nil, err
	}
	for _, t := range r.Tables() {
		if err := put(filepath.Join(o.CSV, t.ID+".csv"), t.WriteCSV(&b)); err != nil {
			return nil, err
		}
	}
	return written, nil
}
