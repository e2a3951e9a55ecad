//go:build !unix

package ort

import "errors"

// runtimeVersion takes the library at path for what bnc is built with: there is no dlopen
// to ask it by.
func runtimeVersion(string) (string, error) { return Version, nil }

// useShim refuses: the shim is for ELF.
func useShim(shim, path string) error { return errors.New("there are no shims on this system") }
