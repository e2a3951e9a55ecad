package main

import (
	"context"
	"encoding/json"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/bottlenet/bnc/runtime/oip"
	"github.com/bottlenet/bnc/runtime/tensor"
)

// TestExportedRepositoryInTriton: a Triton server loads the repository as it is
// (its core reads the configuration, runs the warm-up, joins requests), and
// bnc run gets from it what both halves give in one process.
func TestExportedRepositoryInTriton(t *testing.T) {
	images := pictures(t, 12)
	repo := filepath.Join(t.TempDir(), "repo")
	joined, _ := exportPair(t, "joined", "--c", "4")
	single, _ := exportPair(t, "single", "--c", "4")
	host, _ := exportPair(t, "host", "--c", "4", "--codec-at", "host")
	plain, source := exportPair(t, "plain", "--plain")
	plugin(t)
	mustBnc(t, "export", "triton", joined, host, plain, source, "-o", repo, "--mounted-at", repo, "--max-batch", "5", "--max-delay", "20ms")
	mustBnc(t, "export", "triton", single, "-o", repo, "--mounted-at", repo, "--max-batch", "1")
	urls, log := startTritonProgram(t, "triton_server.py", repo)

	for _, dir := range []string{joined, single, host, plain} {
		local := results(t, dir, images)
		for i := range local {
			if dir == host {
				local[i].PayloadBytes = 32*32 + 2*4 // tile and range cross
			}
		}
		for _, url := range urls {
			sameResults(t, runCloud(t, dir, images, url), local)
		}
	}
	// Warm-up runs a full batch; so do requests that come at the same time.
	if n := strings.Count(log.String(), "joined"); n < 5 {
		t.Errorf("%d batches of more than one request", n)
	}

	answer, err := http.Get(urls[0] + "/v2/models/joined/config")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	var config struct {
		Parameters map[string]struct {
			Value string `json:"string_value"`
		}
	}
	if err := json.NewDecoder(answer.Body).Decode(&config); err != nil {
		t.Fatal(err)
	}
	if got, want := config.Parameters["bnc_pair"].Value, pairMeta(t, joined).Pair; got != want {
		t.Errorf("the server says bnc_pair is %q, expected %q", got, want)
	}

	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	two := join(records(t, joined, 0)...)
	for _, url := range urls {
		remote, err := oip.Dial(url, oip.DialOptions{})
		if err != nil {
			t.Fatal(err)
		}
		defer remote.Close()
		ask := func(model string, shape ...int64) (*oip.Response, error) {
			return remote.Infer(ctx, &oip.Request{Model: model, Inputs: []oip.Tensor{{Name: "payload", Value: tensor.Of(shape, two)}}})
		}
		if _, err := ask("joined", 1, int64(len(two))); err == nil || !strings.Contains(err.Error(), "one_record_a_request") {
			t.Errorf("%s: two images in a request of the joining model: %v", url, err)
		}
		response, err := ask("single", int64(len(two)))
		if err != nil {
			t.Errorf("%s: two images in a request of the other: %v", url, err)
		} else if out := response.Output("output"); out == nil || len(out.Shape) != 2 || out.Shape[0] != 2 {
			t.Errorf("%s: two images gave %v", url, out)
		}
	}
}
