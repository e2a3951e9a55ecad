//go:build !unix

package files

import "os"

// tryLock keeps nobody out: there are no locks.
func tryLock(*os.File) (bool, error) { return true, nil }

// openLeftover opens nothing: without locks nothing can be known to be left over.
func openLeftover(string, bool) (*os.File, bool) { return nil, false }

// syncDir does nothing: folders cannot be synced.
func syncDir(string) error { return nil }

// Movable is false: it is not known.
func Movable(from, to string) bool { return false }
