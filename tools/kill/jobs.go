package main

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// job is a command that is killed.
type job struct {
	name  string
	start string // folder as it is before
	// args are those of the command for a folder as it is, nil where it is done.
	args  func(work string) []string
	takes time.Duration     // of a run in one go
	want  map[string]string // the folder after it
	// check looks at a folder in which the command was killed, and remembers what must
	// not be lost from then on.
	check func(work string, want map[string]string, seen memory) (state string, err error)
}

// memory is what was seen: how many steps a checkpoint knows, or what a file holds.
type memory map[string]any

// jobs makes the model, the images and the three jobs, and runs each in one go.
func (b *bench) jobs() ([]*job, error) {
	base := filepath.Join(b.dir, "base")
	if err := os.MkdirAll(filepath.Join(base, "tmp"), 0o777); err != nil {
		return nil, err
	}
	if err := images(filepath.Join(base, "set")); err != nil {
		return nil, err
	}
	for _, args := range []string{
		"models resnet20 --classes 4 --input 1x12x12 -o net.onnx", "split net.onnx --after rb2 --c 2 --s 2 -o bundle",
	} {
		if _, err := b.run(base, 0, strings.Fields(args)...); err != nil {
			return nil, err
		}
	}
	old, err := read(base)
	if err != nil {
		return nil, err
	}
	fixed := func(args string) func(string) []string {
		return func(string) []string { return strings.Fields(args) }
	}
	train := strings.Fields("train bundle --data set --epochs 3 --batch 16 --threads 1 --flip off --checkpoint-every 1ns")
	var trained map[string]string
	jobs := []*job{
		{name: "split", args: fixed("split net.onnx --after rb4 --c 1 --s 2 --calib set -o bundle --depfile bundle.d"),
			check: func(work string, want map[string]string, _ memory) (string, error) {
				return oldOrNew(work, "bundle", old, want)
			}},
		{name: "train", args: func(work string) []string {
			if _, err := os.Stat(filepath.Join(work, "bundle.train/checkpoint")); err == nil {
				return append(slices.Clone(train), "--resume")
			}
			if state, err := oldOrNew(work, "bundle", old, trained); err == nil && state == "bundle new" {
				return nil // killed when all was done
			}
			return train
		}, check: func(work string, want map[string]string, seen memory) (string, error) {
			state, err := oldOrNew(work, "bundle", old, want)
			if err != nil || state == "bundle new" {
				return state, err
			}
			return state, errors.Join(err, seen.checkpoint(filepath.Join(work, "bundle.train/checkpoint")))
		}},
		{name: "search", args: fixed("search net.onnx --data set -o found --cuts rb1,rb9 --c 1,2 --s 2 --epochs 2 --batch 16 --threads 1 --flip off --max-loss 100 --margin 100 --checkpoint-every 1ns"),
			check: checkSearch},
	}
	for _, j := range jobs {
		j.start = base
		work := filepath.Join(b.dir, "whole-"+j.name)
		if err := os.CopyFS(work, os.DirFS(base)); err != nil {
			return nil, err
		}
		begin := time.Now()
		if _, err := b.run(work, 0, j.args(work)...); err != nil {
			return nil, err
		}
		j.takes = time.Since(begin)
		if j.want, err = read(work); err != nil {
			return nil, err
		}
		if j.name == "train" {
			trained = j.want
		}
	}
	return jobs, nil
}

// images writes a set of stripes in four directions, in MNIST's files.
func images(dir string) error {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	const size = 12
	rng := rand.New(rand.NewPCG(5, 5))
	for _, part := range []struct {
		name string
		n    int
	}{{"train", 256}, {"t10k", 64}} {
		pixels := binary.BigEndian.AppendUint32(nil, 0x803)
		labels := binary.BigEndian.AppendUint32(nil, 0x801)
		for _, n := range []int{part.n, size, size} {
			pixels = binary.BigEndian.AppendUint32(pixels, uint32(n))
		}
		labels = binary.BigEndian.AppendUint32(labels, uint32(part.n))
		for i := range part.n {
			for y := range size {
				for x := range size {
					along := []int{x, y, x + y, x - y + size}[i%4]
					pixels = append(pixels, byte(along/2%2*200+rng.IntN(50)))
				}
			}
			labels = append(labels, byte(i%4))
		}
		err := errors.Join(os.WriteFile(filepath.Join(dir, part.name+"-images-idx3-ubyte"), pixels, 0o666),
			os.WriteFile(filepath.Join(dir, part.name+"-labels-idx1-ubyte"), labels, 0o666))
		if err != nil {
			return err
		}
	}
	return nil
}

