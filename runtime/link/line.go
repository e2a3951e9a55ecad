package link

import (
	"math"
	"math/rand/v2"
	"sync"
	"time"
)

// line is one direction of a link: the schedule that all its connections share.
//
// It is a token bucket without depth. Bits are numbered in the order in which
// they are handed over; sent(t), the number of the bit that leaves at t, grows
// with the rate. What is handed over at t ends with bit max(sent(t), last) + its
// size and has left when sent gets there. So a byte leaves exactly when the rate
// allows, however late a goroutine wakes up, and a new rate changes when, not in
// which order.
type line struct {
	jitter time.Duration
	loss   float64

	mu      sync.Mutex
	random  *rand.Rand
	pieces  []piece       // by start; never empty
	last    float64       // the last bit handed over
	changed chan struct{} // closed when the next piece begins
}

// piece is a stretch of time in which rate and delay stay the same, the last one
// without an end.
type piece struct {
	start time.Time
	sent  float64 // bits at start
	rate  float64 // bit/s
	delay time.Duration
}

// parcel is a few bytes under way. Its times follow from the line.
type parcel struct {
	data   []byte
	handed time.Time
	end    float64 // its last bit
	late   time.Duration
	lost   bool  // takes the connection with it
	err    error // instead of data: the end of a direction
}

func newLine(rate float64, delay time.Duration, o Options, seed uint64) *line {
	return &line{
		jitter:  o.Jitter,
		loss:    o.Loss,
		random:  rand.New(rand.NewPCG(o.Seed, seed)),
		pieces:  []piece{{time.Now(), 0, rate, delay}},
		changed: make(chan struct{}),
	}
}

// set begins a new piece.
func (l *line) set(rate float64, delay time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	l.pieces = append(l.pieces, piece{now, l.sent(now), rate, delay})
	// What left in a piece that ended longer ago than anything is under way has
	// arrived: it is not asked for when.
	for len(l.pieces) > 2 && now.Sub(l.pieces[1].start) > l.pieces[0].delay+l.jitter {
		l.pieces = l.pieces[1:]
	}
	close(l.changed)
	l.changed = make(chan struct{})
}

// sent returns the number of the bit that leaves now.
func (l *line) sent(now time.Time) float64 {
	p := l.pieces[len(l.pieces)-1]
	if math.IsInf(p.rate, 1) {
		return max(p.sent, l.last)
	}
	return p.sent + p.rate*now.Sub(p.start).Seconds()
}

// hand takes over data, which it keeps.
func (l *line) hand(data []byte, err error) parcel {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	l.last = max(l.sent(now), l.last) + float64(len(data))*8
	p := parcel{data: data, handed: now, end: l.last, err: err}
	if l.jitter > 0 {
		p.late = time.Duration(l.random.Int64N(int64(l.jitter)))
	}
	if l.loss > 0 {
		p.lost = l.random.Float64() < l.loss
	}
	return p
}

// arrival returns when a parcel arrives as things are, and a channel that is
// closed when they change. While the rate is 0 and the parcel has not left, there
// is no such time and ok is false.
func (l *line) arrival(p parcel) (at time.Time, ok bool, changed <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if p.end < l.pieces[0].sent {
		return p.handed, true, l.changed // in a piece that set has dropped
	}
	for i, piece := range l.pieces {
		if piece.rate == 0 {
			continue
		}
		left := piece.start.Add(seconds((p.end - piece.sent) / piece.rate))
		if left.Before(p.handed) {
			left = p.handed
		}
		if i+1 == len(l.pieces) || p.handed.Before(l.pieces[i+1].start) && !left.After(l.pieces[i+1].start) {
			return left.Add(piece.delay + p.late), true, l.changed
		}
	}
	return time.Time{}, false, l.changed
}

// room returns how many bytes of a connection may be under way: what is waiting
// to leave, and what the line holds between leaving and arriving.
func (l *line) room() (bytes int, changed <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	p := l.pieces[len(l.pieces)-1]
	flight := (p.delay + l.jitter).Seconds()
	if flight > 0 { // 0 of infinitely many are none
		flight *= p.rate / 8
	}
	return queue + int(min(flight, maxFlight)), l.changed
}

// seconds returns s as a duration to the nearest nanosecond, 0 to a century.
func seconds(s float64) time.Duration {
	return time.Duration(math.Round(min(max(s, 0), 100*365*24*3600) * 1e9))
}
