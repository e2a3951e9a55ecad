package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/bottlenet/bnc"
	"github.com/bottlenet/bnc/runtime/bundle"
	"github.com/bottlenet/bnc/runtime/oip"
	"github.com/bottlenet/bnc/runtime/predict"
	"github.com/bottlenet/bnc/runtime/tensor"
)

// startTriton serves the cloud halves of bundles in a real Triton server on the
// loopback interface, with payloads of rank 1 or 2, and returns its URLs.
func startTriton(t *testing.T, rank int, bundles ...string) []string {
	t.Helper()
	args := []string{plugin(t), strconv.Itoa(rank)}
	for _, dir := range bundles {
		args = append(args, filepath.Join(dir, bundle.CloudFile))
	}
	urls, _ := startTritonProgram(t, "pytriton_server.py", args...)
	return urls
}

// startTritonProgram starts a program of testdata which runs a Triton server. It returns
// the server's URLs and what it prints.
func startTritonProgram(t *testing.T, program string, args ...string) (urls []string, log *tail) {
	t.Helper()
	python := cached(t, "BNC_PYTRITON_PYTHON", "pytriton/bin/python", "make deps-oracle")
	args = append([]string{"-B", filepath.Join("testdata", program)}, args...)
	ports := freePorts(t, 3)
	for _, port := range ports {
		args = append(args, strconv.Itoa(port))
	}
	c := exec.Command(python, args...)
	// A group of its own: a server that outlives its parent is found by it.
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	c.Env = append(os.Environ(), "PYTRITON_HOME="+t.TempDir())
	log = &tail{}
	c.Stderr = log
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	// It starts in 6 s, ends in 3 s; a loaded machine takes its time.
	const patience = 90 * time.Second
	kill := time.AfterFunc(patience, func() { syscall.Kill(-c.Process.Pid, syscall.SIGKILL) })
	t.Cleanup(func() {
		kill.Reset(patience)
		c.Process.Signal(os.Interrupt) // the only signal that ends both processes
		err := c.Wait()
		kill.Stop()
		syscall.Kill(-c.Process.Pid, syscall.SIGKILL)
		if err != nil {
			t.Errorf("the Triton server ended with %v\n%s", err, log)
		}
	})
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if lines.Text() == "ready" {
			kill.Stop()
			go io.Copy(io.Discard, out)
			return []string{fmt.Sprintf("http://127.0.0.1:%d", ports[0]), fmt.Sprintf("grpc://127.0.0.1:%d", ports[1])}, log
		}
	}
	t.Fatalf("the Triton server did not start:\n%s", log)
	return nil, nil
}

// tail keeps the end of what a program prints.
type tail struct {
	mu   sync.Mutex
	text []byte
}

func (l *tail) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text = append(l.text, b...)
	l.text = l.text[max(0, len(l.text)-1<<16):]
	return len(b), nil
}

func (l *tail) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return string(l.text)
}

// freePorts returns ports of the loopback interface that nobody listens on, below
// those that the kernel gives to connections going out: one of these may be taken
// again before the server has it.
func freePorts(t *testing.T, n int) []int {
	t.Helper()
	var ports []int
	for len(ports) < n {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", 12000+rand.IntN(20000)))
		if errors.Is(err, syscall.EADDRINUSE) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	return ports
}

// pictures writes n images of 32 x 32 pixels, coloured stripes of random widths.
func pictures(t *testing.T, n int) string {
	t.Helper()
	dir := t.TempDir()
	r := rand.New(rand.NewPCG(3, 4))
	for i := range n {
		img := image.NewRGBA(image.Rect(0, 0, 32, 32))
		for x := range 32 {
			c := color.RGBA{uint8(r.IntN(256)), uint8(r.IntN(256)), uint8(r.IntN(256)), 255}
			for y := range 32 {
				if x > 0 && r.IntN(i+2) > 0 {
					img.Set(x, y, img.At(x-1, y))
				} else {
					img.Set(x, y, c)
				}
			}
		}
		f, err := os.Create(filepath.Join(dir, fmt.Sprintf("%02d.png", i)))
		if err != nil {
			t.Fatal(err)
		}
		if err := png.Encode(f, img); err != nil {
			t.Fatal(err)
		}
		f.Close()
	}
	return dir
}

// results runs bnc run --jsonl, and returns what it prints beside the results.
func results(t *testing.T, args ...string) (list []predict.Result, said string) {
	t.Helper()
	out, said, code := tryBnc(t, append([]string{"run", "--jsonl", "--top", "10"}, args...)...)
	if code != exitDone {
		t.Fatalf("bnc run %s: exit code %d\n%s", strings.Join(args, " "), code, said)
	}
	for line := range strings.Lines(out) {
		var r predict.Result
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatal(err)
		}
		list = append(list, r)
	}
	return list, said
}

