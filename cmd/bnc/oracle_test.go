package main

import (
	"path/filepath"
	"testing"

	"github.com/bottlenet/bnc/internal/rttest"
)

// What the tests need from the machine, in short: see package rttest.

func plugin(t *testing.T) string { return rttest.Plugin(t) }

func oracle(t *testing.T, script string, job any, wanted int) {
	t.Helper()
	rttest.Oracle(t, script, job, wanted)
}

// askPython asks a script of this folder's testdata with the Python of another
// environment.
func askPython(t *testing.T, python, script string, job, answer any) {
	t.Helper()
	rttest.Ask(t, python, filepath.Join("testdata", script), job, answer, plugin(t))
}

func cached(t *testing.T, variable, path, target string) string {
	t.Helper()
	return rttest.Cached(t, variable, path, target)
}

func shared(t *testing.T, path string) string {
	t.Helper()
	return rttest.Shared(t, path)
}
