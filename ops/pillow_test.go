package ops_test

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"fmt"
	"os/exec"
	"path/filepath"
	"testing"
)

// The data of a record is the entropy-coded segment of the file that another
// program's libjpeg writes for the same image, byte for byte.
func TestDataIsPillows(t *testing.T) {
	python := oraclePython(t)
	type sample struct {
		g    geometry
		tile []byte
	}
	var samples []sample
	var lines bytes.Buffer
	for i, size := range sizes {
		for _, quality := range qualities {
			g := geometry{Height: size[0], Width: size[1], Quality: quality}
			for _, tile := range [][]byte{smooth(uint64(i), 1, g.Height, g.Width), noise(uint64(i), g.Height*g.Width)} {
				samples = append(samples, sample{g, tile})
				fmt.Fprintf(&lines, "%d %d %d %x\n", g.Height, g.Width, g.Quality, tile)
			}
		}
	}
	cmd := exec.Command(python, filepath.Join("testdata", "pillow_encode.py"))
	cmd.Stdin = &lines
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v", cmd, withStderr(err))
	}
	files := bufio.NewScanner(bytes.NewReader(out))
	files.Buffer(nil, len(out)+1)
	for _, s := range samples {
		if !files.Scan() {
			t.Fatal("Pillow wrote fewer files than it was given images")
		}
		file, err := hex.DecodeString(files.Text())
		if err != nil {
			t.Fatal(err)
		}
		_, scan := markers(t, file)
		want := file[scan : len(file)-2] // without EOI
		payload, _, err := encode(s.g, s.tile, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := data(t, payload); !bytes.Equal(got, want) {
			t.Errorf("%+v: %d bytes of data, Pillow has %d other ones", s.g, len(got), len(want))
		}
	}
}

// withStderr adds what a failed program printed to its error.
func withStderr(err error) error {
	if exit, ok := err.(*exec.ExitError); ok {
		return fmt.Errorf("%w\n%s", err, exit.Stderr)
	}
	return err
}
