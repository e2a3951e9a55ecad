package main

import (
	"context"
	"encoding/csv"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/bottlenet/bnc/runtime/plan"
	"github.com/spf13/pflag"
)

var selectCommand = command{
	name:  "select",
	args:  "--profile NAME|FILE[,...] [FLAGS]",
	short: "Choose the cut for a device, a server and a network",
	long: `
Predicts latency and energy of every cut over every network and marks the best.
Profiles come from bnc profile; "paper" is built in, derived from the BottleNet
paper's tables. With the results of bnc search, every cut is tried with its
smallest payload that keeps the limits of accuracy and size.

Latency is mobile * load + bytes * 8 / uplink + round trip + cloud * load, and what
the result's way back takes where the network tells. Energy is the device's: power
of computing times time, power of sending (alpha * uplink + beta) times time, and
the tail. --target weighted minimises W * ms + (1 - W) * mJ.

Examples:
  bnc select --profile paper
  bnc select --profile paper --network 3g --target energy --json
  bnc select --profile phone.json --cloud-profile server.json --results search.json --network 4g --network 12Mbit,20ms
  bnc select --profile phone.json --results search.json --load-cloud 5 --max-latency 50 --markdown`,
	setup: setupSelect,
}

type selectOptions struct {
	profiles, networks        []string
	cloud, results            string
	target                    string
	weight                    float64
	load                      plan.Load
	imageBytes                float64
	limits                    plan.Limits
	asJSON, asCSV, asMarkdown bool
}

// Values of --target.
const (
	targetLatency  = "latency"
	targetEnergy   = "energy"
	targetWeighted = "weighted"
)

func setupSelect(fs *pflag.FlagSet) func(context.Context, streams, []string) error {
	var o selectOptions
	fs.StringSliceVar(&o.profiles, "profile", nil, "profiles of the device: files, or "+strings.Join(plan.BuiltinProfiles(), ", "))
	fs.StringVar(&o.cloud, "cloud-profile", "", "profile of the server (default: the device's profile holds its times)")
	fs.StringVar(&o.results, "results", "", "results of bnc search")
	fs.StringArrayVar(&o.networks, "network", []string{"3g", "4g", "wifi"}, "a network's name, RATE[,DELAY] or a FILE.json; may be repeated")
	fs.StringVar(&o.target, "target", targetLatency, "what is to be small: latency, energy or weighted")
	fs.Float64Var(&o.weight, "weight", 0.5, "weight of latency in --target weighted, 0 to 1")
	fs.Float64Var(&o.load.Mobile, "load-mobile", 1, "factor by which the device's load slows it down")
	fs.Float64Var(&o.load.Cloud, "load-cloud", 1, "factor by which the server's load slows it down")
	fs.Float64Var(&o.imageBytes, "image-bytes", 0, "size of the compressed image that cloud-only sends (default: the profile's)")
	limits := []struct {
		name, usage string
		limit       **float64
		value       float64
	}{
		{"max-latency", "ms", &o.limits.LatencyMS, 0},
		{"max-energy", "mJ", &o.limits.EnergyMJ, 0},
		{"min-accuracy", "rate from 0 to 1; agreement where there are no labels", &o.limits.Accuracy, 0},
		{"max-loss", "accuracy lost, percentage points (default: the search's with --results)", &o.limits.LossPoints, 0},
		{"max-bytes", "bytes of the payload", &o.limits.PayloadBytes, 0},
		{"max-mobile-bytes", "bytes of the mobile side's weights", &o.limits.MobileBytes, 0},
	}
	for i := range limits {
		fs.Float64Var(&limits[i].value, limits[i].name, 0, "limit: "+limits[i].usage)
	}
	fs.BoolVar(&o.asJSON, "json", false, "print one JSON document")
	fs.BoolVar(&o.asMarkdown, "markdown", false, "print the tables as Markdown")
	fs.BoolVar(&o.asCSV, "csv", false, "print the table as CSV")
	return func(ctx context.Context, s streams, args []string) error {
		for i := range limits {
			if fs.Changed(limits[i].name) {
				*limits[i].limit = &limits[i].value
			}
		}
		if err := o.check(args); err != nil {
			return err
		}
		return selectCut(s, o)
	}
}

// check finds wrong usage before any work.
func (o *selectOptions) check(args []string) error {
	if err := oneOf("target", o.target, []string{targetLatency, targetEnergy, targetWeighted}); err != nil {
		return err
	}
	for _, f := range []struct {
		flag  string
		value float64
		wrong bool
	}{
		{"weight", o.weight, !(o.weight >= 0 && o.weight <= 1)},
		{"load-mobile", o.load.Mobile, !aboveZero(o.load.Mobile)},
		{"load-cloud", o.load.Cloud, !aboveZero(o.load.Cloud)},
		{"image-bytes", o.imageBytes, o.imageBytes != 0 && !aboveZero(o.imageBytes)},
	} {
		if f.wrong {
			return usagef("--%s %v: out of range", f.flag, f.value)
		}
	}
	formats := 0
	for _, on := range []bool{o.asJSON, o.asCSV, o.asMarkdown} {
		if on {
			formats++
		}
	}
	switch {
	case len(args) > 0:
		return usagef("expected flags only, found %s", argumentsText(args))
	case len(o.profiles) == 0:
		return usagef("--profile: expected a file of bnc profile or one of %s", strings.Join(plan.BuiltinProfiles(), ", "))
	case formats > 1:
		return usagef("--json, --markdown and --csv exclude each other")
	}
	return nil
}

