package link

import (
	"os"
	"sync"
	"time"
)

// stop is a reason to wait no longer: when the channel is closed, with the error.
type stop struct {
	closed <-chan struct{}
	err    error
}

// stopped returns the error of the first stop that is closed.
func stopped(stops []stop) error {
	for _, s := range stops {
		select {
		case <-s.closed:
			return s.err
		default:
		}
	}
	return nil
}

// wait returns when one of the channels is closed, one of at most two stops among
// them, or when the time has passed, where that is not 0.
func wait(d time.Duration, alarm *alarm, a, b <-chan struct{}, stops []stop) {
	var passed <-chan time.Time
	if d > 0 {
		timer := time.NewTimer(d)
		defer timer.Stop()
		passed = timer.C
		alarm.set(d)
	}
	var both [2]<-chan struct{}
	for i, s := range stops {
		both[i] = s.closed
	}
	select {
	case <-passed:
	case <-a:
	case <-b:
	case <-both[0]:
	case <-both[1]:
	}
}

// deadline is a time after which a channel is closed, as net.Conn wants it: it can
// be set again and again, also while others wait for it.
type deadline struct {
	mu     sync.Mutex
	timer  *time.Timer
	passed chan struct{} // closed after the deadline
}

// stop returns the deadline that is set now.
func (d *deadline) stop() stop {
	d.mu.Lock()
	defer d.mu.Unlock()
	return stop{d.channel(), os.ErrDeadlineExceeded}
}

// channel returns the channel of the deadline. The lock is held.
func (d *deadline) channel() chan struct{} {
	if d.passed == nil {
		d.passed = make(chan struct{})
	}
	return d.passed
}

// set replaces the deadline. The zero time is none. Who waits goes on waiting for
// the new one, unless the old one has passed.
func (d *deadline) set(t time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.timer != nil && !d.timer.Stop() {
		<-d.channel() // its function has run, or does so now
	}
	d.timer = nil
	select {
	case <-d.channel():
		d.passed = make(chan struct{})
	default:
	}
	if t.IsZero() {
		return
	}
	passed := d.channel()
	if left := time.Until(t); left > 0 {
		d.timer = time.AfterFunc(left, func() { close(passed) })
	} else {
		close(passed)
	}
}
