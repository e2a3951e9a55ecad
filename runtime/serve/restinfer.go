package serve

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/bottlenet/bnc/runtime/oip"
)

// infer answers POST .../infer.
func (t *restServer) infer(w http.ResponseWriter, r *http.Request) error {
	ctx, cancel, err := withHeaderDeadline(r)
	if err != nil {
		t.count(oip.Invalid)
		return err
	}
	defer cancel()
	memory := &claim{of: t.bodies}
	defer memory.release()
	request, err := t.request(ctx, w, r, memory)
	if err != nil {
		t.count(oip.CauseOf(err))
		return err
	}
	response, err := t.Infer(ctx, request)
	if err != nil {
		return err
	}
	header, body, err := oip.EncodeREST(response, request)
	if err != nil {
		return err
	}
	maps.Copy(w.Header(), header)
	t.send(w, http.StatusOK, body)
	return nil
}

// jsonCost is how many bytes of memory a byte of JSON takes when it is decoded: as
// text, as the text of its parts, and as numbers.
const jsonCost = 4

// request reads and decodes a request for a model that is there, taking memory for
// it. It ends with ctx.
func (t *restServer) request(ctx context.Context, w http.ResponseWriter, r *http.Request, memory *claim) (*oip.Request, error) {
	name, version := r.PathValue("name"), r.PathValue("version")
	if err := t.ModelReady(ctx, name, version); err != nil {
		return nil, err
	}
	body, err := t.readBody(ctx, w, r, memory)
	if err != nil {
		return nil, err
	}
	if r.Header.Get(oip.HeaderLength) == "" {
		if err := memory.grow(jsonCost * int64(len(body))); err != nil {
			return nil, err
		}
	}
	return oip.DecodeREST(name, version, r.Header, body)
}

// errTooLong is the end of a body at the server's limit.
var errTooLong = errors.New("too long")

// readBody returns a request's body, at most the limit's bytes of it.
func (t *restServer) readBody(ctx context.Context, w http.ResponseWriter, r *http.Request, memory *claim) ([]byte, error) {
	if encoding := r.Header.Get("Content-Encoding"); encoding != "" && encoding != "identity" {
		return nil, statusError{oip.Errorf(oip.Unsupported, "Content-Encoding %.40q: bodies are taken as they are; payloads are compressed already", encoding),
			http.StatusUnsupportedMediaType}
	}
	tooLarge := oip.Errorf(oip.TooLarge, "the body is larger than the %d bytes that this server takes", t.maxBody)
	if r.ContentLength > t.maxBody {
		return nil, tooLarge
	}
	deadline, limited := ctx.Deadline()
	if limited {
		control := http.NewResponseController(w)
		control.SetReadDeadline(deadline)
		defer control.SetReadDeadline(time.Time{}) // what watches whether the client is there goes on
	}
	body, err := readAll(r.Body, r.ContentLength, t.maxBody, memory)
	var refused *oip.Error
	switch {
	case errors.Is(err, errTooLong):
		return nil, tooLarge
	case errors.As(err, &refused):
		return nil, err
	case limited && errors.Is(err, os.ErrDeadlineExceeded):
		return nil, context.DeadlineExceeded
	case err != nil:
		return nil, oip.Errorf(oip.Invalid, "the body ended after %d bytes: %v", len(body), err)
	}
	return body, nil
}

// withHeaderDeadline returns the request's context, ending when a proxy says
// that it waits no longer.
func withHeaderDeadline(r *http.Request) (context.Context, context.CancelFunc, error) {
	text := r.Header.Get(headerDeadline)
	if text == "" {
		return r.Context(), func() {}, nil
	}
	millis, err := strconv.ParseUint(text, 10, 31)
	if err != nil {
		return nil, nil, oip.Errorf(oip.Invalid, "header %s: expected milliseconds, found %.40q", headerDeadline, text)
	}
	ctx, cancel := context.WithTimeout(r.Context(), time.Duration(millis)*time.Millisecond)
	return ctx, cancel, nil
}
