package plan

import (
	"os"
	"path/filepath"
	"testing"
)

// TestMaxLoss: what a choice may lose is what the search's bottlenecks may, unless
// another limit is given.
func TestMaxLoss(t *testing.T) {
	results := filepath.Join(t.TempDir(), "search.json")
	for settings, want := range map[string]float64{`{"max_loss": 7.5}`: 7.5, `{}`: 2, `{"max_loss": "x"}`: 2} {
		text := `{"format": 1, "kind": "search", "model": "m", "source_sha256": "ff", "settings": ` + settings + `, "candidates": []}`
		if err := os.WriteFile(results, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		for _, limit := range []*float64{nil, new(3.0)} {
			if limit != nil {
				want = *limit
			}
			r, err := Options{Sources: Sources{Profiles: []string{"paper"}, Results: results}, Limits: Limits{LossPoints: limit}}.request()
			if err != nil || *r.Limits.LossPoints != want {
				t.Errorf("%s: %v, %v", settings, r.Limits.LossPoints, err)
			}
		}
	}
}
