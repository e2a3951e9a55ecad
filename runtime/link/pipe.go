package link

import (
	"sync"
	"syscall"
	"time"
)

const (
	// segment is how many bytes at most leave as one, as in an Ethernet frame:
	// what connections take turns with.
	segment = 1460
	// queue is how many bytes of a connection wait to leave before Write blocks.
	queue = 64 << 10
	// maxFlight is how many bytes at most are between leaving and arriving, the
	// window of the emulated connection.
	maxFlight = 4 << 20
)

// pipe is one direction of one connection: parcels in order. One goroutine puts,
// one takes.
type pipe struct {
	line  *line
	alarm *alarm

	mu      sync.Mutex
	parcels []parcel
	bytes   int
	err     error         // no more is put, because
	moved   chan struct{} // closed at the next put or take; nil where nobody waits
	last    time.Time     // the latest arrival: none is before it
}

// put hands data over, which the caller may use again, and blocks while the pipe
// is full. It returns how many bytes it has taken, and the error of stop whose
// channel was closed, or that of the pipe.
func (p *pipe) put(data []byte, stops ...stop) (int, error) {
	put := 0
	for put < len(data) {
		if err := stopped(stops); err != nil {
			return put, err
		}
		room, changed := p.line.room()
		p.mu.Lock()
		if err := p.err; err != nil {
			p.mu.Unlock()
			return put, err
		}
		if n := min(segment, len(data)-put); p.bytes+n <= room {
			p.push(p.line.hand(append([]byte(nil), data[put:put+n]...), nil))
			put += n
			p.mu.Unlock()
			continue
		}
		moved := p.watch()
		p.mu.Unlock()
		wait(0, nil, moved, changed, stops)
	}
	return put, nil
}

// end puts an error behind the data: the other end is done.
func (p *pipe) end(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err == nil {
		p.push(p.line.hand(nil, err))
	}
}

// push appends a parcel. The lock is held.
func (p *pipe) push(x parcel) {
	p.parcels = append(p.parcels, x)
	p.bytes += len(x.data)
	p.notify()
}

// fail ends the pipe: what is in it stays, no more is put. It returns whether
// anything is in it.
func (p *pipe) fail(err error) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err == nil {
		p.err = err
	}
	p.notify()
	return len(p.parcels) > 0
}

// clear drops what is in the pipe.
func (p *pipe) clear() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.parcels, p.bytes = nil, 0
	p.notify()
}

// next waits until the first parcel has arrived and returns its data, which stays
// in the pipe until drop; or its error, that of a stop, or that of an empty pipe
// that has failed.
func (p *pipe) next(stops ...stop) ([]byte, error) {
	for {
		if err := stopped(stops); err != nil {
			return nil, err
		}
		p.mu.Lock()
		if len(p.parcels) == 0 {
			if err := p.err; err != nil {
				p.mu.Unlock()
				return nil, err
			}
			moved := p.watch()
			p.mu.Unlock()
			wait(0, nil, moved, nil, stops)
			continue
		}
		first := p.parcels[0]
		at, ok, changed := p.line.arrival(first)
		if at.Before(p.last) {
			at = p.last
		}
		now := time.Now()
		if ok && !at.After(now) {
			p.last = at
			p.mu.Unlock()
			if first.lost {
				return nil, syscall.ECONNRESET
			}
			return first.data, first.err
		}
		p.mu.Unlock()
		if !ok {
			at = now // without a timer
		}
		wait(at.Sub(now), p.alarm, nil, changed, stops)
	}
}

// drop takes the first n bytes of the first parcel away.
func (p *pipe) drop(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.bytes -= n
	if first := &p.parcels[0]; n < len(first.data) {
		first.data = first.data[n:]
	} else {
		p.parcels[0] = parcel{}
		p.parcels = p.parcels[1:]
	}
	p.notify()
}

// watch returns a channel that is closed when something is put or taken. The lock
// is held.
func (p *pipe) watch() <-chan struct{} {
	if p.moved == nil {
		p.moved = make(chan struct{})
	}
	return p.moved
}

// notify wakes who watches. The lock is held.
func (p *pipe) notify() {
	if p.moved != nil {
		close(p.moved)
		p.moved = nil
	}
}
