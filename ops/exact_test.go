package ops_test

import (
	"bytes"
	"cmp"
	"context"
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"
)

// defaultTensors is how many tensors codec "transform" is compared on; BNC_TRANSFORM_TENSORS tells
// another number.
const defaultTensors = "1000"

// Payloads and tiles of codec "transform" are the same bytes on every processor: 64 and 32 bits,
// another instruction set, other compilers.
func TestTransformIsExactOnOtherProcessors(t *testing.T) {
	tensors := cmp.Or(os.Getenv("BNC_TRANSFORM_TENSORS"), defaultTensors)
	if n, err := strconv.Atoi(tensors); err != nil || n < 1 {
		t.Fatalf("BNC_TRANSFORM_TENSORS is %q, expected a number from 1 on", tensors)
	}
	here := filepath.Join(t.TempDir(), "here")
	compileHash(t, here, append(strings.Fields(cmp.Or(os.Getenv("CC"), "cc")), "-O2")...)
	want, err := exec.Command(here, tensors).Output()
	if err != nil {
		t.Fatal(withStderr(err))
	}
	if len(bytes.Fields(want)) != 2 {
		t.Fatalf("printed %q, expected two hashes", want)
	}
	for _, test := range []struct {
		name     string
		compiler []string
		run      func(t *testing.T, program, tensors string) []byte
	}{
		{"amd64 without optimisation", []string{"cc", "-O0", "-fwrapv"}, runHere},
		{"arm64", []string{"aarch64-linux-gnu-gcc", "-O2", "-static"}, runUnderQemu},
		{"wasm32", []string{"clang", "--target=wasm32-wasi", "-O2"}, runWasm},
	} {
		t.Run(test.name, func(t *testing.T) {
			program := filepath.Join(t.TempDir(), "program")
			compileHash(t, program, test.compiler...)
			if got := test.run(t, program, tensors); !bytes.Equal(got, want) {
				t.Errorf("payloads and tiles are %s, expected %s", got, want)
			}
		})
	}
}

// compileHash compiles testdata/transform_hash.c, and skips where the compiler makes no programs.
func compileHash(t *testing.T, program string, compiler ...string) {
	t.Helper()
	compile := func(out string, sources ...string) ([]byte, error) {
		args := append(append(compiler[1:len(compiler):len(compiler)], "-std=c11", "-Wall", "-Wextra", "-Werror", "-o", out), sources...)
		return exec.Command(compiler[0], args...).CombinedOutput()
	}
	probe := filepath.Join(t.TempDir(), "probe.c")
	if err := os.WriteFile(probe, []byte("#include <stdio.h>\nint main(void) { return puts(\"\") < 0; }\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := compile(program, probe); err != nil {
		t.Skipf("%s makes no programs here (make deps-oracle): %v\n%s", compiler, err, out)
	}
	if out, err := compile(program, filepath.Join("testdata", "transform_hash.c"), "transform.c"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

func runHere(t *testing.T, program, tensors string) []byte {
	out, err := exec.Command(program, tensors).Output()
	if err != nil {
		t.Fatal(withStderr(err))
	}
	return out
}

func runUnderQemu(t *testing.T, program, tensors string) []byte {
	qemu, err := exec.LookPath("qemu-aarch64")
	if err != nil {
		t.Skip("needs qemu-aarch64 (make deps-oracle)")
	}
	out, err := exec.Command(qemu, program, tensors).Output()
	if err != nil {
		t.Fatal(withStderr(err))
	}
	return out
}

func runWasm(t *testing.T, program, tensors string) []byte {
	module, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	runtime := wazero.NewRuntime(ctx)
	defer runtime.Close(ctx)
	wasi_snapshot_preview1.MustInstantiate(ctx, runtime)
	var out, failed bytes.Buffer
	config := wazero.NewModuleConfig().WithArgs("transform_hash", tensors).WithStdout(&out).WithStderr(&failed)
	if _, err := runtime.InstantiateWithConfig(ctx, module, config); err != nil {
		t.Fatalf("%v\n%s", err, &failed)
	}
	return out.Bytes()
}

// A phone's browser loads the codec: 16 KB at most.
func TestTransformIsSmall(t *testing.T) {
	object := filepath.Join(t.TempDir(), "transform.o")
	cc := append(strings.Fields(cmp.Or(os.Getenv("CC"), "cc")), "-std=c99", "-O2", "-c", "-o", object, "transform.c")
	if out, err := exec.Command(cc[0], cc[1:]...).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	file, err := elf.Open(object)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var size uint64
	for _, s := range file.Sections {
		if s.Flags&elf.SHF_ALLOC != 0 && s.Name != ".eh_frame" { // code and constants
			size += s.Size
		}
	}
	if size < 4<<10 || size > 16<<10 {
		t.Errorf("code and constants take %d bytes, expected 4 to 16 KB", size)
	}
}
