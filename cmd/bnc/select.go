package main

import (
	"cmp"
	"context"
	"encoding/csv"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/bottlenet/bnc"
	"github.com/bottlenet/bnc/internal/flags"
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

func setupSelect(fs *pflag.FlagSet) func(context.Context, streams, []string) error {
	var o bnc.SelectOptions
	var asJSON, asCSV, asMarkdown bool
	fs.StringSliceVar(&o.Profiles, "profile", nil, "profiles of the device: files, or "+strings.Join(plan.BuiltinProfiles(), ", "))
	fs.StringVar(&o.CloudProfile, "cloud-profile", "", "profile of the server (default: the device's profile holds its times)")
	fs.StringVar(&o.Results, "results", "", "results of bnc search")
	fs.StringArrayVar(&o.Networks, "network", plan.DefaultNetworks(), "a network's name, `RATE[,DELAY]` or a FILE.json; may be repeated")
	fs.StringVar(&o.Target, "target", plan.LeastLatency, "what is to be small: latency, energy or weighted")
	fs.Var(flags.Float(&o.Weight), "weight", "weight of latency in --target weighted, 0 to 1 (default 0.5)")
	fs.Var(flags.Float(&o.LoadMobile), "load-mobile", "factor by which the device's load slows it down (default 1)")
	fs.Var(flags.Float(&o.LoadCloud), "load-cloud", "factor by which the server's load slows it down (default 1)")
	fs.Float64Var(&o.ImageBytes, "image-bytes", 0, "size of the compressed image that cloud-only sends (default: the profile's)")
	for _, limit := range []struct {
		name, usage string
		limit       **float64
	}{
		{"max-latency", "ms", &o.Limits.LatencyMS},
		{"max-energy", "mJ", &o.Limits.EnergyMJ},
		{"min-accuracy", "rate from 0 to 1; agreement where there are no labels", &o.Limits.Accuracy},
		{"max-loss", "accuracy lost, in points of its measure, percentage points of a share (default: the search's with --results)", &o.Limits.LossPoints},
		{"max-bytes", "bytes of the payload", &o.Limits.PayloadBytes},
		{"max-mobile-bytes", "bytes of the mobile side's weights", &o.Limits.MobileBytes},
	} {
		fs.Var(flags.Float(limit.limit), limit.name, "limit: "+limit.usage)
	}
	fs.BoolVar(&asJSON, "json", false, "print one JSON document")
	fs.BoolVar(&asMarkdown, "markdown", false, "print the tables as Markdown")
	fs.BoolVar(&asCSV, "csv", false, "print the table as CSV")
	return func(ctx context.Context, s streams, args []string) error {
		switch {
		case len(args) > 0:
			return usagef("expected flags only, found %s", argumentsText(args))
		case asJSON && asMarkdown || asJSON && asCSV || asMarkdown && asCSV:
			return usagef("--json, --markdown and --csv exclude each other")
		}
		o.Reporter = newReporter(s.err)
		r, err := bnc.Select(ctx, o)
		if r == nil {
			return err
		}
		var failed error
		switch {
		case asJSON:
			failed = printJSON(s.out, r)
		case asCSV:
			failed = writeSelectionCSV(s.out, r)
		default:
			failed = writeSelection(s.out, r, asMarkdown)
		}
		return cmp.Or(failed, err)
	}
}

// writeSelectionCSV prints one line for every cut and network.
func writeSelectionCSV(w io.Writer, found *plan.Selection) error {
	c := csv.NewWriter(w)
	c.Write([]string{"cut", "c", "s", "network", "payload_bytes", "mobile_ms", "link_ms", "cloud_ms", "latency_ms", "energy_mj", "accuracy", "loss", "chosen", "excluded", "codec", "quality"})
	number := func(v float64) string { return strconv.FormatFloat(v, 'g', 6, 64) }
	pointer := func(v *float64) string {
		if v == nil {
			return ""
		}
		return number(*v)
	}
	for _, r := range found.Table {
		c.Write([]string{r.Cut, fmt.Sprint(r.C), fmt.Sprint(r.S), r.Network, number(r.PayloadBytes), number(r.MobileMS), number(r.LinkMS), number(r.CloudMS),
			number(r.LatencyMS), pointer(r.EnergyMJ), pointer(r.Accuracy), pointer(r.Loss), fmt.Sprint(r.Chosen), r.Excluded, r.Codec, fmt.Sprint(r.Quality)})
	}
	c.Flush()
	return c.Error()
}

// writeSelection prints the table of all cuts and networks, and the choices beside
// the baselines.
func writeSelection(w io.Writer, found *plan.Selection, markdown bool) error {
	r := found.Request
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
	head := []string{"cut", "c", "s", "codec", "bytes"}
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
		row := slices.Concat([]string{f.Cut}, sizeText(f.C, f.S), []string{orDash(f.Coding.String()), fmt.Sprintf("%.0f", f.PayloadBytes)})
		if r.Results != nil {
			row = append(row, r.Results.Measured().Format(*f.Accuracy), fmt.Sprintf("%.2f", *f.Loss))
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

// orDash is a text, a dash where it is empty.
func orDash(s string) string { return cmp.Or(s, "-") }

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
