package plan

import (
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
