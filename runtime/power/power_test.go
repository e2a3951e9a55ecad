package power

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// sysfs writes files below a new root.
func sysfs(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		set(t, filepath.Join(root, name), text)
	}
	return root
}

func set(t *testing.T, file, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
}

const (
	tx2   = "sys/bus/i2c/drivers/ina3221x/0-0040/iio:device0/"
	tx2b  = "sys/bus/i2c/drivers/ina3221x/0-0041/iio:device1/"
	orin  = "sys/bus/i2c/drivers/ina3221/1-0040/hwmon/hwmon3/"
	ina   = "sys/bus/i2c/drivers/ina2xx/1-0044/hwmon/hwmon1/"
	intel = "sys/class/powercap/intel-rapl:"
)

// boards are sysfs trees with what they draw.
var boards = []struct {
	name, source, detail string
	files                map[string]string
	mw                   float64
}{
	{"TX2 of JetPack 4", "ina3221", "rails VDD_SYS_GPU, VDD_SYS_CPU", map[string]string{
		tx2 + "rail_name_0": "VDD_SYS_GPU", tx2 + "in_power0_input": "1300",
		tx2 + "rail_name_1": "VDD_SYS_SOC", tx2 + "in_power1_input": "700",
		tx2b + "rail_name_0": "VDD_IN", tx2b + "in_power0_input": "5000",
		tx2b + "rail_name_1": "VDD_SYS_CPU", tx2b + "in_power1_input": "450",
	}, 1750},
	{"later", "ina3221", "rails VDD_CPU_GPU_CV", map[string]string{
		orin + "in1_label": "VDD_IN", orin + "in1_input": "5000", orin + "curr1_input": "1000",
		orin + "in2_label": "VDD_CPU_GPU_CV", orin + "in2_input": "5000", orin + "curr2_input": "240",
		orin + "in3_label": "VDD_CPU_LOST", orin + "in3_input": "5000", // without a current
	}, 1200},
	{"one sensor", "ina226", "rails ina226", map[string]string{ina + "name": "ina226", ina + "power1_input": "2500000"}, 2500},
}

// TestBoards: rails are found by label, whatever the kernel, and summed up.
func TestBoards(t *testing.T) {
	for _, b := range boards {
		root := sysfs(t, b.files)
		synctest.Test(t, func(t *testing.T) {
			m, err := Open("auto", root)
			if err != nil || m.Source() != b.source || m.Detail() != b.detail {
				t.Fatalf("%s: %v, %v", b.name, m, err)
			}
			if got := measure(t, m, time.Second); math.Abs(got-b.mw) > 1e-6 { // sums of 200 samples
				t.Errorf("%s: %v mJ in a second, want %v", b.name, got, b.mw)
			}
		})
	}
}

// measure returns the energy of so much time of a bubble, mJ.
func measure(t *testing.T, m Meter, d time.Duration) float64 {
	t.Helper()
	stop, err := m.Start()
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(d)
	mj, err := stop()
	if err != nil {
		t.Fatal(err)
	}
	return mj
}

// TestNamedRails: labels choose, and one that is not there is refused with those
// that are.
func TestNamedRails(t *testing.T) {
	root := sysfs(t, boards[0].files)
	synctest.Test(t, func(t *testing.T) {
		m, err := Open("rails:VDD_IN", root)
		if err != nil {
			t.Fatal(err)
		}
		if got := measure(t, m, time.Second); math.Abs(got-5000) > 1e-6 {
			t.Error(got)
		}
	})
	if _, err := Open("rails:VDD_IN,VDD_MUX", root); err == nil || !strings.Contains(err.Error(), `"VDD_MUX"`) || !strings.Contains(err.Error(), "VDD_SYS_SOC") {
		t.Error(err)
	}
}

