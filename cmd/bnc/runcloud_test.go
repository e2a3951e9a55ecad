package main

import (
	"context"
	"encoding/json"
	"io"
	"math"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bottlenet/bnc"
	"github.com/bottlenet/bnc/runtime/predict"
)

// cloudSet is a model, bundles of it in one folder, and inputs.
type cloudSet struct {
	model, bundles string
	inputs         []string
}

// bundle returns the path of one of the bundles.
func (c cloudSet) bundle(name string) string { return filepath.Join(c.bundles, name) }

// joined returns the path of the joined network of the pair of many rates.
func (c cloudSet) joined() string { return filepath.Join(c.bundle("net-rb2-rates"), "bottlenet.onnx") }

func (c cloudSet) all() []string {
	return []string{c.bundle("net-rb1"), c.bundle("net-rb2-rates"), c.bundle("net-rb4-host"), c.bundle("net-rb5-coded"), c.bundle("net-rb6-plain"), c.joined(), c.model}
}

func newCloudSet(t *testing.T) cloudSet {
	t.Helper()
	plugin(t)
	c := cloudSet{model: smallModel(t), bundles: filepath.Join(t.TempDir(), "bundles")}
	for name, args := range map[string]string{
		"net-rb1": "--after rb1", "net-rb4-host": "--after rb4 --codec-at host", "net-rb6-plain": "--after rb6 --plain",
		"net-rb2-rates": "--after rb2 --c 2 --codec transform --variable-rate", "net-rb5-coded": "--after rb5 --c 4 --codec transform --codec-at host",
	} {
		mustBnc(t, append([]string{"split", c.model, "-o", c.bundle(name)}, strings.Fields(args)...)...)
	}
	inputs, err := filepath.Glob(filepath.Join(randomSet(t, open(t, c.model).Inputs()[0]), "*.npy"))
	if err != nil {
		t.Fatal(err)
	}
	c.inputs = inputs
	return c
}

// serveHere runs bnc serve in this process until the test ends.
func serveHere(t *testing.T, args ...string) bnc.Serving {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	out, in := io.Pipe()
	code := make(chan int, 1)
	go func() {
		c := run(ctx, append([]string{"serve", "--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0", "--json", "--log-level", "error"}, args...), in, t.Output())
		in.Close()
		code <- c
	}()
	var s bnc.Serving
	if err := json.NewDecoder(out).Decode(&s); err != nil {
		t.Fatalf("bnc serve: %v, exit code %d", err, <-code)
	}
	go io.Copy(io.Discard, out)
	t.Cleanup(func() {
		cancel()
		if c := <-code; c != exitDone {
			t.Errorf("bnc serve ended with exit code %d", c)
		}
	})
	return s
}

// cloudRuns reads the lines of bnc run --jsonl.
func cloudRuns(t *testing.T, args ...string) []predict.Result {
	t.Helper()
	var results []predict.Result
	d := json.NewDecoder(strings.NewReader(mustBnc(t, append([]string{"run", "--jsonl", "--top", "3"}, args...)...)))
	for d.More() {
		var r predict.Result
		if err := d.Decode(&r); err != nil {
			t.Fatal(err)
		}
		results = append(results, r)
	}
	return results
}

// sameTop compares rankings. A server may join images to other batches, for
// which ONNX Runtime chooses other kernels: probabilities of a network in
// float32 differ by less than 1e-4.
func sameTop(t *testing.T, got, want predict.Result) {
	t.Helper()
	if got.Input != want.Input || len(got.Top) != len(want.Top) {
		t.Fatalf("%+v, expected %+v", got, want)
	}
	for i := range want.Top {
		if got.Top[i].Class != want.Top[i].Class || math.Abs(got.Top[i].Score-want.Top[i].Score) > 1e-4 {
			t.Fatalf("%s: %v, expected %v", got.Input, got.Top, want.Top)
		}
	}
}

