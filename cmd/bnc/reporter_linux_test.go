package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// terminal returns a pseudo terminal: what a program writes to, and what a person's side
// has read of it when that is closed.
func terminal(t *testing.T) (program *os.File, seen func() string) {
	t.Helper()
	person, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetPointerInt(int(person.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	number, err := unix.IoctlGetInt(int(person.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	if program, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0); err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	done := make(chan struct{})
	go func() {
		io.Copy(&text, person) // ends with an error when the program's side is closed
		close(done)
	}()
	return program, func() string {
		program.Close()
		<-done
		person.Close()
		return text.String()
	}
}

// shown is what stands on a terminal after text: lines, where a carriage return goes back
// to the beginning of one.
func shown(text string) (lines []string) {
	for line := range strings.SplitSeq(text, "\n") {
		var cells []rune
		at := 0
		for _, c := range strings.TrimSuffix(line, "\r") {
			if c == '\r' {
				at = 0
				continue
			}
			if at < len(cells) {
				cells[at] = c
			} else {
				cells = append(cells, c)
			}
			at++
		}
		lines = append(lines, strings.TrimRight(string(cells), " "))
	}
	return lines
}

// TestReporterOnTerminal: a bar is drawn, lines that come meanwhile stand alone, from
// wherever they come, and in the end no bar is left.
func TestReporterOnTerminal(t *testing.T) {
	program, seen := terminal(t)
	r := newReporter(program)
	s := streams{r.beside(program), r}
	if !r.tty || newReporter(s.err) != r {
		t.Fatal("the terminal was not recognised")
	}
	r.Phase("calibrating", 4)
	for i := range 3 {
		r.Step(i+1, nil)
		switch i {
		case 0:
			r.Notice("a notice of option calib", nil)
		case 1:
			s.notice("a line")
			fmt.Fprintln(s.out, "a result")
		}
	}
	r.Phase("of unknown length", 0)
	r.Step(1, nil)
	r.Notice("another", nil)
	r.Step(2, nil)
	r.done()
	fmt.Fprintln(s.out, "the end")
	text := seen()
	if got, want := shown(text), []string{"a notice of --calib", "a line", "a result", "another", "the end", ""}; !slices.Equal(got, want) {
		t.Errorf("on the terminal %q, expected %q\n%q", got, want, text)
	}
	for _, bar := range []string{"calibrating", "(3/4)", "of unknown length"} {
		if !strings.Contains(text, bar) {
			t.Errorf("no bar showed %s: %q", bar, text)
		}
	}
}

// TestSplitOnTerminal: of a split that draws a bar and leaves an image out, the lines
// remain, each alone.
func TestSplitOnTerminal(t *testing.T) {
	model := stripeModel(t)
	_, bad, torn := damagedSets(t)
	program, seen := terminal(t)
	var out bytes.Buffer
	code := run(t.Context(), []string{"split", model, "--after", "r", "--c", "4", "--s", "1", "--calib", bad, "-o", filepath.Join(t.TempDir(), "b")}, &out, program)
	text := seen()
	lines := shown(text)
	if code != exitDone || !strings.Contains(text, "calibrating") || len(lines) != 3 || !strings.HasPrefix(lines[0], "the outputs are taken for task") ||
		!strings.HasPrefix(lines[1], "left out: "+torn) || lines[2] != "" {
		t.Errorf("exit code %d, on the terminal %q, expected the image that was left out\n%q", code, lines, text)
	}
	if !strings.Contains(out.String(), "tile") || strings.Contains(out.String(), "calibrating") {
		t.Errorf("%s\nexpected the result alone", out.String())
	}
}

// TestNoBarElsewhere: where stderr is no terminal, lines are all there is.
func TestNoBarElsewhere(t *testing.T) {
	var out bytes.Buffer
	r := newReporter(&out)
	r.Phase("calibrating", 2)
	r.Step(1, nil)
	r.Notice("a notice", nil)
	r.done()
	if out.String() != "a notice\n" {
		t.Errorf("%q", out.String())
	}
}
