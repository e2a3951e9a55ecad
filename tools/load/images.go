package main

import (
	"bytes"
	"compress/zlib"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/bottlenet/bnc/runtime/bundle"
	"github.com/bottlenet/bnc/runtime/oip"
	"github.com/bottlenet/bnc/runtime/serve"
	"github.com/bottlenet/bnc/runtime/tensor"
	"github.com/bottlenet/bnc/tools/internal/serving"
)

// What the images' part has to hold.
const (
	imageClients  = 30
	imageQueue    = 4
	imageMemory   = 600 << 20 // bytes, of the whole server
	imagePatience = 500 * time.Millisecond
	imageLate     = 500 * time.Millisecond // after imagePatience
)

// blackPNG is a PNG file of side x side black pixels: of 16 bits RGBA, 8192 x 8192 are
// 0.5 MB, and 512 MB decoded.
func blackPNG(side, depth, channels int) ([]byte, error) {
	colour := map[int]byte{3: 2, 4: 6}[channels]
	var rows bytes.Buffer
	z, err := zlib.NewWriterLevel(&rows, zlib.BestCompression)
	if err != nil {
		return nil, err
	}
	row := make([]byte, 1+side*channels*depth/8) // filter 0, then samples
	for range side {
		if _, err := z.Write(row); err != nil {
			return nil, err
		}
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	head := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, uint32(side)), uint32(side))
	file := []byte("\x89PNG\r\n\x1a\n")
	for _, c := range []struct {
		kind string
		data []byte
	}{{"IHDR", append(head, byte(depth), colour, 0, 0, 0)}, {"IDAT", rows.Bytes()}, {"IEND", nil}} {
		file = binary.BigEndian.AppendUint32(file, uint32(len(c.data)))
		body := append([]byte(c.kind), c.data...)
		file = binary.BigEndian.AppendUint32(append(file, body...), crc32.ChecksumIEEE(body))
	}
	return file, nil
}

// images sends a whole model large pictures from many clients at once, and fails where
// the server takes more memory or time than it may, or takes more than its queue.
func (b *bench) images(ctx context.Context, model string) error {
	for _, c := range []struct {
		what                  string
		side, depth, channels int
		patience              time.Duration // 0: none
		fits                  bool          // into the server's memory for images
	}{
		{"16 bits RGBA", 8192, 16, 4, imagePatience, false},
		{"8 bits RGB", 7000, 8, 3, imagePatience, true},
		{"8 bits RGB, no deadline", 7000, 8, 3, 0, true},
	} {
		file, err := blackPNG(c.side, c.depth, c.channels)
		if err != nil {
			return err
		}
		if err := b.atOnce(ctx, model, fmt.Sprintf("%d x %d, %s", c.side, c.side, c.what), file, c.patience, c.fits); err != nil {
			return err
		}
	}
	return nil
}

// atOnce is one case of images.
func (b *bench) atOnce(ctx context.Context, model, what string, file []byte, patience time.Duration, fits bool) (err error) {
	server, err := serving.Start(ctx, b.program, model, "--queue", strconv.Itoa(imageQueue))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.Stop()) }()
	name := bundle.Name(model)
	causes, slowest := map[string]int{}, time.Duration(0)
	var mu sync.Mutex
	var group sync.WaitGroup
	for range imageClients {
		remote, err := oip.Dial(server.Address, oip.DialOptions{})
		if err != nil {
			return err
		}
		defer remote.Close()
		group.Go(func() {
			q := &oip.Request{Model: name, Inputs: []oip.Tensor{{Name: serve.ImageInput, Value: tensor.Of([]int64{int64(len(file))}, file)}}}
			if patience > 0 { // told to the server only, so that the answer is its own
				q.Params = oip.Params{oip.ParamTimeout: patience.Microseconds()}
			}
			start := time.Now()
			_, err := remote.Infer(ctx, q)
			mu.Lock()
			defer mu.Unlock()
			slowest = max(slowest, time.Since(start))
			cause := "answered"
			if err != nil {
				cause = oip.CauseOf(err).String()
			}
			causes[cause]++
		})
	}
	group.Wait()
	peak := memoryOf(server.PID(), "VmHWM:")
	fmt.Printf("%d clients with a PNG of %s, %d bytes: %v, slowest %v, memory at most %d MB\n",
		imageClients, what, len(file), causes, slowest.Round(time.Millisecond), peak>>20)
	served := causes["answered"] + causes[oip.Deadline.String()]
	switch {
	case peak > imageMemory || peak == 0:
		return fmt.Errorf("%s: the server took %d MB, expected at most %d", what, peak>>20, imageMemory>>20)
	case patience > 0 && slowest > patience+imageLate:
		return fmt.Errorf("%s: an answer took %v, expected %v at most after %v", what, slowest, imageLate, patience)
	case fits && (causes[oip.Overloaded.String()] == 0 || served < imageQueue || served+causes[oip.Overloaded.String()] != imageClients):
		return fmt.Errorf("%s: %v, expected %d or more taken and the others refused as overloaded", what, causes, imageQueue)
	case !fits && causes[oip.TooLarge.String()]+causes[oip.Overloaded.String()] != imageClients:
		return fmt.Errorf("%s: %v, expected all refused as too large or overloaded", what, causes)
	}
	return nil
}

// memoryOf returns a field of /proc/PID/status in bytes, 0 where it cannot be read.
func memoryOf(pid int, field string) int64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(text), field)
	kb, err := strconv.ParseInt(strings.Fields(rest + " 0")[0], 10, 64)
	if err != nil {
		return 0
	}
	return kb << 10
}
