package main

import (
	"fmt"

	"github.com/bottlenet/bnc/internal/files"
)

// standardOutput stands for standard output where a flag names one file to write.
const standardOutput = "-"

// fits checks before any work that the file that a flag names can be written.
func fits(flag, path string) error {
	if path == "" || path == standardOutput {
		return nil
	}
	if err := files.Check(path); err != nil {
		return fmt.Errorf("%s: %w", flag, err)
	}
	return nil
}

// noStdout refuses standard output for what takes more than one file.
func noStdout(path, what string) error {
	if path == standardOutput {
		return usagef("-o -: %s is written, which standard output cannot take: give a name", what)
	}
	return nil
}

// writeFile writes a file, or its contents to standard output.
func (s streams) writeFile(path string, b []byte) error {
	if path == standardOutput {
		_, err := s.out.Write(b)
		return err
	}
	return files.Write(path, b)
}

// beside are the streams for what is said of the file that -o names: not among its own
// bytes.
func (s streams) beside(path string, asJSON bool) (streams, error) {
	if path == standardOutput {
		if asJSON {
			return s, usagef("-o - and --json: both would go to standard output")
		}
		s.out = s.err
	}
	return s, nil
}
