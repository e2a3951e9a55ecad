package plan

import (
	"encoding/csv"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestParseNetwork(t *testing.T) {
	for text, want := range map[string]Network{
		"3g":            Networks[0],
		"WiFi":          Networks[2],
		" wifi ,0s":     Networks[2],
		"5.85Mbit":      {Name: "5.85Mbit", Uplink: 5.85e6},
		"500kbit":       {Name: "500kbit", Uplink: 5e5},
		"500Kbit/s":     {Name: "500Kbit/s", Uplink: 5e5},
		"1.5MB/s":       {Name: "1.5MB/s", Uplink: 12e6},
		"2 kB,1ms":      {Name: "2 kB,1ms", Uplink: 16e3, RTT: 2 * time.Millisecond},
		"1gbit,20ms":    {Name: "1gbit,20ms", Uplink: 1e9, RTT: 40 * time.Millisecond},
		"3 mbps, 1.5ms": {Name: "3 mbps,1.5ms", Uplink: 3e6, RTT: 3 * time.Millisecond},
		"9600bit":       {Name: "9600bit", Uplink: 9600},
		"10B/s":         {Name: "10B/s", Uplink: 80},
		"0bit":          {Name: "0bit"},
	} {
		if got, err := ParseNetwork(text); err != nil || got != want {
			t.Errorf("%q: %+v, %v; want %+v", text, got, err, want)
		}
	}
}

func TestParseNetworkRefuses(t *testing.T) {
	for _, text := range []string{
		"", ",", "5g", "3gg", "5.85", "Mbit", "-1Mbit", "+1Mbit", "1e6bit", "1.2.3Mbit", "1Mb", "1mb/s", "1b",
		"1Tbit", "1kkbit", "NaNbit", "infbit", "1Mbit/h", "1Mbit,", "1Mbit,20", "1Mbit,-1ms", "1Mbit,1ms,2ms", "3g,250000h40m,", "3g,2000000h",
	} {
		n, err := ParseNetwork(text)
		if err == nil {
			t.Errorf("%q: taken as %+v", text, n)
			continue
		}
		// Who reads it must learn what to write instead.
		if !strings.Contains(err.Error(), strconv.Quote(text)) || !strings.Contains(err.Error(), "such as") {
			t.Errorf("%q: %v", text, err)
		}
	}
	_, err := ParseNetwork("5g")
	for _, n := range Networks {
		if err == nil || !strings.Contains(err.Error(), n.Name) {
			t.Errorf("%v: does not name %s", err, n.Name)
		}
	}
}

func FuzzParseNetwork(f *testing.F) {
	f.Add("3g,20ms")
	f.Add("1.5MB/s")
	f.Fuzz(func(t *testing.T, text string) {
		n, err := ParseNetwork(text)
		if err == nil && (!(n.Uplink >= 0) || n.RTT < 0) {
			t.Errorf("%q: %+v", text, n)
		}
	})
}

// TestTable3 compares the presets with the paper's table.
func TestTable3(t *testing.T) {
	for _, row := range table(t, "table3_networks.csv") {
		n, err := ParseNetwork(row["network"])
		want := Network{Name: row["network"], Uplink: number(t, row["uplink_mbps"]) * 1e6, Alpha: number(t, row["alpha_mw_per_mbps"]), Beta: number(t, row["beta_mw"])}
		if err != nil || n != want {
			t.Errorf("%+v, %v; the paper has %+v", n, err, want)
		}
	}
}

// table returns the rows of one of the paper's tables by column.
func table(t *testing.T, name string) []map[string]string {
	t.Helper()
	f, err := os.Open("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	all, err := csv.NewReader(f).ReadAll()
	if err != nil || len(all) < 2 {
		t.Fatal(len(all), err)
	}
	var rows []map[string]string
	for _, line := range all[1:] {
		row := map[string]string{}
		for i, column := range all[0] {
			row[column] = line[i]
		}
		rows = append(rows, row)
	}
	return rows
}

func number(t *testing.T, s string) float64 {
	t.Helper()
	v, err := strconv.ParseFloat(s, 64)
	if err != nil {
		t.Fatal(err)
	}
	return v
}
