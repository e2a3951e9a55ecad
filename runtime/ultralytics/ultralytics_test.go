package ultralytics

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/bottlenet/bnc/internal/rttest"
	"github.com/bottlenet/bnc/runtime/imagein"
)

// literals are texts that Python's ast.literal_eval reads, or refuses.
var literals = []string{
	`{0: 'person', 1: "bicycle's", 2: 'traffic light'}`, `{}`, `[]`, `()`, `(1,)`, `(1)`, `((1))`, `[640, 640]`, `[1, 2,]`, `32`, `-7`, `+3`, `1_000`, `007`, `0`, `1.5e3`, `-.5`, `1e400`, `5.`,
	`True`, `[None, False]`, `{'a': {'b': [1, (2, 3)]}, 'c': -1.25}`, `'tab\tnew\nline\\ \' \" \q \x41\u00e9\U0001f600'`, `'é ☃'`, `'a' 'b' "c"`, `  [ 1 , 'x' ]  `, "{0:\n'x'}", `''`,
	`[1 2]`, `[1, 2`, `{1: }`, `{1}`, `'open`, `"mixed'`, `__import__('os')`, `nan`, `inf`, `1 + 2`, `[,]`, `(,)`, `{,}`, `'\x4'`, `true`, ``, `1,2`, `'a`, `[[[]]`, `{1: 2} x`, `0x10`, `b'x'`, `--1`,
}

// What is read is what Python reads. Some that Python takes are refused: numbers in other
// notations and beyond float64, sets, bytes, tuples without brackets.
func TestLiteralsAgainstPython(t *testing.T) {
	in, err := json.Marshal(literals)
	if err != nil {
		t.Fatal(err)
	}
	out := rttest.Python(t, `
import ast, json, sys
def plain(v):
    if isinstance(v, dict): return {"dict": [[plain(k), plain(x)] for k, x in v.items()]}
    if isinstance(v, (list, tuple)): return [plain(x) for x in v]
    if isinstance(v, (set, bytes, complex)): raise ValueError
    if isinstance(v, float): return {"float": repr(v)}
    return v
got = []
for text in json.loads(sys.argv[1]):
    try:
        got.append({"value": plain(ast.literal_eval(text.strip()))})
    except (ValueError, SyntaxError):
        got.append({})
print(json.dumps(got))
`, string(in))
	var want []map[string]any
	if err := json.Unmarshal(out, &want); err != nil {
		t.Fatal(err)
	}
	taken := 0
	for i, text := range literals {
		v, err := literal(text)
		if err != nil {
			if _, ok := want[i]["value"]; ok && !strings.ContainsAny(text, "_,x+.4") {
				t.Errorf("%q: %v, Python reads %v", text, err, want[i]["value"])
			}
			continue
		}
		taken++
		expected, ok := want[i]["value"]
		if !ok {
			if text != "007" { // Python wants no zeros in front
				t.Errorf("%q is read as %v, Python refuses it", text, v)
			}
			continue
		}
		if got := plain(v); fmt.Sprint(got) != fmt.Sprint(floats(expected)) {
			t.Errorf("%q is read as %v, Python reads %v", text, got, floats(expected))
		}
	}
	if taken < 27 {
		t.Errorf("only %d of %d literals are read", taken, len(literals))
	}
}

// plain brings what is read into the form of JSON.
func plain(v any) any {
	switch v := v.(type) {
	case []entry:
		pairs := []any{}
		for _, e := range v {
			pairs = append(pairs, []any{plain(e.key), plain(e.value)})
		}
		return map[string]any{"dict": pairs}
	case []any:
		list := []any{}
		for _, x := range v {
			list = append(list, plain(x))
		}
		return list
	case int64:
		return float64(v)
	}
	return v
}

// floats replaces Python's floating-point numbers by their values.
func floats(v any) any {
	switch v := v.(type) {
	case map[string]any:
		if text, ok := v["float"].(string); ok {
			var f float64
			fmt.Sscan(text, &f)
			return f
		}
		for k := range v {
			v[k] = floats(v[k])
		}
	case []any:
		for i := range v {
			v[i] = floats(v[i])
		}
	}
	return v
}