func aboveZero(v float64) bool { return v > 0 && !math.IsInf(v, 1) }

// request reads the files that the flags name.
func (o *selectOptions) request() (plan.Request, error) {
	r := plan.Request{Load: o.load, Limits: o.limits, ImageBytes: o.imageBytes, Target: plan.Target{Latency: 1}}
	switch o.target {
	case targetEnergy:
		r.Target = plan.Target{Energy: 1}
	case targetWeighted:
		r.Target = plan.Target{Latency: o.weight, Energy: 1 - o.weight}
	}
	for _, name := range o.networks {
		n, err := plan.OpenNetwork(name)
		if err != nil {
			return r, usagef("--network: %w", err)
		}
		r.Networks = append(r.Networks, n)
	}
	var profiles []*plan.Profile
	for _, name := range o.profiles {
		p, err := plan.OpenProfile(name)
		if err != nil {
			return r, unusableError{err}
		}
		profiles = append(profiles, p)
	}
	var err error
	if r.Mobile, err = plan.MergeProfiles(profiles...); err != nil {
		return r, unusableError{err}
	}
	if o.cloud != "" {
		if r.Cloud, err = plan.OpenProfile(o.cloud); err != nil {
			return r, unusablef("--cloud-profile: %w", err)
		}
	}
	if o.results != "" {
		if r.Results, err = plan.OpenResults(o.results); err != nil {
			return r, unusablef("--results: %w", err)
		}
		if r.Limits.LossPoints == nil {
			r.Limits.LossPoints = new(r.Results.MaxLoss())
		}
	}
	return r, nil
}

// selectResult is what bnc select --json prints. Choice is that of the first
// network, choices has one a network; null where no cut keeps the limits.
type selectResult struct {
	Target    string          `json:"target"`
	Choice    *plan.Row       `json:"choice"`
	Choices   []*plan.Row     `json:"choices"`
	Table     []plan.Row      `json:"table"`
	Baselines []plan.Baseline `json:"baselines"`
	Notes     []string        `json:"notes"`
}

func selectCut(s streams, o selectOptions) error {
	r, err := o.request()
	if err != nil {
		return err
	}
	found, err := plan.Select(r)
	if err != nil {
		return unusableError{err}
	}
	if r.ImageBytes == 0 && r.Mobile.ImageBytes == 0 {
		s.notice("cloud-only is left out: how many bytes an image takes is not known; give --image-bytes")
	}
	switch {
	case o.asJSON:
		err = printJSON(s.out, selectResult{o.target, found.Choices[0], found.Choices, found.Table, found.Baselines, found.Notes})
	case o.asCSV:
		err = writeSelectionCSV(s.out, found)
	default:
		err = writeSelection(s.out, r, found, o.asMarkdown)
	}
	if err != nil {
		return err
	}
	var without []string
	for i, n := range r.Networks {
		if found.Choices[i] == nil {
			without = append(without, n.Name)
		}
	}
	if len(without) > 0 {
		return fmt.Errorf("no cut keeps the limits on %s: the table tells which limit each breaks", strings.Join(without, ", "))
	}
	return nil
}

// writeSelectionCSV prints one line for every cut and network.
func writeSelectionCSV(w io.Writer, found *plan.Selection) error {
	c := csv.NewWriter(w)
	c.Write([]string{"cut", "c", "s", "network", "payload_bytes", "mobile_ms", "link_ms", "cloud_ms", "latency_ms", "energy_mj", "accuracy", "loss", "chosen", "excluded"})
	number := func(v float64) string { return strconv.FormatFloat(v, 'g', 6, 64) }
	pointer := func(v *float64) string {
		if v == nil {
			return ""
		}
		return number(*v)
	}
	for _, r := range found.Table {
		c.Write([]string{r.Cut, fmt.Sprint(r.C), fmt.Sprint(r.S), r.Network, number(r.PayloadBytes), number(r.MobileMS), number(r.LinkMS), number(r.CloudMS),
			number(r.LatencyMS), pointer(r.EnergyMJ), pointer(r.Accuracy), pointer(r.Loss), fmt.Sprint(r.Chosen), r.Excluded})
	}
	c.Flush()
	return c.Error()
}

