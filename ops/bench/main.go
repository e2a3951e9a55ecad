// Command bench measures the codecs: JPEG's ops inside ONNX Runtime and the Go
// face against bare libjpeg-turbo calls on the same tiles, then the ops of codec
// "transform" beside JPEG's.
//
//	go run ./ops/bench
//
// It needs a C compiler ($CC, default cc) and ONNX Runtime's library
// ($BNC_ORT_LIB, default the one of make deps). The ops are measured from C
// with a session of one node: what they cost in a graph is that minus what the
// session's call itself costs.
package main

import (
	"bytes"
	"cmp"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/bottlenet/bnc/internal/stats"
	"github.com/bottlenet/bnc/ops"
)

const (
	quality = 20
	tiles   = 16 // as in bench.c
)

// The limits: an op costs little beside the codec it wraps.
const (
	smallSide, smallLimit = 28, 2500 // ns more than the bare call
	largeSide, largeLimit = 224, 1.05
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run() error {
	source, err := exec.Command("go", "list", "-f", "{{.Dir}}", "github.com/bottlenet/bnc/ops").Output()
	if err != nil {
		return fmt.Errorf("finding ops: %w", err)
	}
	dir, err := os.MkdirTemp("", "bnc-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	b := bench{source: strings.TrimSpace(string(source)), dir: dir}
	if b.library, err = findLibrary(); err != nil {
		return err
	}
	if err := b.build(); err != nil {
		return err
	}
	fmt.Println("us an image, quality 20: median (fastest) of 41 alternating rounds")
	fmt.Printf("%-8s %-7s %16s %16s %16s  %s\n", "tile", "", "bare", "ONNX Runtime", "Go face", "op against bare")
	for _, side := range []int{smallSide, largeSide} {
		if err := b.measure(side); err != nil {
			return err
		}
	}
	fmt.Println("\nus an image inside ONNX Runtime, jpeg at quality 20: median (fastest) of 201 short rounds")
	fmt.Printf("%-14s %-10s %6s %16s %16s %16s\n", "tensor", "codec", "bytes", "encode", "decode", "fastest together")
	for _, x := range tensors {
		if err := b.beside(x); err != nil {
			return err
		}
	}
	return nil
}

func findLibrary() (string, error) {
	if path := os.Getenv("BNC_ORT_LIB"); path != "" {
		return path, nil
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("BNC_ORT_LIB is not set: %w", err)
	}
	return filepath.Join(cache, "bnc", "onnxruntime-1.30.0", "libonnxruntime.so"), nil
}

// bench holds where things are.
type bench struct {
	source  string // folder of package ops
	dir     string // for what is built
	library string // ONNX Runtime
}

func (b bench) plugin() string  { return filepath.Join(b.dir, ops.PluginFile) }
func (b bench) program() string { return filepath.Join(b.dir, "bench") }
func (b bench) alone() string   { return filepath.Join(b.dir, "alone") }

func (b bench) build() error {
	headers, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/yalue/onnxruntime_go").Output()
	if err != nil {
		return fmt.Errorf("finding ONNX Runtime's headers: %w", err)
	}
	csrc := filepath.Join(b.source, "bench", "csrc")
	cc := strings.Fields(cmp.Or(os.Getenv("CC"), "cc"))
	compile := func(out string, sources ...string) *exec.Cmd {
		args := append(cc[1:len(cc):len(cc)], "-O2", "-isystem", strings.TrimSpace(string(headers)), "-o", out)
		for _, source := range append(sources, "cli.c", "rawort.c") {
			args = append(args, filepath.Join(csrc, source))
		}
		return exec.Command(cc[0], append(args, "-l:libjpeg.a", "-ldl")...)
	}
	for _, cmd := range []*exec.Cmd{
		exec.Command("sh", filepath.Join(b.source, "build.sh"), b.plugin()),
		compile(b.program(), "bench.c", "bare.c"),
		compile(b.alone(), "alone.c"),
	} {
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w\n%s", cmd, err, out)
		}
	}
	return nil
}

// measure prints the rows of square tiles of one side.
func (b bench) measure(side int) error {
	jpeg, err := ops.Lookup("jpeg")
	if err != nil {
		return err
	}
	part := ops.Part{Codec: jpeg, Parameters: ops.Parameters{"quality": int64(quality)}, Height: side, Width: side}
	pixels := features(side)
	encode, decode := nodes(jpeg, map[string]int64{"quality": quality}, nil, side, side)
	if err := b.write(map[string][]byte{"encode.onnx": encode.Model(), "decode.onnx": decode.Model(), "tiles": pixels}); err != nil {
		return err
	}
	cmd := exec.Command(b.program(), b.library, b.plugin(), "encode.onnx", "decode.onnx",
		fmt.Sprint(side), fmt.Sprint(side), fmt.Sprint(quality), "tiles")
	cmd.Dir = b.dir
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("%s: %w", cmd, err)
	}
	rounds, err := parse(out)
	if err != nil {
		return err
	}
	coder, err := ops.Record{part}.Coder()
	if err != nil {
		return err
	}
	face, err := timeFace(coder, side*side, pixels)
	if err != nil {
		return err
	}
	for _, name := range []string{"encode", "decode"} {
		report(side, name, rounds[name], face[name])
	}
	return nil
}