// TestRunOverAServer compares each way of running with the same bundle run here.
func TestRunOverAServer(t *testing.T) {
	set := newCloudSet(t)
	s := serveHere(t, set.all()...)
	for _, path := range set.all() {
		want := cloudRuns(t, append([]string{path}, set.inputs...)...)
		for scheme, flags := range map[string][]string{
			"http://" + s.HTTP: nil,
			"grpc://" + s.GRPC: {"--inflight", "3", "--link", "50Mbit,1ms", "--fallback=false"},
		} {
			got := cloudRuns(t, slices.Concat([]string{path}, set.inputs, []string{"--cloud", scheme}, flags)...)
			if len(got) != len(want) {
				t.Fatalf("%d results, expected %d", len(got), len(want))
			}
			for i := range want {
				sameTop(t, got[i], want[i])
				where, bytes := "split", want[i].PayloadBytes
				if path == set.model || path == set.joined() {
					where, bytes = "cloud", 4*28*28
				}
				r := got[i]
				if r.Where != where || r.PayloadBytes != bytes || r.CloudMS <= 0 || r.LinkMS <= 0 || r.Fallback != "" {
					t.Errorf("%s over %s: %+v", path, scheme, r)
				}
				// Each is rounded down to microseconds.
				if sum := r.MobileMS + r.LinkMS + r.CloudMS; math.Abs(sum-r.TotalMS) > 0.005 {
					t.Errorf("%s: the parts are %v ms, the total %v", path, sum, r.TotalMS)
				}
			}
		}
	}
	all := cloudRuns(t, append([]string{set.bundles, "--cloud", "http://" + s.HTTP}, set.inputs...)...)
	for i, r := range all {
		if r.Input != set.inputs[i] || r.Where != "split" || !strings.HasPrefix(r.Model, "net-") {
			t.Errorf("a folder of bundles: %+v", r)
		}
	}
	pinned := cloudRuns(t, set.bundles, set.inputs[0], "--cloud", "http://"+s.HTTP, "--cut", "rb6")
	sameTop(t, pinned[0], cloudRuns(t, set.bundle("net-rb6-plain"), set.inputs[0])[0])
	d := document(t, "run", set.bundle("net-rb1"), set.inputs[0], "--cloud", "http://"+s.HTTP)
	hasKeys(t, "run", d["results"].([]any)[0].(map[string]any), "cloud_ms input link_ms mobile_ms outputs payload_bytes task top total_ms where")
}

// TestRunWithoutItsServer finishes on the device, or says that it cannot.
func TestRunWithoutItsServer(t *testing.T) {
	set := newCloudSet(t)
	const nobody = "http://127.0.0.1:1" // tcpmux: nothing listens there
	for _, path := range set.all() {
		want := cloudRuns(t, append([]string{path}, set.inputs...)...)
		for i, r := range cloudRuns(t, append([]string{path, "--cloud", nobody, "--inflight", "2"}, set.inputs...)...) {
			sameTop(t, r, want[i])
			if r.Where != "mobile" || r.Fallback == "" {
				t.Errorf("%+v", r)
			}
		}
	}
	whole := cloudRuns(t, set.model, set.inputs[0])
	for _, path := range []string{set.bundles, set.bundle("net-rb2-rates")} {
		r := cloudRuns(t, path, set.inputs[0], "--cloud", nobody, "--model", set.model)[0]
		if sameTop(t, r, whole[0]); r.Rate != nil {
			t.Errorf("%s: the whole model's result is at rate %d", path, *r.Rate)
		}
	}
	start := time.Now()
	_, stderr, code := tryBnc(t, "run", set.bundle("net-rb1"), set.inputs[0], "--cloud", nobody, "--fallback=false", "--deadline", "300ms")
	if code != exitFailed || !strings.Contains(stderr, "net-rb1") || !strings.Contains(stderr, "tries") {
		t.Errorf("exit code %d, %s", code, stderr)
	}
	if took := time.Since(start); took > 10*time.Second { // loading the mobile half included
		t.Errorf("gave up after %v, the deadline is 300 ms", took)
	}
}

// TestServerKilled kills the server with SIGKILL and starts it again while inputs
// go through: each gets one result, in order, from the server or from here.
func TestServerKilled(t *testing.T) {
	set := newCloudSet(t)
	path := set.bundle("net-rb1")
	want := cloudRuns(t, append([]string{path}, set.inputs...)...)
	address := freeAddress(t)
	server := startServer(t, path, address)
	inputs := slices.Repeat(set.inputs, 625) // 5000
	out, in := io.Pipe()
	code := make(chan int, 1)
	go func() {
		args := append([]string{"run", path, "--cloud", "http://" + address, "--jsonl", "--top", "3", "--inflight", "2"}, inputs...)
		c := run(context.Background(), args, in, t.Output())
		in.Close()
		code <- c
	}()
	// A line that is not read holds the command up, so that what happens depends
	// on results and not on times.
	const enough = 20
	lines, kills, by := json.NewDecoder(out), 0, map[string]int{}
	n := 0
	for ; lines.More(); n++ {
		var r predict.Result
		if err := lines.Decode(&r); err != nil {
			t.Fatal(err)
		}
		if n >= len(inputs) || r.Input != inputs[n] {
			t.Fatalf("result %d is of %s", n, r.Input)
		}
		sameTop(t, r, want[n%len(want)])
		switch by[r.Where]++; {
		case server != nil && by["split"] >= enough:
			kill(t, server)
			server, by = nil, map[string]int{}
			kills++
		case server == nil && by["mobile"] >= enough:
			server, by = startServer(t, path, address), map[string]int{}
		}
	}
	if c := <-code; c != exitDone || n != len(inputs) {
		t.Errorf("exit code %d after %d of %d results", c, n, len(inputs))
	}
	if kills < 2 {
		t.Errorf("the server answered and was killed %d times only, so that it is not shown that the client comes back to it", kills)
	}
}

