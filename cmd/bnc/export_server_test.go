package main

import (
	"context"
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
	coded, _ := exportPair(t, "coded", "--c", "4", "--codec", "transform", "--variable-rate")
	codedHost, _ := exportPair(t, "coded-host", "--c", "4", "--codec", "transform", "--codec-at", "host")
	plain, source := exportPair(t, "plain", "--plain")
	plugin(t)
	mustBnc(t, "export", "triton", joined, host, coded, codedHost, plain, source, "-o", repo, "--mounted-at", repo, "--max-batch", "5", "--max-delay", "20ms")
	mustBnc(t, "export", "triton", single, "-o", repo, "--mounted-at", repo, "--max-batch", "1")
	urls, log := startTritonProgram(t, "triton_server.py", repo)

	for _, dir := range []string{joined, single, host, coded, codedHost, plain} {
		local, _ := results(t, dir, images)
		for i := range local {
			if dir == host || dir == codedHost {
				local[i].PayloadBytes = 32*32 + 2*4 // tile and range cross
			}
		}
		for _, url := range urls {
			remote, said := runCloud(t, dir, images, url)
			sameResults(t, remote, local)
			if said != "" {
				t.Errorf("%s from %s: %s", dir, url, said)
			}
		}
	}
	// Warm-up runs a full batch; so do requests that come at the same time.
	if n := strings.Count(log.String(), "joined"); n < 5 {
		t.Errorf("%d batches of more than one request", n)
	}

	otherPair(t, joined, images, urls)

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

// otherPair: the identity in the repository reaches the client, whichever way it
// asks: a bundle of another split is refused before an image is sent.
func otherPair(t *testing.T, dir, images string, urls []string) {
	t.Helper()
	other, _ := exportPair(t, filepath.Base(dir), "--c", "4", "--seed", "7")
	want := pairMeta(t, dir).Pair
	if want == "" || pairMeta(t, other).Pair == want {
		t.Fatalf("both bundles have the pair %q", want)
	}
	for _, url := range urls {
		stdout, stderr, code := tryBnc(t, "run", other, images, "--cloud", url, "--deadline", "30s")
		if code != exitUnusable || stdout != "" || !strings.Contains(stderr, want) || !strings.Contains(stderr, pairMeta(t, other).Pair) {
			t.Errorf("%s: a bundle of another split: exit code %d\n%s%s", url, code, stdout, stderr)
		}
	}
}
