package serve

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/png"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/bottlenet/bnc/internal/rttest"
	"github.com/bottlenet/bnc/runtime/oip"
	"github.com/bottlenet/bnc/runtime/tensor"
)

// imageRequest asks the model "whole" about a PNG file of that size.
func imageRequest(t *testing.T, width, height int) *oip.Request {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewNRGBA(image.Rect(0, 0, width, height))); err != nil {
		t.Fatal(err)
	}
	return &oip.Request{Model: "whole", Inputs: []oip.Tensor{{Name: ImageInput, Value: tensor.Of([]int64{int64(b.Len())}, b.Bytes())}}}
}

func images32(t *testing.T, opts Options) *Repository {
	t.Helper()
	opts.Session.Threads = 1
	r := NewRepository(opts)
	if err := r.Load("whole", rttest.Data("whole.onnx")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return r
}

// waiting tells how long a queue is.
type waiting struct {
	unobserved
	length chan int
}

func (w waiting) Queue(_ string, n int) { w.length <- n }

// An image that is still to be decoded has its place in the queue: with room for one,
// the second is refused while the first waits for memory, and the first ends with its
// deadline.
func TestImagesWaitInQueue(t *testing.T) {
	w := waiting{length: make(chan int, 100)}
	r := images32(t, Options{Queue: 1, Observe: w, Memory: 1 << 20})
	hold, err := r.pictures.memory.wait(t.Context(), 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	first, second := make(chan error, 1), make(chan error, 1)
	go func() {
		_, err := r.Infer(ctx, imageRequest(t, 32, 32))
		first <- err
	}()
	for n := range w.length {
		if n == 1 {
			break
		}
	}
	if _, err := r.Infer(t.Context(), imageRequest(t, 32, 32)); oip.CauseOf(err) != oip.Overloaded {
		t.Errorf("with a full queue: %v", err)
	}
	if err := <-first; oip.CauseOf(err) != oip.Deadline {
		t.Errorf("after its deadline: %v", err)
	}
	// Its place is free again.
	go func() {
		_, err := r.Infer(t.Context(), imageRequest(t, 32, 32))
		second <- err
	}()
	for n := range w.length {
		if n == 1 {
			break
		}
	}
	hold.release()
	if err := <-second; err != nil {
		t.Error(err)
	}
	if err := r.pictures.memory.free.Acquire(within(t), 1<<20); err != nil {
		t.Error("memory is not given back")
	}
}

// What decoding takes is refused before it is decoded, by pixels and by memory.
func TestImageLimits(t *testing.T) {
	r := images32(t, Options{MaxPixels: 5000, Memory: 10_000})
	for _, c := range []struct {
		width, height int
		words         string // "" is answered
	}{{40, 50, ""}, {50, 50, ""}, {50, 51, "10200 bytes of memory, this server has 10000"}, {71, 71, "71 x 71 pixels are more than the 5000"}} {
		_, err := r.Infer(t.Context(), imageRequest(t, c.width, c.height))
		if c.words == "" && err != nil || c.words != "" && (oip.CauseOf(err) != oip.TooLarge || !strings.Contains(err.Error(), c.words)) {
			t.Errorf("%d x %d: %v, expected %q", c.width, c.height, err, c.words)
		}
	}
}

// unread is a body that nobody may read.
type unread struct{ t *testing.T }

func (u unread) Read([]byte) (int, error) {
	u.t.Error("a byte of the body was read")
	return 0, io.EOF
}

// What is known before a body is read is told before: that the model is not there,
// here without the network, which would read a little ahead.
func TestBodyOfUnknownModel(t *testing.T) {
	f := &front{Service: &stub{}, maxBody: 1 << 20, bodies: newBudget(1 << 20)}
	rest := &restServer{front: f, limits: defaultLimits}
	request, err := http.NewRequest("POST", "/v2/models/x/infer", unread{t})
	if err != nil {
		t.Fatal(err)
	}
	request.ContentLength = 1 << 20
	request.SetPathValue("name", "x")
	if err := rest.infer(nil, request); oip.CauseOf(err) != oip.NotFound {
		t.Errorf("%v", err)
	}
}

// endless is a body that comes in pieces: what is read of it is held.
type endless struct{ left int }

func (e *endless) Read(p []byte) (int, error) {
	if e.left == 0 {
		return 0, io.EOF
	}
	n := min(len(p), e.left, 5000)
	e.left -= n
	return n, nil
}

// Bodies together take no more than the budget, whatever they say of their length,
// and what is refused or done gives all back.
func TestBodiesShareMemory(t *testing.T) {
	const size = 1 << 20
	for _, length := range []int64{-1, 300_000} {
		b := newBudget(size)
		var claims []*claim
		refused := 0
		for range 12 {
			c := &claim{of: b}
			body, err := readAll(&endless{300_000}, length, size, c)
			switch {
			case err == nil && len(body) == 300_000 && c.held >= int64(cap(body)):
				claims = append(claims, c)
			case oip.CauseOf(err) == oip.Overloaded:
				refused++
				c.release()
			default:
				t.Errorf("%d bytes, %d held, %v", len(body), c.held, err)
			}
		}
		// Three fit in: 300 kB each, or 512 kB where the length was not known, of
		// which one has to be read while the others are there.
		if len(claims) == 0 || len(claims) > 3 || len(claims)+refused != 12 {
			t.Errorf("length %d: %d read, %d refused", length, len(claims), refused)
		}
		for _, c := range claims {
			c.release()
			c.release()
		}
		if !b.free.TryAcquire(size) {
			t.Errorf("length %d: memory is not given back", length)
		}
	}
	c := &claim{of: newBudget(size)}
	if _, err := readAll(&endless{2 * size}, 2*size, size, c); !errors.Is(err, errTooLong) {
		t.Errorf("too long: %v", err)
	}
}

// Over the network: while one request is in the service the next finds no memory, and
// both transports say that it may come again.
func TestMemoryIsShared(t *testing.T) {
	service := newHeld()
	r := start(t, service, ServerOptions{Memory: 1000})
	first := make(chan int, 1)
	body := inferJSON + strings.Repeat(" ", 500) // of JSON, four times its length
	go func() { first <- call(t, http.DefaultClient, "POST", r.url("/v2/models/m/infer"), body).status }()
	<-service.entered
	if a := call(t, http.DefaultClient, "POST", r.url("/v2/models/m/infer"), body); a.status != 429 || !strings.Contains(a.failure(), "1000 bytes") {
		t.Errorf("REST: status %d, %s", a.status, a.body)
	}
	remote, err := oip.Dial("grpc://"+r.GRPCAddr(), oip.DialOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer remote.Close()
	ask := func() error {
		_, err := remote.Infer(t.Context(), &oip.Request{Model: "m", Inputs: []oip.Tensor{{Name: "payload", Value: tensor.Of([]int64{900}, make([]byte, 900))}}})
		return err
	}
	if err := ask(); oip.CauseOf(err) != oip.Overloaded {
		t.Errorf("gRPC: %v", err)
	}
	close(service.release)
	if status := <-first; status != 200 {
		t.Errorf("the first: status %d", status)
	}
	if err := ask(); err != nil {
		t.Errorf("gRPC, afterwards: %v", err)
	}
}

// A proxy's time counts from the first byte: a body that does not come ends with it.
func TestDeadlineWhileReading(t *testing.T) {
	r := start(t, &stub{}, ServerOptions{}, func(l *limits) { l.linger = 50 * time.Millisecond })
	head := fmt.Sprintf("POST /v2/models/m/infer HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n%s: 20\r\n\r\n", headerDeadline)
	if status := sendRaw(t, r.HTTPAddr(), head, 3); status != 504 {
		t.Errorf("status %d, expected 504", status)
	}
}