// write puts files into the folder.
func (b bench) write(files map[string][]byte) error {
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(b.dir, name), content, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// sample is one round: nanoseconds an image.
type sample struct{ bare, op float64 }

func parse(out []byte) (map[string][]sample, error) {
	rounds := map[string][]sample{}
	for line := range bytes.Lines(out) {
		var name string
		var s sample
		if _, err := fmt.Sscan(string(line), &name, &s.bare, &s.op); err != nil {
			return nil, fmt.Errorf("reading %q: %w", line, err)
		}
		rounds[name] = append(rounds[name], s)
	}
	return rounds, nil
}

// features returns tiles that look like a trained cut: mostly zero, blurred.
func features(side int) []byte {
	rng := rand.New(rand.NewPCG(1, 2))
	out := make([]byte, 0, tiles*side*side)
	for range tiles {
		coarse := make([]float64, (side/4+2)*(side/4+2))
		for i := range coarse {
			coarse[i] = max(0, 90*rng.NormFloat64())
		}
		stride := side/4 + 2
		for y := range side {
			for x := range side {
				at, fy, fx := y/4*stride+x/4, float64(y%4)/4, float64(x%4)/4
				top := coarse[at]*(1-fx) + coarse[at+1]*fx
				bottom := coarse[at+stride]*(1-fx) + coarse[at+stride+1]*fx
				out = append(out, byte(min(255, top*(1-fy)+bottom*fy)))
			}
		}
	}
	return out
}

// timeFace measures the Go face, one image a call, as bench.c does the ops.
func timeFace(coder *ops.Coder, size int, pixels []byte) (map[string][]float64, error) {
	runs := 1 + 2000000/(size+500)
	payloads := make([][]byte, tiles)
	for i := range payloads {
		var err error
		if payloads[i], _, err = coder.Encode([][]byte{pixels[i*size:][:size]}, [][]float32{nil}); err != nil {
			return nil, err
		}
	}
	calls := map[string]func(i int) error{
		"encode": func(i int) error {
			_, _, err := coder.Encode([][]byte{pixels[i*size:][:size]}, [][]float32{nil})
			return err
		},
		"decode": func(i int) error {
			_, _, err := coder.Decode(payloads[i])
			return err
		},
	}
	times := map[string][]float64{}
	for name, call := range calls {
		for range 41 {
			start := time.Now()
			for i := range runs {
				if err := call(i % tiles); err != nil {
					return nil, err
				}
			}
			times[name] = append(times[name], float64(time.Since(start).Nanoseconds())/float64(runs))
		}
	}
	return times, nil
}

func report(side int, name string, rounds []sample, face []float64) {
	column := func(pick func(s sample) float64) []float64 {
		values := make([]float64, len(rounds))
		for i, s := range rounds {
			values[i] = pick(s)
		}
		return values
	}
	bare := column(func(s sample) float64 { return s.bare })
	op := column(func(s sample) float64 { return s.op })
	verdict := fmt.Sprintf("%+.2f us (limit %+.2f)", stats.Median(column(func(s sample) float64 { return s.op - s.bare }))/1000, smallLimit/1000.0)
	if side == largeSide {
		verdict = fmt.Sprintf("x%.3f (limit x%.2f)", stats.Median(column(func(s sample) float64 { return s.op / s.bare })), largeLimit)
	}
	fmt.Printf("%-8s %-7s %16s %16s %16s  %s\n", fmt.Sprintf("%dx%d", side, side), name,
		timing(bare), timing(op), timing(face), verdict)
}

// timing returns median and minimum in microseconds.
func timing(ns []float64) string {
	return fmt.Sprintf("%.2f (%.2f)", stats.Median(ns)/1000, slices.Min(ns)/1000)
}
