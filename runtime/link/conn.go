package link

import (
	"errors"
	"io"
	"net"
	"sync"
	"syscall"
	"time"
)

// linger is how long what was written goes on leaving after Close.
const linger = 5 * time.Second

// conn is a connection whose bytes take their time. One goroutine brings what is
// written to the next connection, one fetches what comes from there.
type conn struct {
	next     net.Conn
	up, down pipe

	write, read   deadline
	writing       chan struct{} // holds one token: calls of Write take turns
	reading       chan struct{} // the same for Read
	closed        chan struct{} // by Close: no more calls
	broken        chan struct{} // by abort: the next connection is closed
	once, aborted sync.Once
}

func (l *Link) newConn(next net.Conn) *conn {
	c := &conn{
		next:    next,
		up:      pipe{line: l.up, alarm: newAlarm()},
		down:    pipe{line: l.down, alarm: newAlarm()},
		writing: make(chan struct{}, 1),
		reading: make(chan struct{}, 1),
		closed:  make(chan struct{}),
		broken:  make(chan struct{}),
	}
	go c.send()
	go c.receive()
	return c
}

// send brings parcels that have arrived to the next connection until there are no
// more.
func (c *conn) send() {
	for {
		data, err := c.up.next(stop{c.broken, net.ErrClosed})
		if err == nil {
			_, err = c.next.Write(data)
		}
		if err != nil {
			c.up.fail(err)
			c.up.clear()
			if errors.Is(err, net.ErrClosed) || errors.Is(err, syscall.ECONNRESET) {
				c.abort(err)
			}
			return
		}
		c.up.drop(len(data))
	}
}

// receive fetches what comes from the next connection.
func (c *conn) receive() {
	buffer := make([]byte, 16<<10)
	for {
		n, err := c.next.Read(buffer)
		if _, stopped := c.down.put(buffer[:n], stop{c.closed, net.ErrClosed}); stopped != nil {
			return
		}
		if err != nil {
			c.down.end(err)
			return
		}
	}
}

// abort ends both directions and closes the next connection.
func (c *conn) abort(err error) {
	c.aborted.Do(func() {
		c.up.fail(err)
		c.down.fail(err)
		close(c.broken)
		c.next.Close()
		c.up.alarm.close()
		c.down.alarm.close()
	})
}

// Read returns what has arrived.
func (c *conn) Read(b []byte) (int, error) {
	deadline := c.read.stop()
	if err := c.turn(c.reading, deadline); err != nil {
		return 0, c.opError("read", err)
	}
	defer func() { <-c.reading }()
	if len(b) == 0 {
		return 0, nil
	}
	data, err := c.down.next(deadline, stop{c.closed, net.ErrClosed})
	if err != nil {
		if errors.Is(err, syscall.ECONNRESET) {
			c.abort(err)
		}
		return 0, c.opError("read", err)
	}
	n := copy(b, data)
	c.down.drop(n)
	return n, nil
}

// Write hands b over to the link. It blocks while more waits than a socket would
// hold.
func (c *conn) Write(b []byte) (int, error) {
	deadline := c.write.stop()
	if err := c.turn(c.writing, deadline); err != nil {
		return 0, c.opError("write", err)
	}
	defer func() { <-c.writing }()
	n, err := c.up.put(b, deadline, stop{c.closed, net.ErrClosed})
	if err != nil {
		err = c.opError("write", err)
	}
	return n, err
}

// turn takes the token that calls of one kind share.
func (c *conn) turn(token chan struct{}, deadline stop) error {
	stops := []stop{{c.closed, net.ErrClosed}, deadline}
	if err := stopped(stops); err != nil {
		return err
	}
	select {
	case token <- struct{}{}:
		return nil
	case <-c.closed:
		return net.ErrClosed
	case <-deadline.closed:
		return deadline.err
	}
}

// Close returns at once. What was written goes on leaving for up to five seconds,
// as it does from a socket.
func (c *conn) Close() error {
	err := c.opError("close", net.ErrClosed)
	c.once.Do(func() {
		err = nil
		close(c.closed)
		if c.up.fail(net.ErrClosed) {
			time.AfterFunc(linger, func() { c.abort(net.ErrClosed) })
		} else {
			c.abort(net.ErrClosed)
		}
	})
	return err
}

func (c *conn) LocalAddr() net.Addr  { return c.next.LocalAddr() }
func (c *conn) RemoteAddr() net.Addr { return c.next.RemoteAddr() }

func (c *conn) SetDeadline(t time.Time) error {
	c.read.set(t)
	c.write.set(t)
	return nil
}

func (c *conn) SetReadDeadline(t time.Time) error {
	c.read.set(t)
	return nil
}

func (c *conn) SetWriteDeadline(t time.Time) error {
	c.write.set(t)
	return nil
}

// opError says which connection an error is of, as those of package net do.
func (c *conn) opError(op string, err error) error {
	if err == io.EOF {
		return err
	}
	if e := (*net.OpError)(nil); errors.As(err, &e) {
		return err
	}
	remote := c.RemoteAddr()
	return &net.OpError{Op: op, Net: remote.Network(), Source: c.LocalAddr(), Addr: remote, Err: err}
}
