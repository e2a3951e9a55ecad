package power

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// rapl reads the energy counters of x86 processors, one a package.
type rapl struct{ packages []counter }

// counter is a folder with energy_uj, which counts microjoules and begins again
// at 0 after max_energy_range_uj.
type counter struct {
	file string
	most float64
}

// openRAPL finds the counters. What is below a package is counted in it already,
// and so are the packages in psys.
func openRAPL(root string) (*rapl, error) {
	folders, err := filepath.Glob(filepath.Join(root, "sys/class/powercap/intel-rapl:*"))
	if err != nil {
		return nil, err
	}
	r := &rapl{}
	for _, folder := range folders {
		name, err := os.ReadFile(filepath.Join(folder, "name"))
		if err != nil || !strings.HasPrefix(string(name), "package") {
			continue
		}
		most, err := number(filepath.Join(folder, "max_energy_range_uj"))
		if err != nil {
			return nil, err
		}
		c := counter{filepath.Join(folder, "energy_uj"), most}
		if _, err := number(c.file); errors.Is(err, fs.ErrPermission) {
			return nil, fmt.Errorf("%w: only root may read it", err)
		} else if err != nil {
			return nil, err
		}
		r.packages = append(r.packages, c)
	}
	if len(r.packages) == 0 {
		return nil, errors.New("no energy counter (RAPL) below " + filepath.Join(root, "sys/class/powercap"))
	}
	return r, nil
}

func (r *rapl) Source() string { return "rapl" }
func (r *rapl) Detail() string { return fmt.Sprintf("%d processor package(s)", len(r.packages)) }

// Start returns a measurement that is right as long as no counter goes round
// twice: minutes.
func (r *rapl) Start() (func() (float64, error), error) {
	before, err := r.read()
	if err != nil {
		return nil, err
	}
	return func() (float64, error) {
		after, err := r.read()
		if err != nil {
			return 0, err
		}
		uj := 0.0
		for i, c := range r.packages {
			d := after[i] - before[i]
			if d < 0 {
				d += c.most
			}
			uj += d
		}
		return uj / 1e3, nil
	}, nil
}

func (r *rapl) read() ([]float64, error) {
	var all []float64
	for _, c := range r.packages {
		v, err := number(c.file)
		if err != nil {
			return nil, err
		}
		all = append(all, v)
	}
	return all, nil
}