// TestRunAgainstTriton: bnc run --cloud gets from a real Triton server what both halves
// give in one process, and the joined network at the pair's own rate: with each codec, at
// several rates of a pair of many, with payloads of rank 1 and rank 2.
func TestRunAgainstTriton(t *testing.T) {
	images := pictures(t, 12)
	type pair struct {
		name, flags string
		rates       []string // besides its own
	}
	pairs := []pair{{"rates", "--codec transform --variable-rate", []string{"--rate 20", "--rate 90 --max-bytes 100"}}}
	for _, codec := range bnc.Codecs() {
		pairs = append(pairs, pair{name: codec, flags: "--codec " + codec})
	}
	type way struct {
		dir   string
		flags []string
		local []predict.Result
	}
	var dirs []string
	var ways []way
	for _, p := range pairs {
		dir, _ := exportPair(t, p.name, append(strings.Fields(p.flags), "--c", "4")...)
		own, _ := results(t, dir, images)
		sameResults(t, own, joined(t, dir, images))
		dirs, ways = append(dirs, dir), append(ways, way{dir, nil, own})
		for _, rate := range p.rates {
			flags := strings.Fields(rate)
			local, _ := results(t, append([]string{dir, images}, flags...)...)
			if local[0].PayloadBytes == own[0].PayloadBytes {
				t.Errorf("%s takes %d bytes, as the pair's own rate does", rate, own[0].PayloadBytes)
			}
			ways = append(ways, way{dir, flags, local})
		}
	}
	for _, rank := range []int{1, 2} {
		t.Run(fmt.Sprintf("rank %d", rank), func(t *testing.T) {
			for _, url := range startTriton(t, rank, dirs...) {
				for _, w := range ways {
					remote, said := runCloud(t, w.dir, images, url, w.flags...)
					sameResults(t, remote, w.local)
					if !strings.Contains(said, "does not say which mobile half") {
						t.Errorf("nothing is said about a model without an identity: %q", said)
					}
				}
				if rank == 1 {
					for _, dir := range dirs {
						refusals(t, dir, url)
					}
				}
			}
		})
	}
}

// joined runs a pair's joined network, and has from it the bytes that would cross.
func joined(t *testing.T, dir, images string) []predict.Result {
	t.Helper()
	list, _ := results(t, filepath.Join(dir, "bottlenet.onnx"), images)
	for i := range list {
		var sizes []int
		if err := json.Unmarshal(list[i].Told[len(list[i].Told)-1].Values, &sizes); err != nil || len(sizes) != 1 {
			t.Fatalf("%s: the joined network's last output is %+v, expected the bytes of one payload", dir, list[i].Told)
		}
		list[i].PayloadBytes = sizes[0]
	}
	return list
}

// runCloud runs images against a server, four at a time, so that it has requests
// to join.
func runCloud(t *testing.T, dir, images, url string, flags ...string) (list []predict.Result, said string) {
	t.Helper()
	return results(t, append([]string{dir, images, "--cloud", url, "--fallback=false", "--inflight", "4", "--deadline", "30s"}, flags...)...)
}

// sameResults compares results of both halves with those of others that run here.
func sameResults(t *testing.T, remote, local []predict.Result) {
	t.Helper()
	if len(remote) != len(local) || len(local) < 2 {
		t.Fatalf("%d results, expected %d", len(remote), len(local))
	}
	// Another batch size sums in another order: float32, scores up to 1.
	const tolerance = 1e-5
	if local[0].Top[0].Score-local[1].Top[0].Score < 10*tolerance && local[1].Top[0].Score-local[0].Top[0].Score < 10*tolerance {
		t.Fatal("the images give the same scores: nothing would be shown")
	}
	for i, r := range remote {
		if r.Input != local[i].Input || r.Where != "split" || r.PayloadBytes != local[i].PayloadBytes {
			t.Errorf("%s where %q with %d bytes, expected %s with %d", r.Input, r.Where, r.PayloadBytes, local[i].Input, local[i].PayloadBytes)
		}
		if want := local[i].Rate; want != nil && (r.Rate == nil || *r.Rate != *want) {
			t.Errorf("%s at another rate than %d", r.Input, *want)
		}
		scores := map[int]float64{}
		for _, class := range r.Top {
			scores[class.Class] = class.Score
		}
		for _, class := range local[i].Top {
			if d := scores[class.Class] - class.Score; d > tolerance || d < -tolerance {
				t.Errorf("%s: class %d has %g, expected %g", r.Input, class.Class, scores[class.Class], class.Score)
			}
		}
	}
}

// refusals: the errors of a server that takes payloads of rank 1 arrive as the
// protocol's.
func refusals(t *testing.T, dir, url string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	remote, err := oip.Dial(url, oip.DialOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer remote.Close()
	payload := records(t, dir, 0)[1]
	for _, c := range []struct {
		name  string
		model string
		value *tensor.Tensor
		cause oip.Cause
	}{
		{"another model", "nobody", payloadTensor(payload), oip.NotFound},
		{"another rank", filepath.Base(dir), tensor.Of([]int64{1, int64(len(payload))}, payload), oip.Invalid},
		{"another type", filepath.Base(dir), tensor.Of([]int64{2}, []float32{1, 2}), oip.Invalid},
		{"a payload cut short", filepath.Base(dir), payloadTensor(payload[:len(payload)-3]), oip.Internal},
	} {
		_, err := remote.Infer(ctx, &oip.Request{Model: c.model, Inputs: []oip.Tensor{{Name: "payload", Value: c.value}}})
		if err == nil || oip.CauseOf(err) != c.cause {
			t.Errorf("%s from %s: %s: cause %v, expected %v: %v", filepath.Base(dir), url, c.name, oip.CauseOf(err), c.cause, err)
		}
	}
}
