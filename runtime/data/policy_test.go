package data_test

import (
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/bottlenet/bnc/internal/rttest"
	"github.com/bottlenet/bnc/runtime/data"
)

// names lists a set's files below a folder.
func names(t *testing.T, set *data.Set, root string) (list []string) {
	t.Helper()
	for i := range set.Len() {
		rel, err := filepath.Rel(root, set.File(i))
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, rel)
	}
	return list
}

// TestWhatIsAnImage finds images of every format, also in folders of a class's folder,
// leaves hidden files out, and counts what else is there.
func TestWhatIsAnImage(t *testing.T) {
	root := tree(t, map[string][]byte{
		"ant/0.jpg": nil, "ant/._0.jpg": nil, "ant/.DS_Store": nil, "ant/1.jfif": nil, "ant/2.WEBP": nil, "ant/sub/deeper/9.jpg": nil,
		"ant/sub/.hidden/8.jpg": nil, "ant/notes.txt": nil, "ant/sub/live.heic": nil, "ant/sub/other.HEIC": nil,
		"bee/0.tif": nil, "bee/1.tiff": nil, "bee/2.bmp": nil, "bee/3.npy": nil, ".cache/0.jpg": nil, "README.md": nil, "beside.png": nil, ".beside.png": nil,
	})
	for _, err := range []error{
		os.Symlink("../..", filepath.Join(root, "ant", "sub", "up")), // back to where it is
		os.Symlink("../bee", filepath.Join(root, "ant", "bee")),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	set := open(t, root, data.Train)
	bees := []string{"0.tif", "1.tiff", "2.bmp", "3.npy"}
	want := []string{"ant/0.jpg", "ant/1.jfif", "ant/2.WEBP"}
	for _, bee := range bees {
		want = append(want, "ant/bee/"+bee)
	}
	want = append(want, "ant/sub/deeper/9.jpg")
	for _, bee := range bees {
		want = append(want, "bee/"+bee)
	}
	if got := names(t, set, root); !slices.Equal(got, want) {
		t.Errorf("found %q, expected %q", got, want)
	}
	for i := range set.Len() {
		label := 0
		if i >= len(want)-len(bees) {
			label = 1
		}
		if set.Label(i) != label {
			t.Errorf("%s has label %d", set.File(i), set.Label(i))
		}
	}
	told := strings.Join(set.PassedOver(), "; ")
	for _, want := range []string{"3 files", "2 .heic", "1 .txt", "ant/notes.txt", "1 image beside"} {
		if !strings.Contains(told, want) {
			t.Errorf("%q does not say %q", told, want)
		}
	}
	paths, passedOver, err := data.Files(filepath.Join(root, "ant", "sub"))
	if err != nil || len(paths) == 0 || !strings.HasSuffix(paths[0], "deeper/9.jpg") || len(passedOver) != 1 || !strings.Contains(passedOver[0], "2 .heic") {
		t.Errorf("%q, %q, %v", paths, passedOver, err)
	}
}

// TestMacFolder reads a folder that lay on a Mac's disk.
func TestMacFolder(t *testing.T) {
	root := tree(t, map[string][]byte{"a/1.png": picture(1), "a/._1.png": []byte("\x00\x05\x16\x07"), "b/1.png": picture(2), ".DS_Store": nil, "a/.DS_Store": nil})
	set := open(t, root, data.Train)
	if got := contents(t, set); got != "1:0 2:1" || len(set.PassedOver()) != 0 {
		t.Errorf("%s, %q", got, set.PassedOver())
	}
}

// TestReadNames reads names as editors on all systems save them.
func TestReadNames(t *testing.T) {
	const text = "\u00e4pfel\n\n\u72ac\nz \u00f9\n\n\n"
	want := []string{"\u00e4pfel", "", "\u72ac", "z \u00f9"}
	wide := func(order binary.AppendByteOrder, mark bool) (b []byte) {
		units := utf16.Encode([]rune(text))
		if mark {
			units = append([]uint16{0xfeff}, units...)
		}
		for _, u := range units {
			b = order.AppendUint16(b, u)
		}
		return b
	}
	for name, file := range map[string][]byte{
		"UTF-8": []byte(text), "mark": []byte("\ufeff" + text), "lines of Windows": []byte(strings.ReplaceAll(text, "\n", "\r\n")),
		"decomposed": []byte(strings.NewReplacer("\u00e4", "a\u0308", "\u00f9", "u\u0300").Replace(text)),
		"UTF-16LE":   wide(binary.LittleEndian, true), "UTF-16BE": wide(binary.BigEndian, true), "no end": []byte(strings.TrimSpace(text)),
	} {
		got, err := data.ReadNames(filepath.Join(tree(t, map[string][]byte{"names.txt": file}), "names.txt"))
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	for name, file := range map[string][]byte{
		"Latin-1": []byte("\xe4pfel\n"), "UTF-16 without a mark": wide(binary.LittleEndian, false), "ASCII in UTF-16": []byte("a\x00\n\x00"), "nothing": nil, "a mark": []byte("\ufeff"),
	} {
		path := filepath.Join(tree(t, map[string][]byte{"names.txt": file}), "names.txt")
		if got, err := data.ReadNames(path); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	if _, err := data.ReadNames(filepath.Join(t.TempDir(), "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v", err)
	}
}

// TestNormalForms gives folders with composed and with decomposed accents the same
// classes: those that Python's unicodedata takes for the same.
func TestNormalForms(t *testing.T) {
	composed := []string{"\u00e4pfel", "zebra", "z\u00f9", "\ud55c\uad6d"}
	out := rttest.Python(t, `import sys, unicodedata
sys.stdout.buffer.write("\n".join(unicodedata.normalize("NFD", x) for x in sys.argv[1:]).encode())`, composed...)
	decomposed := strings.Split(string(out), "\n")
	if slices.Equal(decomposed, composed) {
		t.Fatal("the names are the same in both forms")
	}
	var sets []*data.Set
	for _, folders := range [][]string{composed, decomposed} {
		files := map[string][]byte{}
		for i, folder := range folders {
			files[folder+"/1.png"] = picture(uint8(i))
		}
		plain := open(t, tree(t, files), data.Train)
		files["classes.txt"] = []byte(strings.Join(composed, "\n"))
		listed := open(t, tree(t, files), data.Train)
		as, err := plain.As(composed)
		if err != nil {
			t.Fatal(err)
		}
		sets = append(sets, plain)
		for _, set := range []*data.Set{listed, as} {
			for i := range set.Len() {
				item, err := set.Item(i)
				if err != nil {
					t.Fatal(err)
				}
				if level, _, _, _ := item.Image.At(0, 0).RGBA(); int(level>>8) != set.Label(i) {
					t.Errorf("%q: %s has label %d, expected %d", folders, set.File(i), set.Label(i), level>>8)
				}
			}
		}
	}
	if a, b := contents(t, sets[0]), contents(t, sets[1]); a != b || !slices.Equal(sets[0].Classes(), sets[1].Classes()) {
		t.Errorf("items %s and %s, classes %q and %q", a, b, sets[0].Classes(), sets[1].Classes())
	}
	both := tree(t, map[string][]byte{composed[0] + "/1.png": nil, decomposed[0] + "/1.png": nil})
	if _, err := data.Open(both, data.Train); err == nil || !strings.Contains(err.Error(), "two folders") {
		t.Errorf("%v", err)
	}
}
