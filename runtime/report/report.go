// Package report makes a page of what profiles, a search's results and evaluations
// say about dividing a model: the figures and tables of the BottleNet paper for the
// user's own model. The page is one HTML file that needs nothing else; the tables
// are Markdown and CSV as well. Every row tells which file and entry it came from,
// and the same files give the same bytes.
//
//	r, err := report.New(report.Input{Profiles: ..., Networks: ...})
//	err = r.WriteHTML(w)
package report

import (
	"errors"
	"fmt"

	"github.com/bottlenet/bnc/runtime/plan"
)

// File is where numbers come from.
type File struct {
	Name   string // as the user gave it
	SHA256 string // of its bytes, in hexadecimal
}

// From is what a file holds. The zero File stands for what is in no file.
type From[T any] struct {
	File
	Value T
}

// Input is what a report is made of.
type Input struct {
	Title    string                // empty: made of the model's name
	Profiles []From[*plan.Profile] // of one model on the device, at least one
	// Cloud is the server's profile, nil where those of the device hold its times.
	Cloud    *From[*plan.Profile]
	Results  *From[*plan.Results] // of a search, or nil
	Evals    []From[*Eval]
	Model    *From[*Model] // sizes of tensors, or nil
	Networks []From[plan.Network]
	Limits   plan.Limits
	// ImageBytes is the size of the compressed image that cloud-only sends; 0 takes
	// the profile's.
	ImageBytes float64
}

// Model tells the sizes of a model's tensors at batch 1.
type Model struct {
	InputBytes float64 // of all inputs together, 0 where it is not known
	Cuts       []CutSize
}

// CutSize is the size of a cut's tensor.
type CutSize struct {
	Names  []string // of the cut
	Tensor string
	Bytes  float64
}

// Report is what a page shows.
type Report struct {
	Title    string
	About    string // model and device
	Summary  []Choice
	Sections []Section
	Files    []File
}

// Choice is what is best over a network.
type Choice struct {
	Network, Division string
	Aspect            string   // for what it is best
	Latency, Energy   string   // with units; energy is empty where it is not known
	Remarks           []string // how it compares with other ways
}

// Section is a part of the page.
type Section struct {
	ID, Title string
	Text      []string // paragraphs
	Figures   []Figure
	Tables    []Table
}

// Figure is a drawing.
type Figure struct {
	Title string
	SVG   []byte
	PNG   []byte // instead
	Text  string
}

// builder holds what the sections are made of.
type builder struct {
	Input
	files     []File
	mobile    *plan.Profile // all profiles of the device
	latency   *plan.Selection
	energy    *plan.Selection // nil where energies are not known
	cloudFile int             // index in files
	results   int
	model     int
	evals     int // of the first
}

// New makes a report. Errors tell what does not fit together.
func New(in Input) (*Report, error) {
	if len(in.Profiles) == 0 {
		return nil, errors.New("no profile of the device")
	}
	b := &builder{Input: in}
	if err := b.gather(); err != nil {
		return nil, err
	}
	if err := b.choose(); err != nil {
		return nil, err
	}
	r := &Report{Title: in.Title, About: fmt.Sprintf("%s on %s", b.mobile.Model, b.mobile.Device), Files: b.files, Summary: b.summary()}
	if r.Title == "" {
		r.Title = "Where to cut " + b.mobile.Model
	}
	accuracy, err := b.accuracy()
	if err != nil {
		return nil, err
	}
	for _, s := range []Section{b.ways(), b.cuts(), b.sizes(), accuracy, b.pictures(), b.printed(), b.skipped(), b.measured(), b.sources()} {
		if len(s.Figures)+len(s.Tables) > 0 {
			r.Sections = append(r.Sections, s)
		}
	}
	return r, nil
}

// gather numbers the files and joins the profiles.
func (b *builder) gather() error {
	add := func(f File) int {
		b.files = append(b.files, f)
		return len(b.files) - 1
	}
	var profiles []*plan.Profile
	for _, p := range b.Profiles {
		add(p.File)
		profiles = append(profiles, p.Value)
	}
	if b.Cloud != nil {
		b.cloudFile = add(b.Cloud.File)
	}
	if b.Results != nil {
		b.results = add(b.Results.File)
	}
	if b.Model != nil {
		b.model = add(b.Model.File)
	}
	b.evals = len(b.files)
	for _, e := range b.Evals {
		add(e.File)
	}
	for _, n := range b.Networks {
		if n.Name != "" {
			add(n.File)
		}
	}
	var err error
	if b.mobile, err = plan.MergeProfiles(profiles...); err != nil {
		return err
	}
	if source := b.mobile.SourceSHA256; b.Model != nil && source != "" && source != b.Model.SHA256 {
		return fmt.Errorf("%s (sha256 %.12s) is not the model of profile %s (sha256 %.12s)", b.Model.Name, b.Model.SHA256, b.mobile.Name, source)
	}
	return nil
}

// choose selects for latency and, where energies are known, for energy.
func (b *builder) choose() error {
	r := plan.Request{Mobile: b.mobile, Limits: b.Limits, ImageBytes: b.ImageBytes, Target: plan.Target{Latency: 1}}
	if b.Cloud != nil {
		r.Cloud = b.Cloud.Value
	}
	if b.Results != nil {
		r.Results = b.Results.Value
	}
	for _, n := range b.Networks {
		r.Networks = append(r.Networks, n.Value)
	}
	var err error
	if b.latency, err = plan.Select(r); err != nil {
		return err
	}
	for _, row := range b.latency.Table {
		if row.EnergyMJ == nil {
			return nil
		}
	}
	r.Target = plan.Target{Energy: 1}
	b.energy, err = plan.Select(r)
	return err
}