// writeSelection prints the table of all cuts and networks, and the choices beside
// the baselines.
func writeSelection(w io.Writer, r plan.Request, found *plan.Selection, markdown bool) error {
	fmt.Fprintf(w, "%s on %s\n\n", r.Mobile.Model, r.Mobile.Device)
	if err := writeTable(w, cutsTable(r, found, markdown), 1, markdown); err != nil {
		return err
	}
	fmt.Fprintln(w)
	if err := writeTable(w, waysTable(found), 3, markdown); err != nil {
		return err
	}
	if slices.ContainsFunc(found.Baselines, func(b plan.Baseline) bool { return b.Published != nil }) {
		fmt.Fprintln(w, "\nIn parentheses: what the source of the profile prints itself.")
	}
	for i, c := range found.Choices {
		for _, b := range found.Baselines {
			if c != nil && b.Network == r.Networks[i].Name && b.LatencyGain != nil && *b.LatencyGain < 1 {
				fmt.Fprintf(w, "On %s %s takes less time than the choice.\n", b.Network, b.Way)
			}
		}
	}
	return nil
}

// cutsTable has a line for every cut, latency and energy for every network, and a
// mark at the choice.
func cutsTable(r plan.Request, found *plan.Selection, markdown bool) [][]string {
	head := []string{"cut", "c", "s", "bytes"}
	if r.Results != nil {
		head = append(head, "accuracy", "loss")
	}
	for _, n := range r.Networks {
		head = append(head, n.Name+" ms", n.Name+" mJ")
	}
	excluded := slices.ContainsFunc(found.Table, func(r plan.Row) bool { return r.Excluded != "" })
	if excluded {
		head = append(head, "excluded")
	}
	rows := [][]string{head}
	for at := 0; at < len(found.Table); at += len(r.Networks) {
		over := found.Table[at : at+len(r.Networks)]
		f := over[0]
		row := slices.Concat([]string{f.Cut}, sizeText(f.C, f.S), []string{fmt.Sprintf("%.0f", f.PayloadBytes)})
		if r.Results != nil {
			row = append(row, fmt.Sprintf("%.2f%%", 100**f.Accuracy), fmt.Sprintf("%.2f", *f.Loss))
		}
		var why []string
		for _, o := range over {
			ms, mj := fmt.Sprintf("%.2f", o.LatencyMS), energyText(o.EnergyMJ)
			if o.Chosen {
				ms, mj = marked(ms, markdown), marked(mj, markdown)
			}
			row = append(row, ms, mj)
			if o.Excluded != "" && !slices.Contains(why, o.Excluded) {
				why = append(why, o.Excluded)
			}
		}
		if excluded {
			row = append(row, strings.Join(why, ", "))
		}
		rows = append(rows, row)
	}
	return rows
}

// sizeText returns c and s of a bottleneck for people.
func sizeText(c, s int) []string {
	switch {
	case s == 0:
		return []string{"-", "plain"}
	case c == 0:
		return []string{"full", fmt.Sprint(s)}
	}
	return []string{fmt.Sprint(c), fmt.Sprint(s)}
}

func marked(s string, markdown bool) string {
	if markdown {
		return "**" + s + "**"
	}
	return s + " *"
}

func energyText(mj *float64) string {
	if mj == nil {
		return "?"
	}
	return fmt.Sprintf("%.2f", *mj)
}

// waysTable sets the choice of every network beside the baselines.
func waysTable(found *plan.Selection) [][]string {
	rows := [][]string{{"network", "way", "cut", "bytes", "ms", "mJ", "times the choice's ms", "times the choice's mJ"}}
	for _, c := range found.Choices {
		if c == nil {
			continue
		}
		rows = append(rows, []string{c.Network, "choice", c.Cut, fmt.Sprintf("%.0f", c.PayloadBytes), fmt.Sprintf("%.2f", c.LatencyMS), energyText(c.EnergyMJ), "", ""})
		for _, b := range found.Baselines {
			if b.Network != c.Network {
				continue
			}
			var p plan.Published
			if b.Published != nil {
				p = *b.Published
			}
			rows = append(rows, []string{b.Network, b.Way, b.Cut, fmt.Sprintf("%.0f", b.PayloadBytes),
				fmt.Sprintf("%.2f", b.LatencyMS) + beside(p.LatencyMS, "%v"), energyText(b.EnergyMJ) + beside(p.EnergyMJ, "%v"),
				gainText(b.LatencyGain) + beside(p.LatencyGain, "%vx"), gainText(b.EnergyGain) + beside(p.EnergyGain, "%vx")})
		}
	}
	return rows
}

func gainText(gain *float64) string {
	if gain == nil {
		return "?"
	}
	if *gain >= 100 {
		return fmt.Sprintf("%.0fx", *gain)
	}
	return fmt.Sprintf("%.3gx", *gain)
}

// beside is a published number in parentheses, empty where there is none.
func beside(v float64, format string) string {
	if v == 0 {
		return ""
	}
	return " (" + fmt.Sprintf(format, v) + ")"
}
