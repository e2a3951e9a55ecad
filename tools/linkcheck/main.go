// Command linkcheck measures how fast bytes pass between two hosts, or two network
// namespaces (linkcheck.sh):
//
//	linkcheck receive ADDR INTERFACE SKIP DURATION
//	linkcheck send ADDR [NETWORK]
//
// send writes until the other side closes: through runtime/link where a network is
// given, else as fast as the kernel allows. receive takes one connection, skips
// what comes first, and prints two rates in bit/s: that of the bytes it read, and
// that of all bytes that came over the interface, headers included.
package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/bottlenet/bnc/runtime/link"
	"github.com/bottlenet/bnc/runtime/plan"
)

func main() {
	args := append(os.Args[1:], "")
	var err error
	switch {
	case args[0] == "receive" && len(args) == 6:
		err = receive(args[1], args[2], args[3], args[4])
	case args[0] == "send" && (len(args) == 3 || len(args) == 4):
		err = send(args[1], args[2])
	default:
		fmt.Fprintln(os.Stderr, "usage: linkcheck receive ADDR INTERFACE SKIP DURATION | linkcheck send ADDR [NETWORK]")
		os.Exit(2)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "linkcheck:", err)
		os.Exit(1)
	}
}

func send(addr, network string) error {
	dial := new(net.Dialer).DialContext
	if network != "" {
		n, err := plan.ParseNetwork(network)
		if err != nil {
			return err
		}
		dial = link.New(n, link.Options{}).Dialer(dial)
	}
	c, err := dial(context.Background(), "tcp", addr)
	if err != nil {
		return err
	}
	defer c.Close()
	for data := make([]byte, 32<<10); err == nil; {
		_, err = c.Write(data)
	}
	return nil // the receiver has had enough
}

func receive(addr, device, skip, duration string) error {
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	defer listener.Close()
	c, err := listener.Accept()
	if err != nil {
		return err
	}
	defer c.Close()
	if _, _, err := during(c, device, skip); err != nil {
		return err
	}
	read, wire, err := during(c, device, duration)
	if err != nil {
		return err
	}
	fmt.Printf("%.0f %.0f\n", read, wire)
	return nil
}

// during reads for some time and returns the rates of bytes read and of bytes that
// came over the device, in bit/s. It begins and ends when bytes come.
func during(c net.Conn, device, duration string) (read, wire float64, err error) {
	d, err := time.ParseDuration(duration)
	if err != nil {
		return 0, 0, err
	}
	before, err := received(device)
	if err != nil {
		return 0, 0, err
	}
	begin, took, total := time.Now(), time.Duration(0), 0
	for buffer := make([]byte, 64<<10); took < d; took = time.Since(begin) {
		n, err := c.Read(buffer)
		if err != nil {
			return 0, 0, err
		}
		total += n
	}
	after, err := received(device)
	return float64(total) * 8 / took.Seconds(), (after - before) * 8 / took.Seconds(), err
}

// received returns how many bytes have come over a device.
func received(device string) (float64, error) {
	data, err := os.ReadFile("/sys/class/net/" + device + "/statistics/rx_bytes")
	if err != nil {
		return 0, err
	}
	return strconv.ParseFloat(strings.TrimSpace(string(data)), 64)
}
