// Command overview draws the README's picture from docs/overview.csv:
//
//	overview docs/overview.csv docs/overview.svg
package main

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"os"
	"strconv"

	"github.com/bottlenet/bnc/runtime/chart"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: overview FILE.csv FILE.svg")
		os.Exit(2)
	}
	if err := draw(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "overview:", err)
		os.Exit(1)
	}
}

func draw(from, to string) error {
	f, err := os.Open(from)
	if err != nil {
		return err
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		return err
	}
	c := chart.Chart{Title: "A MobileNetV2 on 500 photographs", X: "bytes that cross, an image", Y: "top-1, %", LogX: true}
	for _, row := range rows[1:] {
		name := row[0]
		x, errX := strconv.ParseFloat(row[1], 64)
		y, errY := strconv.ParseFloat(row[2], 64)
		if errX != nil || errY != nil {
			return fmt.Errorf("%s: row %q: expected a name and two numbers", from, row)
		}
		if n := len(c.Series); n == 0 || c.Series[n-1].Name != name {
			c.Series = append(c.Series, chart.Series{Name: name, Dashed: name == "all of the work on the device"})
		}
		last := &c.Series[len(c.Series)-1]
		last.Points = append(last.Points, chart.Point{X: x, Y: y})
	}
	var svg bytes.Buffer
	if err := c.WriteSVG(&svg); err != nil {
		return err
	}
	return os.WriteFile(to, svg.Bytes(), 0o644)
}
