package fault

import (
	"bytes"
	"encoding/json"
	"testing"
)

func TestJSON(t *testing.T) {
	for text, want := range map[string]string{
		`{"name": 7}`:         "name: expected a string, found JSON's number",
		`{"box": {"n": "x"}}`: "box.n: expected a number that fits, found JSON's string",
		`{"ids": {}}`:         "ids: expected a list, found JSON's object",
		`{"deep": "x"}`:       "deep: expected true or false, found JSON's string",
		`[]`:                  "expected an object, found JSON's array",
		`garbage`:             "expected JSON: invalid character 'g' looking for beginning of value",
		`{"other": 1}`:        `unknown field "other"`,
		`{`:                   "unexpected EOF",
	} {
		var to struct {
			Name string `json:"name"`
			Box  struct {
				N int `json:"n"`
			} `json:"box"`
			IDs  []int `json:"ids"`
			Deep bool  `json:"deep"`
		}
		in := json.NewDecoder(bytes.NewReader([]byte(text)))
		in.DisallowUnknownFields()
		if err := JSON(in.Decode(&to)); err.Error() != want {
			t.Errorf("%s: %v, expected %s", text, err, want)
		}
	}
}
