package task

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/bottlenet/bnc/internal/fault"
	"github.com/bottlenet/bnc/runtime/model"
)

// TestOptions: what is asked for goes before what was recorded, and that before a guess,
// which alone is told.
func TestOptions(t *testing.T) {
	for _, test := range []struct {
		asked, recorded string
		told            bool
	}{
		{"", "", true}, {Auto, "", true}, {"", Classify, false}, {Auto, Classify, false}, {Classify, "", false}, {Classify, "older", false},
	} {
		c, err := Options{Task: test.asked}.Open(Model{}, test.recorded)
		if err != nil {
			t.Fatalf("%+v: %v", test, err)
		}
		told := false
		c.Tell(func(string, ...any) { told = true })
		if kind, decoder := c.Recorded(); kind != Classify && test.told == false || decoder != nil || told != test.told {
			t.Errorf("%+v: %s, %v, told %v", test, kind, decoder, told)
		}
	}
	wrong := (*fault.UsageError)(nil)
	if _, err := (Options{Task: "guess"}).Open(Model{}, ""); !errors.As(err, &wrong) || wrong.Option != "task" || !strings.Contains(err.Error(), Classify) {
		t.Errorf("an unknown task: %v", err)
	}
	if _, err := (Options{}).Open(Model{}, "newer"); err == nil || !strings.Contains(err.Error(), Classify) {
		t.Errorf("a task of a later version: %v", err)
	}
}

// TestDecoderOption: a name stands for itself, a file for what it holds.
func TestDecoderOption(t *testing.T) {
	dir := t.TempDir()
	good, bad := filepath.Join(dir, "d.json"), filepath.Join(dir, "bad.json")
	for file, text := range map[string]string{good: `{"boxes": "corners"}`, bad: `["corners"]`} {
		if err := os.WriteFile(file, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	for option, want := range map[string]string{"": `{"name":"old"}`, "yolo": `{"name":"yolo"}`, good: `{"boxes": "corners"}`} {
		m := Model{Decoder: json.RawMessage(`{"name":"old"}`)}
		if err := (Options{Decoder: option}).decode(&m); err != nil || string(m.Decoder) != want {
			t.Errorf("%s: %s, %v", option, m.Decoder, err)
		}
	}
	for _, option := range []string{bad, filepath.Join(dir, "none.json"), filepath.Join(dir, "none"), dir} {
		if err := (Options{Decoder: option}).decode(&Model{}); err == nil || !strings.Contains(err.Error(), "option decoder") {
			t.Errorf("%s: %v", option, err)
		}
	}
	wrong := (*fault.UsageError)(nil)
	for _, o := range []Options{{Decoder: "yulo"}, {Task: Embed, Decoder: "yolo"}} {
		m := Model{Outputs: []model.Port{{Name: "vector", Kind: model.Tensor, Ranked: true, Shape: []model.Dim{{Size: 1}, {Size: 8}}}}}
		if _, err := o.Open(m, ""); !errors.As(err, &wrong) || wrong.Option != "decoder" {
			t.Errorf("%+v: %v", o, err)
		}
	}
}

// TestOutputsOf: a teacher is asked for outputs by their names, for the first one by its own
// first where it has none of that name.
func TestOutputsOf(t *testing.T) {
	m := Model{
		Outputs: []model.Port{{Name: "boxes"}, {Name: "scores"}, {Name: "count"}},
		Ends:    map[string][]End{"scores": {{Kind: EndSigmoid}}},
	}
	all := m.All("")
	if want := []Output{{Name: "boxes", From: "boxes"}, {Name: "scores", From: "scores", End: End{Kind: EndSigmoid}}, {Name: "count", From: "count"}}; !reflect.DeepEqual(all.Judged, want) {
		t.Errorf("%+v", all.Judged)
	}
	if one := m.All("count"); len(one.Judged) != 1 || one.Judged[0].Name != "count" {
		t.Errorf("%+v", one.Judged)
	}
	asked := all.Of(Outputs{Except: []string{"x"}, Judged: []Output{{Name: "b", From: "b"}, {Name: "count", From: "n"}}})
	if want := []Output{{Name: "boxes", From: "b"}, {Name: "count", From: "n"}}; !reflect.DeepEqual(asked.Judged, want) || asked.Except[0] != "x" {
		t.Errorf("%+v", asked)
	}
}
