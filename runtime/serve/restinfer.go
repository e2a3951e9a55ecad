package serve

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"net/http"
	"strconv"
	"time"

	"github.com/bottlenet/bnc/runtime/oip"
)

// infer answers POST .../infer.
func (t *restServer) infer(w http.ResponseWriter, r *http.Request) error {
	body, err := t.readBody(w, r)
	if err != nil {
		t.count(oip.CauseOf(err))
		return err
	}
	request, err := oip.DecodeREST(r.PathValue("name"), r.PathValue("version"), r.Header, body)
	if err != nil {
		t.count(oip.CauseOf(err))
		return err
	}
	ctx, cancel, err := withHeaderDeadline(r)
	if err != nil {
		t.count(oip.Invalid)
		return err
	}
	defer cancel()
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

// readBody returns a request's body, at most the limit's bytes of it.
func (t *restServer) readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	if encoding := r.Header.Get("Content-Encoding"); encoding != "" && encoding != "identity" {
		return nil, statusError{oip.Errorf(oip.Unsupported, "Content-Encoding %.40q: bodies are taken as they are; payloads are compressed already", encoding),
			http.StatusUnsupportedMediaType}
	}
	tooLarge := oip.Errorf(oip.TooLarge, "the body is larger than the %d bytes that this server takes", t.maxBody)
	if r.ContentLength > t.maxBody {
		return nil, tooLarge
	}
	// The length is only a claim: a large buffer is made once its bytes come.
	var body bytes.Buffer
	body.Grow(int(min(max(r.ContentLength, 0), 1<<20)) + bytes.MinRead)
	_, err := body.ReadFrom(http.MaxBytesReader(w, r.Body, t.maxBody))
	var exceeded *http.MaxBytesError
	switch {
	case errors.As(err, &exceeded):
		return nil, tooLarge
	case err != nil:
		return nil, oip.Errorf(oip.Invalid, "the body ended after %d bytes: %v", body.Len(), err)
	}
	return body.Bytes(), nil
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