func TestRead(t *testing.T) {
	three := func(fit string, resize int, crop [2]int) imagein.Preprocess {
		return imagein.Preprocess{Color: imagein.RGB, Fit: fit, Resize: resize, Crop: crop, Orient: true, Scale: 1.0 / 255, Mean: []float64{0, 0, 0}, Std: []float64{1, 1, 1}}
	}
	gray := three(imagein.FitLetterbox, 0, [2]int{32, 32})
	gray.Color, gray.Mean, gray.Std = imagein.Gray, []float64{0}, []float64{1}
	for name, x := range map[string]struct {
		props map[string]string
		want  Said
	}{
		"v8":        {map[string]string{"task": "detect", "names": "{0: 'person', 1: 'bicycle'}", "imgsz": "[480, 640]", "stride": "32", "batch": "1", "author": "Ultralytics"}, Said{three(imagein.FitLetterbox, 0, [2]int{480, 640}), []string{"person", "bicycle"}, "detect"}},
		"v5":        {map[string]string{"names": "['a', 'b']", "stride": "32"}, Said{three(imagein.FitLetterbox, 0, [2]int{}), []string{"a", "b"}, ""}},
		"classes":   {map[string]string{"task": "classify", "names": "{0: 'tench'}", "imgsz": "[224, 256]", "stride": "1"}, Said{three("", 224, [2]int{224, 256}), []string{"tench"}, "classify"}},
		"rtdetr":    {map[string]string{"task": "detect", "names": "{0: 'x'}", "imgsz": "640", "description": "Ultralytics rtdetr-l model trained on coco.yaml"}, Said{three(imagein.FitStretch, 0, [2]int{640, 640}), []string{"x"}, "detect"}},
		"grey":      {map[string]string{"task": "pose", "names": "{0: 'x'}", "imgsz": "(32, 32)", "channels": "1"}, Said{gray, []string{"x"}, "detect"}},
		"a gap":     {map[string]string{"task": "obb", "names": "{0: 'x', 2: 'z'}", "imgsz": "[bad"}, Said{three(imagein.FitLetterbox, 0, [2]int{}), []string{"x", "", "z"}, "detect"}},
		"too large": {map[string]string{"task": "segment", "names": "{0: 'x'}", "imgsz": "[99999999, 1]"}, Said{three(imagein.FitLetterbox, 0, [2]int{}), []string{"x"}, "detect"}},
	} {
		if said, ok := Read(x.props); !ok || !reflect.DeepEqual(said, x.want) {
			t.Errorf("%s: %+v, %t, expected %+v", name, said, ok, x.want)
		}
	}
	for name, props := range map[string]map[string]string{
		"nothing":      nil,
		"another task": {"task": "forecast", "names": "{0: 'x'}", "stride": "32"},
		"no labels":    {"task": "detect", "stride": "32"},
		"names only":   {"names": "{0: 'x'}"},
		"far apart":    {"task": "detect", "names": "{0: 'x', 4000000000: 'y'}"},
		"negative":     {"task": "detect", "names": "{-1: 'x'}"},
		"numbers":      {"task": "detect", "names": "{0: 1}"},
		"code":         {"task": "detect", "names": "__import__('os').system('true')"},
		"deep":         {"task": "detect", "names": strings.Repeat("[", 1<<20)},
		"long":         {"task": "detect", "names": "['" + strings.Repeat("x", maxText) + "']"},
	} {
		if said, ok := Read(props); ok {
			t.Errorf("%s is read as %+v", name, said)
		}
	}
}

// Nothing that a file says is a fault; what is read can be said again.
func FuzzLiteral(f *testing.F) {
	for _, text := range literals {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		v, err := literal(text)
		if err != nil {
			return
		}
		Read(map[string]string{"names": text, "imgsz": text, "stride": text, "channels": text, "task": "detect"})
		again, err := literal(said(v))
		if err != nil || fmt.Sprint(plain(again)) != fmt.Sprint(plain(v)) {
			t.Errorf("%q is %v, and said again %v (%v)", text, v, again, err)
		}
	})
}

// said is a value as a literal.
func said(v any) string {
	switch v := v.(type) {
	case []entry:
		var parts []string
		for _, e := range v {
			parts = append(parts, said(e.key)+": "+said(e.value))
		}
		return "{" + strings.Join(parts, ", ") + "}"
	case []any:
		var parts []string
		for _, x := range v {
			parts = append(parts, said(x))
		}
		return "[" + strings.Join(parts, ",") + "]"
	case string:
		return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`, "\n", `\n`).Replace(v) + "'"
	case bool:
		return map[bool]string{true: "True", false: "False"}[v]
	case nil:
		return "None"
	}
	return fmt.Sprint(v)
}
