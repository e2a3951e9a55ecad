package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/bottlenet/bnc"
	"github.com/bottlenet/bnc/runtime/oip"
)

// serveProcess is bnc serve as a process of its own.
type serveProcess struct {
	bnc.Serving
	command *exec.Cmd
	stderr  *bytes.Buffer // to be read after the end
	done    chan error
}

// startServe serves on free ports until the test ends, and demands exit code 0
// at SIGTERM.
func startServe(t *testing.T, args ...string) *serveProcess {
	t.Helper()
	plugin(t)
	args = append([]string{"serve", "--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0", "--json"}, args...)
	s := &serveProcess{command: bncProcess(t, args...), stderr: &bytes.Buffer{}, done: make(chan error, 1)}
	s.command.Stderr = s.stderr
	stdout, err := s.command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.command.Start(); err != nil {
		t.Fatal(err)
	}
	if err := json.NewDecoder(stdout).Decode(&s.Serving); err != nil {
		s.command.Wait()
		t.Fatalf("bnc %v: %v\n%s", args, err, s.stderr)
	}
	go func() {
		rest, err := io.ReadAll(stdout)
		if len(bytes.TrimSpace(rest)) > 0 {
			t.Errorf("more than one document on stdout: %s", rest)
		}
		if wait := s.command.Wait(); err == nil {
			err = wait
		}
		s.done <- err
	}()
	t.Cleanup(func() {
		s.command.Process.Signal(syscall.SIGTERM)
		select {
		case err := <-s.done:
			if err != nil {
				t.Errorf("bnc serve ended with %v\n%s", err, s.stderr)
			}
		case <-time.After(time.Minute):
			s.command.Process.Kill()
			<-s.done
			t.Errorf("bnc serve does not end\n%s", s.stderr)
		}
	})
	return s
}

// textFile writes a file into a folder of the test.
func textFile(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	write(t, path, []byte(text))
	return path
}

const (
	servedBundle = "../../runtime/testdata/graph-dynamic"
	servedWhole  = "../../runtime/testdata/whole.onnx"
)

// Triton's own client library gets right answers and helpful refusals, over
// HTTP with binary tensors and with JSON, over gRPC, and asynchronously.
func TestServeTritonClient(t *testing.T) {
	s := startServe(t, servedBundle, servedWhole)
	oracle(t, "tritonclient_calls.py", map[string]string{
		"http": s.HTTP, "grpc": s.GRPC, "bundle": servedBundle, "whole": servedWhole,
	}, 150)
}

// grpcurl knows the protocol from the server's reflection alone.
func TestServeGrpcurl(t *testing.T) {
	grpcurl := cached(t, "BNC_GRPCURL", "grpcurl-1.9.3/grpcurl", "make deps-oracle")
	tokens := textFile(t, "tokens", "secret\n")
	s := startServe(t, servedBundle, "--tokens", tokens)
	ask := func(args ...string) (string, error) {
		out, err := exec.Command(grpcurl, append([]string{"-plaintext"}, args...)...).CombinedOutput()
		return string(out), err
	}
	for _, c := range []struct {
		name string
		args []string
		want string
	}{
		{"list", []string{s.GRPC, "list"}, "inference.GRPCInferenceService"},
		{"describe", []string{s.GRPC, "describe", "inference.ModelInferRequest"}, "raw_input_contents"},
		{"ready", []string{s.GRPC, "inference.GRPCInferenceService/ServerReady"}, `"ready": true`},
		{"health", []string{s.GRPC, "grpc.health.v1.Health/Check"}, "SERVING"},
		{"server", []string{s.GRPC, "inference.GRPCInferenceService/ServerMetadata"}, `"name": "bnc"`},
		{"model", []string{"-d", `{"name":"graph-dynamic"}`, s.GRPC, "inference.GRPCInferenceService/ModelMetadata"}, `"bnc_pair"`},
	} {
		out, err := ask(append([]string{"-H", "authorization: Bearer secret"}, c.args...)...)
		if err != nil || !strings.Contains(out, c.want) {
			t.Errorf("%s: %v: %s", c.name, err, out)
		}
	}
	out, err := ask("-H", "authorization: Bearer secret", "-d", `{"model_name":"none"}`, s.GRPC, "inference.GRPCInferenceService/ModelInfer")
	if err == nil || !strings.Contains(out, "NotFound") || !strings.Contains(out, "graph-dynamic") {
		t.Errorf("unknown model: %v: %s", err, out)
	}
	if out, err := ask(s.GRPC, "list"); err == nil || strings.Contains(out, "inference.GRPC") {
		t.Errorf("without a token: %v: %s", err, out)
	}
}

