package bnc

import (
	"encoding/json"
	"errors"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/bottlenet/bnc/runtime/bench"
	"github.com/bottlenet/bnc/runtime/client"
	"github.com/bottlenet/bnc/runtime/oip"
	"github.com/bottlenet/bnc/runtime/search"
)

// TestRemoteUsage: options that cannot be, or that need another, are named before
// anything is opened.
func TestRemoteUsage(t *testing.T) {
	cloud := RemoteOptions{Cloud: "http://127.0.0.1:1"}
	run := func(o ServerOptions) error {
		_, err := Run(t.Context(), "none", []string{"none"}, RunOptions{ServerOptions: o})
		return err
	}
	measure := func(o bench.Options) error {
		_, err := Bench(t.Context(), []string{"none"}, BenchOptions{Options: o})
		return err
	}
	export := func(o TritonOptions) error { _, err := ExportTriton(t.Context(), []string{"none"}, o); return err }
	job := func(o search.JobOptions) error { _, err := ExportJob(search.Kubernetes, "none", o); return err }
	for option, err := range map[string]error{
		"link":      run(ServerOptions{Link: "3g"}),
		"deadline":  run(ServerOptions{Deadline: time.Second}),
		"fallback":  run(ServerOptions{Fallback: new(false)}),
		"token":     run(ServerOptions{RemoteOptions: RemoteOptions{Credentials: oip.Credentials{Token: "t"}}}),
		"inflight":  run(ServerOptions{RemoteOptions: cloud, InFlight: -1}),
		"cert":      run(ServerOptions{RemoteOptions: RemoteOptions{Cloud: cloud.Cloud, Credentials: oip.Credentials{Key: "k"}}}),
		"input":     measure(bench.Options{}),
		"n":         measure(bench.Options{Input: "i", N: -1}),
		"max_batch": Serve(t.Context(), []string{"none"}, ServeOptions{MaxBatch: -1}),
		"max_delay": Serve(t.Context(), []string{"none"}, ServeOptions{MaxDelay: new(-time.Second)}),
		"output":    export(TritonOptions{}),
		"kind":      export(TritonOptions{Repository: filepath.Join(t.TempDir(), "r"), Kind: "tpu"}),
		"name":      job(search.JobOptions{Name: "A B"}),
		"image":     job(search.JobOptions{}),
	} {
		wrong := (*UsageError)(nil)
		if KindOf(err) != Usage || !errors.As(err, &wrong) || wrong.Option != option {
			t.Errorf("%s: %v", option, err)
		}
	}
}

// TestKinds: refusals of a server that are about the model or the data are of their kind,
// those that pass are not.
func TestKinds(t *testing.T) {
	for _, c := range []struct {
		err  error
		kind Kind
	}{
		{oip.Errorf(oip.Mismatch, "x"), Data}, {oip.Errorf(oip.NotFound, "x"), Data}, {oip.Errorf(oip.TooLarge, "x"), Data},
		{oip.Errorf(oip.Unavailable, "x"), Failed}, {oip.Errorf(oip.Unauthenticated, "x"), Failed}, {oip.Errorf(oip.Deadline, "x"), Failed},
		{new(client.MixedError), Data}, {usage("cloud", ": %w", oip.Errorf(oip.Invalid, "x")), Usage}, {errors.New("x"), Failed}, {nil, None},
	} {
		if got := KindOf(c.err); got != c.kind {
			t.Errorf("%#v is of kind %d, expected %d", c.err, got, c.kind)
		}
	}
}

// TestOptionsAreJSON: what options say survives being written as JSON; the names there are
// unique and those of flags.
func TestOptionsAreJSON(t *testing.T) {
	for _, o := range []any{
		&RunOptions{
			Top: 3, ImageOptions: ImageOptions{Labels: "l"},
			ServerOptions: ServerOptions{Deadline: time.Second, Fallback: new(false), RemoteOptions: RemoteOptions{Cloud: "http://h:1", Credentials: oip.Credentials{CA: "ca"}}},
		},
		&BenchOptions{Options: bench.Options{Input: "i", Links: []string{"3g"}, RemoteOptions: RemoteOptions{Cloud: "grpc://h:1"}}},
		&ServeOptions{HTTP: NoAddress, MaxDelay: new(time.Duration), Memory: 1 << 20},
		&TritonOptions{Repository: "r", MaxDelay: new(time.Second)},
		&search.JobOptions{Limit: "1:00:00", Attempts: new(0)},
		&EvalOptions{Data: "d", Quality: []int{1, 2}},
	} {
		text, err := json.Marshal(o)
		if err != nil {
			t.Fatal(err)
		}
		again := reflect.New(reflect.TypeOf(o).Elem()).Interface()
		if err := json.Unmarshal(text, again); err != nil || !reflect.DeepEqual(o, again) {
			t.Errorf("%s\nis read as %+v, %v", text, again, err)
		}
		if strings.ContainsAny(string(text), "ABCDEFGHIJKLMNOPQRSTUVWXYZ") {
			t.Errorf("%s: names are in lower case", text)
		}
	}
}
