package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// classFolders writes striped pictures to a folder a class.
func classFolders(t *testing.T, n int, classes ...string) string {
	t.Helper()
	dir := t.TempDir()
	stripeFolder(t, dir, n, false, classes)
	return dir
}

// TestTrainClassNames: folders are the classes of their names, whatever the order in
// which model and data list them.
func TestTrainClassNames(t *testing.T) {
	plugin(t)
	turned := []string{"d", "c", "b", "a"} // of the model, for the directions 0 to 3
	labels := filepath.Join(t.TempDir(), "labels.txt")
	write(t, labels, []byte(strings.Join(turned, "\n")))
	set := classFolders(t, 96, turned...)
	out := filepath.Join(t.TempDir(), "o.onnx")
	args := []string{"--data", set, "--val", set, "--epochs", "8", "--batch", "16", "--flip", "off", "--random-crop", "none"}
	r := trained(t, slices.Concat([]string{stripeNet(t), "-o", out, "--labels", labels}, args)...)
	if *r.Top1 < 0.7 {
		t.Fatalf("top-1 %v: the test says nothing", *r.Top1)
	}
	got := document(t, "run", out, filepath.Join(set, "a", "003.png"))
	named := got["results"].([]any)[0].(map[string]any)["top"].([]any)[0].(map[string]any)
	if class := int(named["class"].(float64)); named["label"] != turned[class] {
		t.Errorf("class %d is called %v, expected %s", class, named["label"], turned[class])
	}
	whole := evaluated(t, out, "--data", set)
	if *whole.Top1 != *r.Top1 {
		t.Errorf("bnc eval says %v, bnc train %v", *whole.Top1, *r.Top1)
	}
	// A part of the classes, as a folder to judge by has it.
	if some := evaluated(t, out, "--data", classesOf(t, set, "a", "d")); *some.Top1 < 0.5 {
		t.Errorf("of two classes: %v", *some.Top1)
	}

	for _, c := range []struct {
		args []string
		says string
	}{
		{[]string{stripeNet(t), "--data", classFolders(t, 16, "a", "b", "c", "d"), "--val", classFolders(t, 16, "a", "b", "c", "z")}, `class "z"`},
		{[]string{out, "--data", classFolders(t, 16, "a", "b", "c", "z")}, `class "z"`},
		{[]string{stripeNet(t), "--data", set, "--labels", "nowhere.txt"}, "nowhere.txt"},
		{[]string{stripeNet(t), "--data", classesOf(t, set, "a", "d")}, `output "y"`},
	} {
		_, stderr, code := tryBnc(t, append([]string{"train", "-o", filepath.Join(t.TempDir(), "x.onnx")}, c.args...)...)
		if code != exitUnusable || !strings.Contains(stderr, c.says) {
			t.Errorf("%v: exit code %d: %s", c.args, code, stderr)
		}
	}
}

// classesOf copies some of a set's class folders.
func classesOf(t *testing.T, set string, classes ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, c := range classes {
		if err := os.CopyFS(filepath.Join(dir, c), os.DirFS(filepath.Join(set, c))); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// TestTrainLabels: a bundle learns the names of its classes as a model does.
func TestTrainLabels(t *testing.T) {
	plugin(t)
	classes := []string{"north", "east", "south", "west"}
	slices.Sort(classes)
	set := classFolders(t, 32, classes...)
	dir := splitAt(t, stripeNet(t), "--c", "2", "--s", "2")
	trained(t, slices.Concat([]string{dir, "--data", set}, few)...)
	if got := metaOf(t, dir).Labels; !slices.Equal(got, classes) {
		t.Errorf("labels %v", got)
	}
	labels := filepath.Join(t.TempDir(), "labels.txt")
	write(t, labels, []byte("n\ne\ns\nw"))
	trained(t, slices.Concat([]string{dir, "--data", stripes(t, 32, 8), "--labels", labels}, few)...)
	if got := metaOf(t, dir); !slices.Equal(got.Labels, []string{"n", "e", "s", "w"}) || got.Preprocess == nil {
		t.Errorf("labels %v, preprocess %v", got.Labels, got.Preprocess)
	}
	write(t, labels, []byte("n\ne"))
	before := tree(t, filepath.Dir(dir))
	if _, stderr, code := tryBnc(t, "train", dir, "--data", set, "--labels", labels); code != exitUnusable || !strings.Contains(stderr, "2 names") || !sameTree(before, tree(t, filepath.Dir(dir))) {
		t.Errorf("too few labels: exit code %d: %s", code, stderr)
	}
}

// TestTrainFoldersThatAreNoClasses: where the model teaches, folders may be anything.
func TestTrainFoldersThatAreNoClasses(t *testing.T) {
	plugin(t)
	set := t.TempDir()
	stripeFolder(t, set, 12, false, []string{"2019", "2020", "2021", "2022"})
	for _, year := range []string{"2021", "2022"} {
		if err := os.RemoveAll(filepath.Join(set, year)); err != nil {
			t.Fatal(err)
		}
	}
	stripeFolder(t, set, 3, false, nil)
	dir := splitAt(t, stripeNet(t), "--c", "2", "--s", "2")
	stdout, stderr, code := tryBnc(t, "train", dir, "--data", set, "--distill", "--freeze", "backbone", "--epochs", "1", "--batch", "2", "--json")
	if code != exitDone || !strings.Contains(stdout, `"top1": null`) || strings.Contains(stdout, `"agreement": null`) {
		t.Errorf("exit code %d\n%s\n%s", code, stdout, stderr)
	}
	for _, notice := range []string{"are taken for no labels", "3 images beside the folders of classes"} {
		if !strings.Contains(stderr, notice) {
			t.Errorf("expected %q in\n%s", notice, stderr)
		}
	}
	if labels := metaOf(t, dir).Labels; labels != nil {
		t.Errorf("labels %v", labels)
	}
}
