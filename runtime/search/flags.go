package search

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// FlagSettings are the settings in a plan of FlagsFormat: flags of the command line.
type FlagSettings struct {
	Model        string   `json:"model_file"`
	Train        []string `json:"train"`
	Split        []string `json:"split"`
	ScreenImages int      `json:"screen_images"`
	CacheBytes   int64    `json:"cache_bytes"`
}

// textFlags are those whose options are text, whatever it looks like.
var textFlags = []string{"data", "val", "freeze", "loss", "optimizer", "schedule", "random-resized-crop", "random-crop", "flip", "statistics", "layout", "scores", "color", "codec-at"}

// OptionsOfFlags turns --name=value, as in FlagSettings, into options: the fields of a
// struct by their names in JSON.
func OptionsOfFlags(flags []string, options any) error {
	values := map[string]any{}
	inputs := map[string][]int64{}
	for _, f := range flags {
		name, value, ok := strings.Cut(strings.TrimPrefix(f, "--"), "=")
		if !ok {
			return fmt.Errorf("%q: expected --name=value", f)
		}
		var v any = json.RawMessage(value) // a number, true or false
		var err error
		switch {
		case slices.Contains(textFlags, name):
			v = value
		case name == "mean" || name == "std":
			v = json.RawMessage("[" + value + "]")
		case name == "checkpoint-every":
			v, err = time.ParseDuration(value)
		case name == "crop":
			v, err = sizesOf(value)
		case name == "input":
			i := strings.LastIndexByte(value, '=')
			if i < 0 {
				return fmt.Errorf("%q: expected NAME=DIMS", f)
			}
			inputs[value[:i]], err = sizesOf(value[i+1:])
			v = inputs
		}
		if err != nil {
			return fmt.Errorf("%q: %w", f, err)
		}
		values[strings.ReplaceAll(name, "-", "_")] = v
	}
	b, err := json.Marshal(values)
	if err != nil {
		return err
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	return d.Decode(options)
}

// sizesOf reads 224x224 or 224,224.
func sizesOf(text string) (sizes []int64, err error) {
	for _, part := range strings.FieldsFunc(text, func(r rune) bool { return r == 'x' || r == ',' }) {
		n, err := strconv.ParseInt(part, 10, 64)
		if err != nil {
			return nil, err
		}
		sizes = append(sizes, n)
	}
	return sizes, nil
}