// freeAddress returns an address of this machine that nothing listens at.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// startServer runs bnc serve as a process of its own, and returns when it is
// ready.
func startServer(t *testing.T, path, address string) *exec.Cmd {
	t.Helper()
	c := bncProcess(t, "serve", path, "--http", address, "--grpc", "", "--json")
	out, err := c.StdoutPipe()
	if err == nil {
		err = c.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Process.Kill() })
	if err := json.NewDecoder(out).Decode(new(bnc.Serving)); err != nil {
		t.Fatalf("bnc serve: %v, %v", err, c.Wait())
	}
	return c
}

func kill(t *testing.T, c *exec.Cmd) {
	t.Helper()
	if err := c.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	c.Wait() // its error is that it was killed
}

// TestRunRefused holds the exit codes of what a server and a client do not
// agree on.
func TestRunRefused(t *testing.T) {
	set := newCloudSet(t)
	dir := t.TempDir()
	token, wrong := filepath.Join(dir, "token"), filepath.Join(dir, "wrong")
	for path, text := range map[string]string{token: "a-long-enough-token\n", wrong: "another-token-than-that\n"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	other := filepath.Join(dir, "net-rb1")
	mustBnc(t, "split", set.model, "--after", "rb1", "--seed", "7", "-o", other)
	mixed := filepath.Join(dir, "mixed")
	second := filepath.Join(dir, "second.onnx")
	mustBnc(t, "models", "resnet20", "--seed", "9", "-o", second)
	mustBnc(t, "split", set.model, "--after", "rb1", "-o", filepath.Join(mixed, "one"))
	mustBnc(t, "split", second, "--after", "rb1", "-o", filepath.Join(mixed, "two"))
	s := serveHere(t, set.bundle("net-rb1"), "--tokens", token)
	cloud := " --cloud http://" + s.HTTP
	for _, c := range []struct {
		args    string
		code    int
		message string
	}{
		{set.bundle("net-rb1") + cloud + " --token " + token, 0, ""},
		{set.bundle("net-rb1") + cloud + " --token " + wrong, 1, "token"},
		{set.bundle("net-rb1") + cloud, 1, "token"},
		{other + cloud + " --token " + token, 3, "not of one split"},
		{set.bundle("net-rb6-plain") + cloud + " --token " + token, 3, "net-rb6-plain"},
		{mixed + cloud + " --token " + token, 3, "different models"},
		{dir + cloud + " --token " + dir + "/nowhere", 3, "nowhere"},
		{set.bundle("net-rb1") + " --token " + token, 2, "--cloud"},
		{set.bundle("net-rb1") + " --cloud ftp://" + s.HTTP, 2, "http://HOST:PORT"},
		{set.bundle("net-rb1") + cloud + " --link 5parsec", 2, "--link"},
		{set.bundle("net-rb1") + cloud + " --inflight 0", 2, "--inflight"},
		{set.bundle("net-rb1") + cloud + " --deadline 0s", 2, "--deadline"},
		{set.bundle("net-rb1") + cloud + " --cert x.pem", 2, "--key"},
		{set.bundles + cloud + " --cut rb9", 2, "net-rb4-host"},
		{set.model + cloud + " --model " + set.model, 2, "whole model"},
		{t.TempDir() + cloud, 3, "folder of bundles"},
	} {
		args := strings.Fields(c.args)
		args = slices.Concat([]string{"run", args[0], set.inputs[0]}, args[1:])
		stdout, stderr, code := tryBnc(t, args...)
		if code != c.code || !strings.Contains(stderr, c.message) || code != 0 && stdout != "" {
			t.Errorf("%s: exit code %d, expected %d\n%s\nexpected %q in it", c.args, code, c.code, stderr, c.message)
		}
	}
	text, err := os.ReadFile(token)
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv(tokenVariable, strings.TrimSpace(string(text)))
	mustBnc(t, append([]string{"run", set.bundle("net-rb1"), set.inputs[0], "--fallback=false"}, strings.Fields(cloud)...)...)
}
