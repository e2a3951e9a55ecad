// Command kill runs bnc split, bnc train and bnc search again and again, kills them with
// SIGKILL at random moments, and goes on with the same command, until each is done. It
// ends with an error where anything that was learnt is lost, where a file is neither the
// old one nor the new one, where the end is another than that of a run in one go, or
// where something is left over.
//
//	go run ./tools/kill [-kills 30] [-seed 1] bin/bnc
package main

import (
	"errors"
	"flag"
	"fmt"
	"log"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

func main() {
	log.SetFlags(0)
	kills := flag.Int("kills", 30, "how often to kill")
	seed := flag.Uint64("seed", 1, "of the moments")
	flag.Parse()
	if flag.NArg() != 1 {
		log.Fatal("kill: which bnc?")
	}
	bnc, err := filepath.Abs(flag.Arg(0))
	if err == nil {
		err = loop(bnc, *kills, rand.New(rand.NewPCG(*seed, 0)))
	}
	if err != nil {
		log.Fatal("kill: ", err)
	}
}

// bench is where everything happens.
type bench struct {
	bnc, dir string
	rng      *rand.Rand
}

// loop kills as often as asked for, in turns the three commands.
func loop(bnc string, kills int, rng *rand.Rand) error {
	dir, err := os.MkdirTemp("", "bnc-kill-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	b := &bench{bnc, dir, rng}
	jobs, err := b.jobs()
	if err != nil {
		return err
	}
	count := map[string]int{}
	for done, turn := 0, 0; done < kills; turn++ {
		j := jobs[turn%len(jobs)]
		n, err := b.torture(j, min(1+b.rng.IntN(3), kills-done))
		if err != nil {
			return fmt.Errorf("%s: %w", j.name, err)
		}
		done += n
		count[j.name] += n
	}
	for _, j := range jobs {
		fmt.Printf("%-6s killed %2d times: nothing that was learnt is lost, the end is that of a run in one go, nothing is left over\n", j.name, count[j.name])
	}
	return nil
}

// torture runs a job from its beginning, kills it up to n times, and lets it end.
func (b *bench) torture(j *job, n int) (killed int, err error) {
	work := filepath.Join(b.dir, "work")
	if err := errors.Join(os.RemoveAll(work), os.CopyFS(work, os.DirFS(j.start))); err != nil {
		return 0, err
	}
	seen := memory{}
	for killed < n {
		after := b.moment(j.takes)
		args := j.args(work)
		if args == nil {
			break
		}
		ended, err := b.run(work, after, args...)
		if err != nil {
			return killed, err
		}
		if ended {
			return killed, b.same(work, j)
		}
		killed++
		state, err := j.check(work, j.want, seen)
		if err != nil {
			return killed, fmt.Errorf("killed after %v: %w", after, err)
		}
		fmt.Printf("%-6s killed after %4d ms of %4d: %s\n", j.name, after.Milliseconds(), j.takes.Milliseconds(), state)
	}
	if args := j.args(work); args != nil {
		if _, err := b.run(work, 0, args...); err != nil {
			return killed, err
		}
	}
	return killed, b.same(work, j)
}

// moment is when to kill what takes so long: at any time, or as often in the last tenth,
// where the results are written.
func (b *bench) moment(takes time.Duration) time.Duration {
	if b.rng.IntN(2) == 0 {
		return takes - time.Duration(b.rng.Int64N(int64(takes)/10)) - 1
	}
	return time.Duration(b.rng.Int64N(int64(takes))) + 1
}

// run runs bnc in the folder work, and kills it after a time, 0 for never. It reports
// whether it ended by itself.
func (b *bench) run(work string, after time.Duration, args ...string) (ended bool, err error) {
	c := exec.Command(b.bnc, args...)
	c.Dir = work
	c.Env = append(os.Environ(), "TMPDIR="+filepath.Join(work, "tmp"))
	var out strings.Builder
	c.Stdout, c.Stderr = &out, &out
	if err := c.Start(); err != nil {
		return false, err
	}
	if after > 0 {
		defer time.AfterFunc(after, func() { c.Process.Kill() }).Stop()
	}
	err = c.Wait()
	if killed := (*exec.ExitError)(nil); after > 0 && errors.As(err, &killed) && killed.ExitCode() < 0 {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("bnc %s: %w\n%s", strings.Join(args, " "), err, out.String())
	}
	return true, nil
}

// same compares the folder in which a job has ended with that of one that was not
// killed: all names, and what the files hold but for times.
func (b *bench) same(work string, j *job) error {
	got, err := read(work)
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(got)) {
		if _, ok := j.want[name]; !ok {
			return fmt.Errorf("%s is left over", name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(j.want)) {
		if text, ok := got[name]; !ok || text != j.want[name] {
			return fmt.Errorf("%s: missing, or another than after a run in one go: %s", name, difference(text, j.want[name]))
		}
	}
	return nil
}

// difference is the first line in which two texts differ.
func difference(got, want string) string {
	a, b := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return fmt.Sprintf("line %d is %.200q, expected %.200q", i+1, a[i], b[i])
		}
	}
	return fmt.Sprintf("%d lines, expected %d", len(a), len(b))
}