// times are the numbers of files that two runs do not share.
var times = regexp.MustCompile(`"(seconds|seconds_left|images_per_second)": ?[-+.e0-9]+`)

// read returns the contents of all files below dir, without times; pages of curves,
// which show times, count as their names.
func read(dir string) (map[string]string, error) {
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if filepath.Base(filepath.Dir(path)) == "tmp" && !strings.Contains(e.Name(), "bnc-") {
			return nil // ONNX Runtime's: .ses, mat-debug-PID.log
		}
		name, err := filepath.Rel(dir, path)
		if err != nil || e.IsDir() {
			files[name] = "folder"
			return err
		}
		b, err := os.ReadFile(path)
		files[name] = string(b)
		switch filepath.Ext(name) {
		case ".json", ".jsonl":
			files[name] = times.ReplaceAllString(string(b), "")
		case ".html":
			files[name] = "page"
		}
		return err
	})
	return files, err
}

// oldOrNew tells whether a folder below work is as in old or as in new; anything else is
// an error.
func oldOrNew(work, folder string, old, new map[string]string) (string, error) {
	now, err := read(filepath.Join(work, folder))
	if err != nil {
		return "", err
	}
	for state, files := range map[string]map[string]string{"old": old, "new": new} {
		n, same := 0, true
		for name, text := range files {
			if rel, err := filepath.Rel(folder, name); err == nil && filepath.IsLocal(rel) {
				n++
				same = same && now[rel] == text
			}
		}
		if same && n == len(now) {
			return folder + " " + state, nil
		}
	}
	return "", fmt.Errorf("%s is neither the old one nor the new one", folder)
}

// checkpoint looks at a checkpoint: it must be whole, and know no fewer steps than it
// knew before.
func (m memory) checkpoint(path string) error {
	b, err := os.ReadFile(path)
	before, known := m[path].(int)
	if errors.Is(err, fs.ErrNotExist) && !known {
		return nil
	}
	if err != nil {
		return err
	}
	if len(b) < 16 || uint64(len(b)-16) < binary.LittleEndian.Uint64(b[8:]) {
		return fmt.Errorf("%s is cut off", path)
	}
	var header struct{ Steps int }
	if err := json.Unmarshal(b[16:16+binary.LittleEndian.Uint64(b[8:])], &header); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if header.Steps < before {
		return fmt.Errorf("%s knows %d steps, and knew %d", path, header.Steps, before)
	}
	m[path] = header.Steps
	return nil
}

// checkSearch: what a search knows of candidates stays as it is, as do the bundles that
// it has trained, and checkpoints as long as a bundle is not there.
func checkSearch(work string, want map[string]string, seen memory) (string, error) {
	now, err := read(work)
	if err != nil {
		return "", err
	}
	results, bundles := 0, 0
	for name, text := range now {
		dir, file := filepath.Split(name)
		switch {
		case strings.HasPrefix(file, "."): // temporary
		case dir == "found/candidates/" && strings.Contains(text, `"trained"`):
			results++
			if text != want[name] {
				return "", fmt.Errorf("%s is another than after a search in one go", name)
			}
			seen[name] = text
		case strings.HasPrefix(dir, "found/bundles/") && filepath.Ext(file) == ".onnx" && !strings.Contains(dir, "/."):
			bundles++
			if text != want[name] {
				return "", fmt.Errorf("%s is another than after a search in one go", name)
			}
			seen[name] = text
		case file == "checkpoint" && now[strings.TrimSuffix(filepath.Clean(dir), ".train")] == "":
			if err := seen.checkpoint(filepath.Join(work, name)); err != nil {
				return "", err
			}
		}
	}
	for name, was := range seen {
		if text, ok := was.(string); ok && now[name] != text {
			return "", fmt.Errorf("%s was there, and is lost", name)
		}
	}
	return fmt.Sprintf("%d results, %d trained files", results, bundles), nil
}
