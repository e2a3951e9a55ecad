//go:build unix

package files

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"
)

// writeAndWait makes the test binary a process that begins to write, says so and waits
// to be killed.
const writeAndWait = "FILES_TEST_WRITE_IN"

func TestMain(m *testing.M) {
	if dir := os.Getenv(writeAndWait); dir != "" {
		f, err1 := Create(filepath.Join(dir, "file"))
		d, err2 := CreateDir(filepath.Join(dir, "folder"), "")
		l, err3 := TryLock(filepath.Join(dir, "lock"))
		if err := errors.Join(err1, err2, err3, os.WriteFile(filepath.Join(d.Temp, "part"), []byte("new"), 0o666)); err != nil {
			panic(err)
		}
		f.WriteString("new")
		os.Stdout.WriteString("writing\n")
		io.Copy(io.Discard, os.Stdin) // until it is killed
		l.Unlock()
	}
	os.Exit(m.Run())
}

// writer starts such a process and returns when it is at work.
func writer(t *testing.T, dir string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	must(t, err)
	c := exec.Command(self)
	c.Env = append(os.Environ(), writeAndWait+"="+dir)
	c.Stderr = os.Stderr
	_, err = c.StdinPipe()
	must(t, err)
	out, err := c.StdoutPipe()
	must(t, err)
	must(t, c.Start())
	t.Cleanup(func() { c.Process.Kill(); c.Wait() })
	if _, err := out.Read(make([]byte, 100)); err != nil {
		t.Fatal(err)
	}
	return c
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func put(t *testing.T, path, text string) {
	t.Helper()
	must(t, os.MkdirAll(filepath.Dir(path), 0o777))
	must(t, os.WriteFile(path, []byte(text), 0o666))
}

func text(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	must(t, err)
	return string(b)
}

func list(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	must(t, err)
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func expect(t *testing.T, dir string, names ...string) {
	t.Helper()
	slices.Sort(names)
	if got := list(t, dir); !slices.Equal(got, names) {
		t.Errorf("there are %q, expected %q", got, names)
	}
}

// TestPermissions: new files and folders get what the umask leaves, those that are
// replaced keep what they have.
func TestPermissions(t *testing.T) {
	defer unix.Umask(unix.Umask(0o027))
	dir := t.TempDir()
	put(t, filepath.Join(dir, "mine"), "old")
	must(t, os.Chmod(filepath.Join(dir, "mine"), 0o602))
	must(t, os.Mkdir(filepath.Join(dir, "own"), 0o700))
	for _, name := range []string{"mine", "new"} {
		must(t, Write(filepath.Join(dir, name), []byte(name)))
	}
	for _, name := range []string{"own", "made"} {
		d, err := CreateDir(filepath.Join(dir, name), "")
		must(t, err)
		must(t, d.Commit())
		d.Discard()
	}
	for name, want := range map[string]fs.FileMode{"mine": 0o602, "new": 0o640, "own": 0o700, "made": 0o750} {
		st, err := os.Stat(filepath.Join(dir, name))
		if err != nil || st.Mode().Perm() != want {
			t.Errorf("%s: %v, %v; expected %v", name, st.Mode().Perm(), err, want)
		}
	}
	expect(t, dir, "mine", "new", "own", "made")
}

// TestScratch: nobody else can read it, and nothing is left of it.
func TestScratch(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	d, err := Scratch()
	must(t, err)
	put(t, filepath.Join(d.Temp, "part"), "")
	if st, err := os.Stat(d.Temp); err != nil || st.Mode().Perm() != 0o700 {
		t.Errorf("%v, %v", st.Mode(), err)
	}
	d.Discard()
	expect(t, os.TempDir())
}

// TestLinks: what a link leads to is written, in its own folder, and the link stays.
func TestLinks(t *testing.T) {
	dir := t.TempDir()
	put(t, filepath.Join(dir, "there/old"), "old")
	put(t, filepath.Join(dir, "there/bundle/part"), "old")
	must(t, os.Symlink("there", filepath.Join(dir, "by")))
	for name, to := range map[string]string{"a": "by/old", "b": "by/../there/new", "c": "a", "d": "by/bundle"} {
		must(t, os.Symlink(to, filepath.Join(dir, name)))
	}
	for _, name := range []string{"b", "c"} {
		must(t, Write(filepath.Join(dir, name), []byte(name)))
	}
	d, err := CreateDir(filepath.Join(dir, "d"), "")
	must(t, err)
	put(t, filepath.Join(d.Temp, "part"), "d")
	must(t, d.Commit())
	d.Discard()
	for name, want := range map[string]string{"there/old": "c", "there/new": "b", "there/bundle/part": "d"} {
		if got := text(t, filepath.Join(dir, name)); got != want {
			t.Errorf("%s holds %q, expected %q", name, got, want)
		}
	}
	for _, name := range []string{"a", "b", "c", "d"} {
		if _, err := os.Readlink(filepath.Join(dir, name)); err != nil {
			t.Error(err)
		}
	}
	expect(t, filepath.Join(dir, "there"), "bundle", "new", "old")
}

// TestNoRegularFile: a pipe is written to and stays a pipe.
func TestNoRegularFile(t *testing.T) {
	dir := t.TempDir()
	pipe := filepath.Join(dir, "pipe")
	must(t, unix.Mkfifo(pipe, 0o600))
	must(t, os.Symlink("pipe", filepath.Join(dir, "link")))
	got := make(chan string)
	go func() {
		b, _ := os.ReadFile(pipe)
		got <- string(b)
	}()
	must(t, Write(filepath.Join(dir, "link"), []byte("through")))
	if b := <-got; b != "through" {
		t.Errorf("%q came through the pipe", b)
	}
	if st, err := os.Lstat(pipe); err != nil || st.Mode().Type() != fs.ModeNamedPipe {
		t.Errorf("the pipe is %v now, %v", st.Mode(), err)
	}
	expect(t, dir, "link", "pipe")
}

func TestUnfit(t *testing.T) {
	dir := t.TempDir()
	put(t, filepath.Join(dir, "file"), "old")
	for _, path := range []string{dir, filepath.Join(dir, "none/file")} {
		var unfit *UnfitError
		if err := Write(path, nil); !errors.As(err, &unfit) || errors.Is(err, fs.ErrNotExist) || !strings.HasPrefix(err.Error(), path) {
			t.Errorf("writing %s: %v", path, err)
		}
		if err := Check(path); !errors.As(err, &unfit) {
			t.Errorf("checking %s: %v", path, err)
		}
	}
	for _, name := range []string{"file", "new"} {
		if err := Check(filepath.Join(dir, name)); err != nil {
			t.Error(err)
		}
	}
	expect(t, dir, "file")
}

// TestDiscard: nothing of what is given up can be seen.
func TestDiscard(t *testing.T) {
	dir := t.TempDir()
	put(t, filepath.Join(dir, "file"), "old")
	put(t, filepath.Join(dir, "folder/part"), "old")
	f, err := Create(filepath.Join(dir, "file"))
	must(t, err)
	f.WriteString("new")
	d, err := CreateDir(filepath.Join(dir, "folder"), "")
	must(t, err)
	put(t, filepath.Join(d.Temp, "part"), "new")
	f.Discard()
	d.Discard()
	if got := text(t, filepath.Join(dir, "file")) + text(t, filepath.Join(dir, "folder/part")); got != "oldold" {
		t.Errorf("%q", got)
	}
	expect(t, dir, "file", "folder")
}

// TestCommitTogether: the file that refers to others is not there while they change.
func TestCommitTogether(t *testing.T) {
	dir := t.TempDir()
	model, data := filepath.Join(dir, "m"), filepath.Join(dir, "sub", "m.data")
	put(t, model, "old")
	put(t, data, "old")
	m, err := Create(model)
	must(t, err)
	d, err := Create(data)
	must(t, err)
	m.WriteString("new")
	d.WriteString("new")
	must(t, os.Remove(d.Name())) // so that its renaming fails
	if err := Commit(d, m); err == nil {
		t.Fatal("a file that is gone was committed")
	}
	m.Discard()
	d.Discard()
	if _, err := os.Stat(model); err == nil && text(t, data) != "old" {
		t.Error("the older model is there with other data")
	}
	expect(t, filepath.Join(dir, "sub"), "m.data")
}

// TestReplaceInSteps is for file systems without an exchange of names: at every moment
// there is the old folder, the new one, or what the next process makes the old one of.
func TestReplaceInSteps(t *testing.T) {
	dir := t.TempDir()
	folder := filepath.Join(dir, "folder")
	put(t, filepath.Join(folder, "part"), "old")
	d, err := CreateDir(folder, "")
	must(t, err)
	put(t, filepath.Join(d.Temp, "part"), "new")
	must(t, d.replaceInSteps())
	must(t, Write(filepath.Join(dir, "other"), nil)) // sweeps
	if got := text(t, filepath.Join(folder, "part")) + text(t, filepath.Join(d.aside, "part")); got != "newold" {
		t.Errorf("%q", got)
	}
	d.Discard()
	expect(t, dir, "folder", "other")

	// Killed behind the first step.
	must(t, os.Rename(folder, filepath.Join(dir, ".folder.bnc-7.old")))
	put(t, filepath.Join(dir, ".folder.bnc-7.tmp/part"), "newer")
	must(t, Write(filepath.Join(dir, "other"), nil))
	if got := text(t, filepath.Join(folder, "part")); got != "new" {
		t.Errorf("%q is there again", got)
	}
	expect(t, dir, "folder", "other")
}

// TestSweep: what a killed process has left goes when the next one writes into the
// folder, and nothing else: not what a living process writes, not what only looks like
// it.
func TestSweep(t *testing.T) {
	dir := t.TempDir()
	keep := []string{".file.bnc-x.tmp", ".file.123.tmp", "file.bnc-12.tmp", ".bnc-12.tmp", ".file.bnc-12.tmp.txt"}
	for _, name := range keep {
		put(t, filepath.Join(dir, name), "the user's")
	}
	put(t, filepath.Join(dir, "elsewhere", "x"), "the user's")
	must(t, os.Symlink("elsewhere", filepath.Join(dir, ".link.bnc-12.tmp")))
	must(t, unix.Mkfifo(filepath.Join(dir, ".pipe.bnc-12.tmp"), 0o600))
	keep = append(keep, "elsewhere", ".link.bnc-12.tmp", ".pipe.bnc-12.tmp", "other")

	killed := writer(t, dir)
	must(t, Write(filepath.Join(dir, "other"), nil))
	if n := len(list(t, dir)); n != len(keep)+3 { // file, folder, lock
		t.Errorf("beside a living process: %q", list(t, dir))
	}
	must(t, killed.Process.Kill())
	killed.Wait()
	living := writer(t, dir) // sweeps what the other left
	if n := len(list(t, dir)); n != len(keep)+3 {
		t.Errorf("beside another living process: %q", list(t, dir))
	}
	must(t, living.Process.Kill())
	living.Wait()
	l, err := TryLock(filepath.Join(dir, "lock"))
	must(t, err)
	l.Unlock()
	must(t, Write(filepath.Join(dir, "other"), nil))
	expect(t, dir, keep...)
	expect(t, filepath.Join(dir, "elsewhere"), "x")
}

// TestLock: one holder at a time, whose name the others are told, across processes and
// within one.
func TestLock(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "lock")
	other := writer(t, dir)
	var held *HeldError
	if _, err := TryLock(path); !errors.As(err, &held) || !strings.Contains(held.By, strconv.Itoa(other.Process.Pid)) {
		t.Fatalf("%v, expected the process %d", err, other.Process.Pid)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	waiting := make(chan error)
	go func() {
		_, err := WaitLock(ctx, path)
		waiting <- err
	}()
	tired := errors.New("tired of waiting")
	cancel(tired)
	if err := <-waiting; err != tired {
		t.Errorf("who gave up was told %v", err)
	}
	must(t, other.Process.Kill())
	other.Wait()
	mine, err := WaitLock(t.Context(), path) // what it left is taken
	must(t, err)
	if _, err := TryLock(path); !errors.As(err, &held) || !strings.Contains(held.By, strconv.Itoa(os.Getpid())) {
		t.Errorf("%v, expected this process", err)
	}
	mine.Unlock()
	again, err := TryLock(path)
	must(t, err)
	again.Unlock()
	expect(t, dir, slices.DeleteFunc(list(t, dir), func(name string) bool { return name == "lock" })...)
}

// TestLockIsExclusive lets many take turns.
func TestLockIsExclusive(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	var inside, total atomic.Int32
	done := make(chan error)
	for range 8 {
		go func() {
			l, err := WaitLock(context.Background(), path)
			if err == nil {
				if inside.Add(1) != 1 {
					err = errors.New("two are inside")
				}
				total.Add(1)
				inside.Add(-1)
				l.Unlock()
			}
			done <- err
		}()
	}
	for range 8 {
		must(t, <-done)
	}
	if n := total.Load(); n != 8 {
		t.Errorf("%d of 8", n)
	}
}

// TestScratchBesideOthers: what others sweep away is not missed by who has just made it.
func TestScratchBesideOthers(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for range 300 {
				d, err := Scratch()
				if err != nil {
					t.Error(err)
					return
				}
				if err := os.WriteFile(filepath.Join(d.Temp, "file"), nil, 0o600); err != nil {
					t.Error(err)
				}
				d.Discard()
			}
		})
	}
	group.Wait()
}