// What is wrong with flags is told before models are loaded, and what is wrong
// with a bundle before anything is served.
func TestServeRefuses(t *testing.T) {
	plugin(t)
	empty := textFile(t, "tokens", "# none\n")
	for _, c := range []struct {
		args []string
		exit int
		want string
	}{
		{nil, exitUsage, "--watch"},
		{[]string{servedBundle, "--http", ":0"}, exitUsage, "--insecure"},
		{[]string{servedBundle, "--grpc", "0.0.0.0:0"}, exitUsage, "--tokens"},
		{[]string{servedBundle, "--http", "", "--grpc", ""}, exitUsage, "nothing to listen on"},
		{[]string{servedBundle, "--tokens", empty}, exitUsage, "holds no token"},
		{[]string{servedBundle, "--tokens", empty + ".none"}, exitUsage, "no such file"},
		{[]string{servedBundle, "--tls-cert", empty}, exitUsage, "key"},
		{[]string{servedBundle, "--client-ca", empty}, exitUsage, "certificate and key"},
		{[]string{servedBundle, servedBundle + "/"}, exitUsage, "both named graph-dynamic"},
		{[]string{servedBundle, "--max-batch", "0"}, exitUsage, "--max-batch 0"},
		{[]string{servedBundle, "--drain", "0s"}, exitUsage, "--drain"},
		{[]string{servedBundle, "--log-format", "xml"}, exitUsage, "xml"},
		{[]string{servedBundle, "--log-level", "loud"}, exitUsage, "loud"},
		{[]string{servedBundle, "--ep", "abacus"}, exitUsage, "abacus"},
		{[]string{"no-such-bundle"}, exitUnusable, "no-such-bundle"},
		{[]string{empty}, exitUnusable, "tokens"},
		{[]string{servedBundle, "--watch", "no-such-folder"}, exitUnusable, "no-such-folder"},
	} {
		args := append([]string{"serve", "--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0"}, c.args...)
		var stdout, stderr bytes.Buffer
		if code := run(t.Context(), args, &stdout, &stderr); code != c.exit || !strings.Contains(stderr.String(), c.want) || stdout.Len() > 0 {
			t.Errorf("%q: exit code %d, expected %d: %s%s", c.args, code, c.exit, &stdout, &stderr)
		}
	}
}

// A changed file of tokens counts from SIGHUP on; the log can be JSON.
func TestServeReload(t *testing.T) {
	tokens := textFile(t, "tokens", "first\n")
	s := startServe(t, servedWhole, "--tokens", tokens, "--log-format", "json")
	status := func(token string) int {
		r, err := http.NewRequest("GET", "http://"+s.HTTP+"/v2", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+token)
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		return response.StatusCode
	}
	if status("first") != 200 || status("second") != 401 {
		t.Error("the first token is not the only one")
	}
	write(t, tokens, []byte("second\n"))
	if err := s.command.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(time.Minute); status("second") != 200; {
		if time.Now().After(deadline) {
			t.Fatal("the second token is not taken")
		}
	}
	if status("first") != 401 {
		t.Error("the first token is still taken")
	}
	s.command.Process.Signal(syscall.SIGTERM)
	s.done <- <-s.done // the process has ended, its log is complete
	for line := range strings.Lines(s.stderr.String()) {
		if !json.Valid([]byte(line)) {
			t.Errorf("a line of the log is no JSON: %s", line)
		}
	}
	if !strings.Contains(s.stderr.String(), filepath.Base(tokens)) {
		t.Errorf("the log does not tell that tokens were read again: %s", s.stderr)
	}
}

// While a model loads, here from a FIFO that nobody writes to yet, the server is
// alive and not ready, and SIGHUP does not end it.
func TestServeWhileLoading(t *testing.T) {
	plugin(t)
	bundle := filepath.Join(t.TempDir(), "bundle")
	if err := os.CopyFS(bundle, os.DirFS(servedBundle)); err != nil {
		t.Fatal(err)
	}
	fifo := filepath.Join(bundle, "mobile.onnx")
	if err := errors.Join(os.Remove(fifo), syscall.Mkfifo(fifo, 0o600)); err != nil {
		t.Fatal(err)
	}
	c := bncProcess(t, "serve", servedWhole, bundle, "--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0", "--log-format", "json")
	stderr, err := c.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	kill := time.AfterFunc(time.Minute, func() { c.Process.Kill() })
	defer kill.Stop()
	log := json.NewDecoder(stderr)
	// entry returns the next line of the log with that message.
	entry := func(message string) (line struct{ Msg, HTTP, GRPC, Error string }) {
		for line.Msg != message {
			if err := log.Decode(&line); err != nil {
				t.Fatalf("no line %q: %v", message, err)
			}
		}
		return line
	}
	address := entry("listening")
	check := func(when string) {
		for path, want := range map[string]int{
			"/v2/health/live": 200, "/v2/health/ready": 503, "/v2/models/bundle": 503, "/v2/models/bundle/ready": 503,
		} {
			response, err := http.Get("http://" + address.HTTP + path)
			if err != nil {
				t.Fatalf("%s: %v", when, err)
			}
			response.Body.Close()
			if response.StatusCode != want {
				t.Errorf("%s: %s: status %d, expected %d", when, path, response.StatusCode, want)
			}
		}
		remote, err := oip.Dial("grpc://"+address.GRPC, oip.DialOptions{})
		if err != nil {
			t.Fatal(err)
		}
		defer remote.Close()
		if err := remote.Live(t.Context()); err != nil {
			t.Errorf("%s: %v", when, err)
		}
		if err := remote.Ready(t.Context()); oip.CauseOf(err) != oip.Unavailable {
			t.Errorf("%s: ready: %v", when, err)
		}
	}
	check("at first")
	if err := c.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	check("after SIGHUP")
	writer, err := os.OpenFile(fifo, os.O_WRONLY, 0) // lets the model be read, which is none
	if err != nil {
		t.Fatal(err)
	}
	writer.Close()
	rest, err := io.ReadAll(io.MultiReader(log.Buffered(), stderr))
	if err != nil {
		t.Fatal(err)
	}
	c.Wait()
	if code := c.ProcessState.ExitCode(); code != exitUnusable || !strings.Contains(string(rest), "mobile.onnx") {
		t.Errorf("exit code %d: %s", code, rest)
	}
}
