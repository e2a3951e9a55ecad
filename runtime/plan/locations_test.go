package plan

import (
	"encoding/json"
	"reflect"
	"testing"
)

// TestLocations: places come in the order of the search, also where the first sizes
// of one were screened out.
func TestLocations(t *testing.T) {
	r := Request{Results: &Results{Candidates: []Candidate{
		{Cut: "rb1", C: 1, S: 1, Status: StatusScreened}, {Cut: "rb2", C: 1, S: 1, Status: StatusTrained}, {Cut: "rb3", C: 1, S: 1, Status: StatusSkipped},
		{Cut: "rb1", C: 2, S: 1, Status: StatusTrained}, {Cut: "rb2", C: 2, S: 1, Status: StatusTrained},
	}}}
	var got [][]string
	for _, l := range r.locations() {
		var place []string
		for _, c := range l {
			place = append(place, c.String())
		}
		got = append(got, place)
	}
	if want := [][]string{{"rb1 c=2 s=1"}, {"rb2 c=1 s=1", "rb2 c=2 s=1"}}; !reflect.DeepEqual(got, want) {
		t.Errorf("%q, expected %q", got, want)
	}
}

// TestCodings: what names no codec is JPEG, and stays so when it is written; a candidate is
// taken to need the time of the nearest size, and of its own codec where that is among them.
func TestCodings(t *testing.T) {
	r, err := ParseResults("old", []byte(`{"format": 1, "kind": "search", "baseline": {"top1": 1}, "candidates": [
		{"cut": "rb1", "c": 2, "s": 1, "status": "trained", "top1": 0.9, "loss": 10, "payload_bytes": 9},
		{"index": 1, "cut": "rb1", "c": 2, "s": 1, "codec": "other", "quality": 35, "status": "trained", "top1": 0.99, "loss": 1, "payload_bytes": 8}]}`))
	if err != nil {
		t.Fatal(err)
	}
	p := &Profile{Cuts: []CutProfile{{Cut: "rb1", C: 2, S: 1}, {Cut: "rb1", C: 2, S: 1, Codec: "other"}, {Cut: "rb1", C: 4, S: 1, Codec: "other"}, {Cut: "rb1", C: 8, S: 1}}}
	for i, want := range []struct {
		coding Coding
		name   string
	}{{Coding{Codec: JPEG}, "rb1 c=2 s=1"}, {Coding{"other", 35}, "rb1 c=2 s=1 other q=35"}} {
		c := r.Candidates[i]
		if c.Coding != want.coding || c.String() != want.name {
			t.Errorf("%s has %+v, expected %s with %+v", c, c.Coding, want.name, want.coding)
		}
		b, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		var again Candidate
		if err := json.Unmarshal(b, &again); err != nil || !reflect.DeepEqual(again, c) {
			t.Errorf("%+v, %v, expected %+v", again, err, c)
		}
		if e := p.find(c.Cut, c.Tensor, c.C, c.S, c.Codec); e != &p.Cuts[i] {
			t.Errorf("%s has the times of %s", c, e)
		}
	}
	if e := p.find("rb1", "", 7, 1, "other"); e != &p.Cuts[3] {
		t.Errorf("7 channels have the times of %s", e)
	}
}
