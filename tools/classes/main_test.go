package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// Payloads of before are read with the constants they were written with.
func TestHeaderIsWhatIsPrinted(t *testing.T) {
	want, err := os.ReadFile(filepath.Join("..", "..", "ops", "transform_tables.h"))
	if err != nil {
		t.Fatal(err)
	}
	var got bytes.Buffer
	header(&got)
	if !bytes.Equal(got.Bytes(), want) {
		t.Error("go run ./tools/classes prints other constants than those of ops/transform_tables.h")
	}
}
