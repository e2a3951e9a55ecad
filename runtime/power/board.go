package power

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// board reads the rails of power monitors of Texas Instruments.
type board struct {
	source string
	rails  []rail
}

// rail is one supply: its power is the product of the files' numbers times scale,
// in mW.
type rail struct {
	label string
	files []string
	scale float64
}

// sensors are the forms in which kernels show the monitors. N counts channels.
var sensors = []struct {
	source  string
	folders string // pattern below the root
	label   string // file, N for the channel
	files   []string
	scale   float64
}{
	// JetPack up to 4: mW.
	{"ina3221", "sys/bus/i2c/drivers/ina3221x/*/iio:device*", "rail_name_N", []string{"in_powerN_input"}, 1},
	// Later ones, and the kernel's own driver: mV times mA.
	{"ina3221", "sys/bus/i2c/drivers/ina3221/*/hwmon/hwmon*", "inN_label", []string{"inN_input", "currN_input"}, 1e-3},
	// One rail without a label, microwatts.
	{"ina226", "sys/bus/i2c/drivers/ina2xx/*/hwmon/hwmon*", "name", []string{"powerN_input"}, 1e-3},
}

// openBoard finds the rails of these labels, or, without labels, those that feed
// processors: on a Jetson TX2 VDD_SYS_GPU and VDD_SYS_CPU.
func openBoard(root string, labels []string) (*board, error) {
	var seen []string
	b := &board{}
	for _, s := range sensors {
		folders, err := filepath.Glob(filepath.Join(root, s.folders))
		if err != nil {
			return nil, err
		}
		for _, folder := range folders {
			for n := range 8 {
				channel := func(name string) string {
					return filepath.Join(folder, strings.ReplaceAll(name, "N", strconv.Itoa(n)))
				}
				r := rail{scale: s.scale}
				for _, f := range s.files {
					r.files = append(r.files, channel(f))
				}
				text, err := os.ReadFile(channel(s.label))
				if err != nil || !exist(r.files) {
					continue
				}
				r.label = strings.TrimSpace(string(text))
				seen = append(seen, r.label)
				if b.source != "" && b.source != s.source || !wanted(r.label, s.source, labels) {
					continue
				}
				b.source, b.rails = s.source, append(b.rails, r)
			}
		}
	}
	for _, l := range labels {
		if !slices.ContainsFunc(b.rails, func(r rail) bool { return r.label == l }) {
			return nil, fmt.Errorf("there is no rail %q: the board's are %q", l, seen)
		}
	}
	if len(b.rails) == 0 {
		if len(seen) > 0 {
			return nil, fmt.Errorf("no rail of a processor among the board's, %q: name them, rails:LABEL,LABEL", seen)
		}
		return nil, errors.New("no power sensor (INA3221, INA226) below " + filepath.Join(root, "sys/bus/i2c"))
	}
	return b, nil
}

func exist(files []string) bool {
	return !slices.ContainsFunc(files, func(f string) bool { _, err := os.Stat(f); return errors.Is(err, fs.ErrNotExist) })
}

func wanted(label, source string, labels []string) bool {
	if labels != nil {
		return slices.Contains(labels, label)
	}
	return source == "ina226" || strings.Contains(label, "GPU") || strings.Contains(label, "CPU")
}

func (b *board) Source() string { return b.source }

func (b *board) Detail() string {
	var labels []string
	for _, r := range b.rails {
		labels = append(labels, r.label)
	}
	return "rails " + strings.Join(labels, ", ")
}

func (b *board) Start() (func() (float64, error), error) { return integrate(b.read) }

// read returns the sum of the rails, in mW.
func (b *board) read() (float64, error) {
	sum := 0.0
	for _, r := range b.rails {
		mw := r.scale
		for _, f := range r.files {
			v, err := number(f)
			if err != nil {
				return 0, err
			}
			mw *= v
		}
		sum += mw
	}
	return sum, nil
}

// number reads a file that holds one number.
func number(file string) (float64, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return 0, err
	}
	v, err := strconv.ParseFloat(strings.TrimSpace(string(text)), 64)
	if err != nil {
		return 0, fmt.Errorf("%s: expected a number, found %q", file, strings.TrimSpace(string(text)))
	}
	return v, nil
}
