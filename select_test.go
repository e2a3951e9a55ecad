package bnc

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
			request, err := SelectOptions{Profiles: []string{"paper"}, Results: results, MaxLoss: limit}.request()
			if err != nil || *request.Limits.LossPoints != want {
				t.Errorf("select, %s: %v, %v", settings, request.Limits.LossPoints, err)
			}
			input, err := ReportOptions{Profiles: []string{"paper"}, Results: results, MaxLoss: limit}.input(t.Context())
			if err != nil || *input.Limits.LossPoints != want {
				t.Errorf("report, %s: %v, %v", settings, input.Limits.LossPoints, err)
			}
		}
	}
}
