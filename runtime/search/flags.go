package search

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Settings is what a plan tells a trainer whose options of trainings are T and of splits S.
type Settings[T, S any] struct {
	Model        string `json:"model_file"`
	Train        T      `json:"train"`
	Split        S      `json:"split"`
	ScreenImages int    `json:"screen_images"`
	CacheBytes   int64  `json:"cache_bytes"`
}

// Upgrade makes options of the flags that the settings are in a plan of FlagsFormat. Other
// plans stay as they are. Plain leaves out of options what says no more than a zero value.
func Upgrade[T, S any](p *Plan, plain func(*T)) error {
	if p.Format != FlagsFormat {
		return nil
	}
	var old Settings[[]string, []string]
	err := json.Unmarshal(p.Settings, &old)
	s := Settings[T, S]{Model: old.Model, ScreenImages: old.ScreenImages, CacheBytes: old.CacheBytes}
	if err = cmp.Or(err, OptionsOfFlags(old.Train, &s.Train), OptionsOfFlags(old.Split, &s.Split)); err != nil {
		return fmt.Errorf("settings: %w", err)
	}
	plain(&s.Train)
	p.Format = PlanFormat
	p.Settings, err = json.Marshal(s)
	return err
}

// textFlags are those whose options are text, whatever it looks like.
var textFlags = []string{"data", "val", "freeze", "loss", "optimizer", "schedule", "random-resized-crop", "random-crop", "flip", "statistics", "layout", "scores", "color", "codec-at"}

// OptionsOfFlags turns --name=value, as a plan of FlagsFormat has them, into options: the fields of a
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
		case name == "rate-weight" && value != "0":
			err = fmt.Errorf("it weighed bits a cell of the tile, and weighs bytes now: plan the search again")
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
