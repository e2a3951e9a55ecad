// Package link puts an emulated mobile network between a client and its server:
// connections whose bytes leave at a given rate and arrive after a given time. It
// needs no rights and no kernel modules.
//
//	wifi, err := plan.ParseNetwork("wifi,5ms")
//	l := link.New(wifi, link.Options{})
//	client := &http.Client{Transport: &http.Transport{DialContext: l.Dialer(nil)}}
//	...
//	l.SetNetwork(slower)
//
// Rates are those of what connections carry: headers of TCP and IP, and the
// acknowledgements that the other direction would carry, count nothing.
package link

import (
	"context"
	"net"
	"time"

	"github.com/bottlenet/bnc/runtime/plan"
)

// Options say what a plan.Network does not.
type Options struct {
	// Downlink is the rate from the server, in bit/s: 0 for the uplink's,
	// math.Inf(1) for no limit. It counts while the uplink is not 0.
	Downlink float64
	// Jitter is the longest time by which a segment of up to 1460 bytes arrives
	// late; how late each is, is uniformly distributed. Segments of a
	// connection arrive in order: one that is late holds up those behind it.
	Jitter time.Duration
	// Loss is the share of segments, 0 to 1, that reset their connection instead
	// of arriving.
	Loss float64
	// Seed determines jitter and loss. The n-th segment of a direction has the
	// same fate in every link of one seed.
	Seed uint64
}

// Link is a network that the connections of its Dialer share. It may be used by
// several goroutines at once.
type Link struct {
	options  Options
	up, down *line
}

// New returns a link like the network n: bytes leave at its uplink rate and arrive
// half its RTT later.
func New(n plan.Network, o Options) *Link {
	up, down := rates(n, o)
	return &Link{o, newLine(up, n.RTT/2, o, 0), newLine(down, n.RTT/2, o, 1)}
}

// SetNetwork makes the link one like n from now on, connections that are open
// included. What has left arrives as it would have; what waits leaves at the new
// rate. While the uplink is 0 nothing leaves in either direction, and calls wait
// for it to be raised, or for their deadlines.
func (l *Link) SetNetwork(n plan.Network) {
	up, down := rates(n, l.options)
	l.up.set(up, n.RTT/2)
	l.down.set(down, n.RTT/2)
}

// rates returns the rates of both directions. What is no rate is 0.
func rates(n plan.Network, o Options) (up, down float64) {
	if !(n.Uplink > 0) {
		return 0, 0
	}
	if o.Downlink > 0 {
		return n.Uplink, o.Downlink
	}
	return n.Uplink, n.Uplink
}

// Dialer returns a function that connects over the link to where next connects
// to; nil is net.Dialer's DialContext. The network must be one of streams.
// Connecting takes a round trip.
//
// Write of such a connection returns as soon as its bytes wait to leave, at most
// 64 KiB of them; it blocks while there is no room. Close returns at once; what
// waits goes on leaving for up to five seconds. Deadlines are honoured. A
// connection that is not closed leaves two goroutines behind.
func (l *Link) Dialer(next func(ctx context.Context, network, addr string) (net.Conn, error)) func(ctx context.Context, network, addr string) (net.Conn, error) {
	if next == nil {
		next = new(net.Dialer).DialContext
	}
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		if err := l.up.cross(ctx); err != nil {
			return nil, &net.OpError{Op: "dial", Net: network, Err: err}
		}
		c, err := next(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		if err := l.down.cross(ctx); err != nil {
			c.Close()
			return nil, &net.OpError{Op: "dial", Net: network, Addr: c.RemoteAddr(), Err: err}
		}
		return l.newConn(c), nil
	}
}

// cross waits as long as a message without bytes takes.
func (l *line) cross(ctx context.Context) error {
	p := l.hand(nil, nil)
	alarm := newAlarm()
	defer alarm.close()
	for {
		at, ok, changed := l.arrival(p)
		left := time.Until(at)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case !ok:
			left = 0 // without a timer
		case left <= 0:
			return nil
		}
		wait(left, alarm, changed, nil, []stop{{closed: ctx.Done()}})
	}
}
