package link

import (
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// alarm wakes the Go scheduler in time. Without one an idle program looks at its
// timers when epoll_wait returns, which waits for whole milliseconds: too coarse
// for payloads that take tenths of one. A timerfd among what epoll watches makes
// it return to the microsecond. Nobody reads it: the timers do the rest.
type alarm struct {
	file *os.File
	raw  syscall.RawConn
}

// newAlarm returns nil where the kernel has none to give: times are then coarser.
func newAlarm() *alarm {
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return nil
	}
	file := os.NewFile(uintptr(fd), "timerfd")
	raw, err := file.SyscallConn()
	if err != nil {
		file.Close()
		return nil
	}
	return &alarm{file, raw}
}

// set replaces the time after which the alarm goes off.
func (a *alarm) set(after time.Duration) {
	if a == nil {
		return
	}
	at := unix.ItimerSpec{Value: unix.NsecToTimespec(int64(after))}
	// After close there is nothing to set.
	_ = a.raw.Control(func(fd uintptr) { _ = unix.TimerfdSettime(int(fd), 0, &at, nil) })
}

func (a *alarm) close() {
	if a != nil {
		a.file.Close()
	}
}
