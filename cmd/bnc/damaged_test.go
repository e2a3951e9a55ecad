package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// damagedSets writes a folder of three classes with pictures of 28 x 28, and one that
// holds a damaged image, too; torn is that image.
func damagedSets(t *testing.T) (good, bad, torn string) {
	t.Helper()
	dir := t.TempDir()
	good, bad = filepath.Join(dir, "good"), filepath.Join(dir, "bad")
	for i := range 9 {
		img := image.NewGray(image.Rect(0, 0, 28, 28))
		for p := range img.Pix {
			img.Pix[p] = uint8(p*(i+3)/(1+i%3) + i*i*p/28)
		}
		var file bytes.Buffer
		if err := png.Encode(&file, img); err != nil {
			t.Fatal(err)
		}
		for _, set := range []string{good, bad} {
			folder := filepath.Join(set, fmt.Sprint(i%3))
			if err := os.MkdirAll(folder, 0o755); err != nil {
				t.Fatal(err)
			}
			write(t, filepath.Join(folder, fmt.Sprintf("%d.png", i)), file.Bytes())
		}
	}
	for _, set := range []string{good, bad} {
		write(t, filepath.Join(set, "classes.txt"), []byte("0\n1\n2\n3\n4\n5\n6\n7\n8\n9\n"))
	}
	torn = filepath.Join(bad, "1", "20.png") // the middle of the set
	write(t, torn, []byte("\x89PNG\r\n\x1a\ntorn"))
	return good, bad, torn
}

// TestDamagedImage gives each command a set with one damaged image: it does with the
// others what it does with a set of those, and tells. Commands that were to give a
// result for each image end with 3.
func TestDamagedImage(t *testing.T) {
	model := stripeModel(t)
	good, bad, torn := damagedSets(t)
	decode := func(out string) (doc map[string]any) {
		if err := json.Unmarshal([]byte(out), &doc); err != nil {
			t.Fatalf("%v in %q", err, out)
		}
		return doc
	}
	bundles := map[string]string{}
	for _, set := range []string{good, bad} {
		bundles[set] = filepath.Join(t.TempDir(), "b")
		_, stderr, code := tryBnc(t, "split", model, "--after", "r", "--c", "4", "--s", "1", "--calib", set, "-o", bundles[set])
		if code != exitDone || strings.Contains(stderr, torn) != (set == bad) {
			t.Fatalf("split: exit code %d: %s", code, stderr)
		}
	}
	for _, part := range bundleParts {
		a, err1 := os.ReadFile(filepath.Join(bundles[good], part+".onnx"))
		b, err2 := os.ReadFile(filepath.Join(bundles[bad], part+".onnx"))
		if err1 != nil || err2 != nil || !bytes.Equal(a, b) {
			t.Errorf("%s is not what the good images give (%v, %v)", part, err1, err2)
		}
	}
	for _, args := range []string{
		"eval " + model + " --data SET --json",
		"eval " + model + " --data SET --input-codec jpeg --quality 20,50 --batch 4 --json",
		"eval " + bundles[good] + " --data SET --quality 10,90 --batch 3 --json",
	} {
		want := decode(mustBnc(t, strings.Fields(strings.ReplaceAll(args, "SET", good))...))
		stdout, stderr, code := tryBnc(t, strings.Fields(strings.ReplaceAll(args, "SET", bad))...)
		if got := decode(stdout); code != exitUnusable || !reflect.DeepEqual(got, want) {
			t.Errorf("bnc %s: exit code %d, %v, expected %v", args, code, got, want)
		}
		if strings.Count(stderr, torn) != 2 { // when it is met, and in the end
			t.Errorf("bnc %s: %s", args, stderr)
		}
	}
	for _, form := range []string{"--json", "--jsonl", "--top=3"} {
		stdout, stderr, code := tryBnc(t, "run", bundles[good], bad, form)
		if code != exitUnusable || strings.Count(stderr, torn) != 2 || strings.Contains(stdout, torn) {
			t.Errorf("run %s: exit code %d: %s", form, code, stderr)
		}
		if form == "--json" {
			if results := decode(stdout)["results"].([]any); len(results) != 9 {
				t.Errorf("run %s: %d results, expected 9", form, len(results))
			}
		} else if n := strings.Count(stdout, bad); n != 9 {
			t.Errorf("run %s: %d results, expected 9", form, n)
		}
	}
	stdout, stderr, code := tryBnc(t, "run", model, torn, "--json")
	if code != exitUnusable || stdout != "" || strings.Count(stderr, torn) != 1 {
		t.Errorf("run of the damaged image alone: exit code %d: %s%s", code, stdout, stderr)
	}
	if _, stderr, code := tryBnc(t, "profile", model, "--cuts", "r", "--input", filepath.Join(bad, "1"), "--runs", "20", "-o", filepath.Join(t.TempDir(), "p.json")); code != exitDone || strings.Count(stderr, torn) != 1 {
		t.Errorf("profile: exit code %d: %s", code, stderr)
	}
	out, stderr, code := tryBnc(t, "bench", model, "--input", bad, "--link", "none", "--n", "9", "--json")
	if code != exitDone || strings.Count(stderr, torn) != 1 {
		t.Errorf("bench: exit code %d: %s%s", code, out, stderr)
	}
	none := filepath.Join(t.TempDir(), "none")
	if err := os.Mkdir(none, 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(none, "a.png"), []byte("no picture"))
	write(t, filepath.Join(none, "b.jpg"), []byte("no picture"))
	for _, args := range []string{"run MODEL SET", "eval MODEL --data SET", "profile MODEL --input SET", "split MODEL --after r --c 1 --s 1 --calib SET -o " + filepath.Join(none, "b"), "bench MODEL --input SET"} {
		line := strings.NewReplacer("MODEL", model, "SET", none).Replace(args)
		if stdout, stderr, code := tryBnc(t, strings.Fields(line)...); code != exitUnusable || stdout != "" || !strings.Contains(stderr, "a.png") {
			t.Errorf("bnc %s: exit code %d: %s%s", args, code, stdout, stderr)
		}
	}
}

// TestPassedOverIsTold: a set with files that are no images says how many and of
// which kind, in each command that reads it.
func TestPassedOverIsTold(t *testing.T) {
	model := stripeModel(t)
	good, _, _ := damagedSets(t)
	write(t, filepath.Join(good, "1", "live.heic"), nil)
	write(t, filepath.Join(good, "2", "._5.png"), []byte("a Mac's"))
	img := image.NewGray(image.Rect(0, 0, 28, 28))
	img.SetGray(3, 3, color.Gray{255})
	var file bytes.Buffer
	if err := png.Encode(&file, img); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(good, "beside.png"), file.Bytes())
	for _, args := range []string{
		"eval MODEL --data SET", "run MODEL SET/1", "split MODEL --after r --c 1 --s 1 --calib SET -o OUT",
		"train MODEL --data SET --epochs 1 --batch 3 -o OUT.onnx", "profile MODEL --cuts r --input SET/1 --runs 20",
	} {
		line := strings.NewReplacer("MODEL", model, "SET", good, "OUT", filepath.Join(t.TempDir(), "out")).Replace(args)
		_, stderr, code := tryBnc(t, strings.Fields(line)...)
		if code != exitDone || !strings.Contains(stderr, "1 file, no images by their names (1 .heic)") {
			t.Errorf("bnc %s: exit code %d: %s", args, code, stderr)
		}
		if strings.Contains(line, good+" ") && !strings.Contains(stderr, "1 image beside") {
			t.Errorf("bnc %s does not tell the image beside the classes: %s", args, stderr)
		}
	}
}
