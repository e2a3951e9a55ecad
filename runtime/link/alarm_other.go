//go:build !linux

package link

import "time"

// alarm does nothing: timers are as precise as the system's.
type alarm struct{}

func newAlarm() *alarm             { return nil }
func (a *alarm) set(time.Duration) {}
func (a *alarm) close()            {}
