package main

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"hash/crc32"
	"image"
	"image/png"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/bottlenet/bnc/compiler/onnxpb"
	"github.com/bottlenet/bnc/runtime/model"
	"google.golang.org/protobuf/proto"
)

// turnedPNG is a picture as a PNG file that says orientation 6: to be turned by 90
// degrees clockwise.
func turnedPNG(t *testing.T, img image.Image) []byte {
	t.Helper()
	var file bytes.Buffer
	if err := png.Encode(&file, img); err != nil {
		t.Fatal(err)
	}
	const head = 8 + 25 // signature and IHDR, behind which other chunks may come
	exif := []byte("eXIfMM\x00\x2a\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00\x06\x00\x00\x00\x00\x00\x00")
	chunk := binary.BigEndian.AppendUint32(nil, uint32(len(exif)-4))
	chunk = binary.BigEndian.AppendUint32(append(chunk, exif...), crc32.ChecksumIEEE(exif))
	return bytes.Join([][]byte{file.Bytes()[:head], chunk, file.Bytes()[head:]}, nil)
}

// TestOrientedPhotographs: a photograph that its file turns has the upright one's result;
// --orient=false and models whose metadata do not mention orientations take it as the
// file holds it. New bundles say what they do.
func TestOrientedPhotographs(t *testing.T) {
	net := stripeModel(t)
	dir := t.TempDir()
	raw, upright := image.NewGray(image.Rect(0, 0, 28, 28)), image.NewGray(image.Rect(0, 0, 28, 28))
	for y := range 28 {
		for x := range 28 {
			v := uint8(9*y + x*x/9)
			raw.Pix[y*28+x], upright.Pix[x*28+27-y] = v, v
		}
	}
	for name, img := range map[string]image.Image{"raw.png": raw, "upright.png": upright} {
		var file bytes.Buffer
		if err := png.Encode(&file, img); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, name), file.Bytes())
	}
	write(t, filepath.Join(dir, "turned.png"), turnedPNG(t, raw))
	top := func(net, name string, flags ...string) any {
		return document(t, append([]string{"run", net, filepath.Join(dir, name)}, flags...)...)["results"].([]any)[0].(map[string]any)["top"]
	}
	flat, standing := top(net, "raw.png"), top(net, "upright.png")
	if reflect.DeepEqual(flat, standing) {
		t.Fatal("the model takes both pictures for the same")
	}
	// An old model says all but orientations.
	b, err := os.ReadFile(net)
	if err != nil {
		t.Fatal(err)
	}
	var pb onnxpb.ModelProto
	if err := proto.Unmarshal(b, &pb); err != nil {
		t.Fatal(err)
	}
	said := func(preprocess string) string {
		pb.MetadataProps = []*onnxpb.StringStringEntryProto{{Key: proto.String("bnc.preprocess"), Value: &preprocess}}
		b, err := proto.Marshal(&pb)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), "net.onnx")
		write(t, path, b)
		return path
	}
	const old = `{"color":"gray","resize":0,"crop":[28,28],"scale":0.00392156862745098,"mean":[0],"std":[1]}`
	for _, c := range []struct {
		what, net string
		flags     []string
		want      any
	}{
		{"the default", net, nil, standing},
		{"--orient=false", net, []string{"--orient=false"}, flat},
		{"an old model", said(old), nil, flat},
		{"an old model with --orient", said(old), []string{"--orient"}, standing},
		{"a model that says so", said(strings.Replace(old, "{", `{"orient":true,`, 1)), nil, standing},
	} {
		if got := top(c.net, "turned.png", c.flags...); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %v, expected %v", c.what, got, c.want)
		}
	}
	good, _, _ := damagedSets(t)
	for flag, want := range map[string]bool{"--orient=true": true, "--orient=false": false, "--seed=1": true} {
		out := filepath.Join(t.TempDir(), "b")
		mustBnc(t, "split", net, "--after", "r", "--c", "1", "--s", "1", "--calib", good, "-o", out, flag)
		head, err := model.ReadFile(filepath.Join(out, "mobile.onnx"))
		if err != nil {
			t.Fatal(err)
		}
		var said struct{ Orient *bool }
		if err := json.Unmarshal([]byte(head.Metadata["bnc.preprocess"]), &said); err != nil || said.Orient == nil || *said.Orient != want {
			t.Errorf("%s: the bundle says %v (%v)", flag, said.Orient, err)
		}
	}
}