// TestIntegrate: a power that doubles after 1 s gives 3 times the energy in 2, but
// for the one interval in which it changes.
func TestIntegrate(t *testing.T) {
	root := sysfs(t, boards[2].files)
	synctest.Test(t, func(t *testing.T) {
		m, err := Open("auto", root)
		if err != nil {
			t.Fatal(err)
		}
		stop, err := m.Start()
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		set(t, filepath.Join(root, ina, "power1_input"), "5000000")
		time.Sleep(time.Second)
		mj, err := stop()
		if half := 2500 * interval.Seconds() / 2; err != nil || math.Abs(mj-7500) > 2*half+1e-6 {
			t.Errorf("%v mJ, %v", mj, err)
		}
	})
}

// TestIntegrateSlowReads: the energy is that of the time until it is stopped, however
// long the last reading takes.
func TestIntegrateSlowReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stop, err := integrate(func() (float64, error) { time.Sleep(300 * time.Millisecond); return 1000, nil })
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if mj, err := stop(); err != nil || math.Abs(mj-1000) > 1e-6 { // rounding
			t.Errorf("%v mJ, %v", mj, err)
		}
	})
}

// TestRAPL: packages only, and a counter that goes round.
func TestRAPL(t *testing.T) {
	root := sysfs(t, map[string]string{
		intel + "0/name": "package-0", intel + "0/energy_uj": "1000", intel + "0/max_energy_range_uj": "500000",
		intel + "0:0/name": "core", intel + "0:0/energy_uj": "7", intel + "0:0/max_energy_range_uj": "500000",
		intel + "1/name": "package-1", intel + "1/energy_uj": "499000", intel + "1/max_energy_range_uj": "500000",
		intel + "2/name": "psys", intel + "2/energy_uj": "9", intel + "2/max_energy_range_uj": "500000",
	})
	m, err := Open("auto", root)
	if err != nil || m.Source() != "rapl" {
		t.Fatal(m, err)
	}
	stop, err := m.Start()
	if err != nil {
		t.Fatal(err)
	}
	set(t, filepath.Join(root, intel+"0/energy_uj"), "41000")
	set(t, filepath.Join(root, intel+"1/energy_uj"), "2000")
	if mj, err := stop(); err != nil || mj != 43 { // 40,000 + 3,000 microjoules
		t.Errorf("%v mJ, %v", mj, err)
	}
}

// TestCommandAndConstant: the command's time is real.
func TestCommandAndConstant(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, err := Open("constant:1250", "")
		if err != nil {
			t.Fatal(err)
		}
		if got := measure(t, m, 2*time.Second); got != 2500 {
			t.Error(got)
		}
	})
	m, err := Open("command:echo 1500", "")
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	stop, err := m.Start()
	if err != nil {
		t.Fatal(err)
	}
	mj, err := stop()
	if most := 1500 * time.Since(start).Seconds(); err != nil || !(mj > 0 && mj < most) {
		t.Errorf("%v mJ of at most %v, %v", mj, most, err)
	}
}

// TestRefuses: what cannot be read, in words that help.
func TestRefuses(t *testing.T) {
	none := t.TempDir()
	broken := sysfs(t, map[string]string{ina + "name": "ina226", ina + "power1_input": "n/a"})
	other := sysfs(t, map[string]string{orin + "in1_label": "VDD_IN", orin + "in1_input": "5000", orin + "curr1_input": "1000"})
	for _, c := range []struct{ spec, root, want string }{
		{"auto", none, "no energy counter (RAPL)"},
		{"auto", none, "no power sensor"},
		{"auto", other, "rails:LABEL"},
		{"rails:X", none, `no rail "X"`},
		{"constant:-1", "", "number of mW"},
		{"constant:NaN", "", "number of mW"},
		{"constant:", "", "number of mW"},
		{"command:", "", "expected a command"},
		{"command:echo much", "", `found "much`},
		{"command:false", "", "exit status 1"},
		{"battery", "", "expected auto"},
		{"auto", broken, "expected a number"},
	} {
		m, err := Open(c.spec, c.root)
		if err == nil {
			_, err = m.Start()
		}
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v; want %q in it", c.spec, err, c.want)
		}
	}
}