// TestLabelsOfOtherSystems: names are those of classes whatever editor and file system
// wrote them.
func TestLabelsOfOtherSystems(t *testing.T) {
	model := stripeModel(t)
	good, _, torn := damagedSets(t)
	composed := []string{"\u00e4pfel", "z\u00f9", "\u72ac"}
	decomposed := []string{"a\u0308pfel", "zu\u0300", "\u72ac"}
	var lists []string
	for i := range 10 {
		name := string(rune('a' + i))
		if i < 3 {
			name = composed[2-i] // not in the folders' order
		}
		lists = append(lists, name)
	}
	dir := filepath.Dir(good)
	wide := []byte{0xff, 0xfe}
	for _, r := range strings.Join(lists, "\r\n") {
		wide = binary.LittleEndian.AppendUint16(wide, uint16(r))
	}
	files := map[string][]byte{
		"plain.txt": []byte(strings.Join(lists, "\n")), "blank.txt": []byte(strings.Join(lists, "\n") + "\n\n"),
		"mark.txt": []byte("\ufeff" + strings.Join(lists, "\n") + "\n"), "wide.txt": wide,
	}
	sets := []string{filepath.Join(dir, "composed"), filepath.Join(dir, "decomposed")}
	for k, names := range [][]string{composed, decomposed} {
		for i, name := range names {
			if err := os.MkdirAll(sets[k], 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.CopyFS(filepath.Join(sets[k], name), os.DirFS(filepath.Join(good, string(rune('0'+i))))); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, content := range files {
		write(t, filepath.Join(dir, name), content)
	}
	want := document(t, "eval", model, "--data", sets[0], "--labels", filepath.Join(dir, "plain.txt"))
	for name := range files {
		labels := filepath.Join(dir, name)
		for _, set := range sets {
			if got := document(t, "eval", model, "--data", set, "--labels", labels); !reflect.DeepEqual(got, want) {
				t.Errorf("%s, %s: %v, expected %v", name, set, got, want)
			}
		}
		out := mustBnc(t, "run", model, filepath.Join(good, "0"), "--labels", labels, "--json", "--top", "10")
		var doc struct {
			Results []struct{ Top []struct{ Label string } }
		}
		if err := json.Unmarshal([]byte(out), &doc); err != nil {
			t.Fatal(err)
		}
		seen := map[string]bool{}
		for _, c := range doc.Results[0].Top {
			seen[c.Label] = true
		}
		for _, label := range lists {
			if !seen[label] {
				t.Errorf("%s: no class is called %q: %v", name, label, seen)
			}
		}
	}
	latin := filepath.Join(dir, "latin.txt")
	write(t, latin, []byte("\xe4pfel\nzebra\n"))
	for _, args := range []string{"run MODEL " + torn, "eval MODEL --data " + good, "split MODEL --after r --c 1", "train MODEL --data " + good + " -o " + filepath.Join(dir, "t.onnx")} {
		stdout, stderr, code := tryBnc(t, append(strings.Fields(strings.ReplaceAll(args, "MODEL", model)), "--labels", latin)...)
		if code != exitUnusable || stdout != "" || strings.Count(stderr, "--labels") != 1 || !strings.Contains(stderr, "UTF-8") {
			t.Errorf("bnc %s: exit code %d: %s%s", args, code, stdout, stderr)
		}
	}
}
