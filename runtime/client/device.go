package client

import (
	"context"
	"errors"
	"sync"

	"github.com/bottlenet/bnc/runtime/bundle"
	"github.com/bottlenet/bnc/runtime/ort"
)

// device computes a model's parts in this process.
type device interface {
	// mobile computes what crosses at a rate, by the names of the cloud graph's inputs,
	// and the outputs that are computed before the cut.
	mobile(ctx context.Context, feed ort.Feed, rate bundle.Rate) (crossing ort.Feed, early ort.Results, err error)
	// cloud computes the rest from what would have crossed.
	cloud(ctx context.Context, crossing ort.Feed) (ort.Results, error)
	close() error
}

// halves is a bundle: the mobile half loaded, the cloud half when it is needed.
type halves struct {
	bundle *bundle.Bundle
	opts   ort.Options
	front  *bundle.Mobile

	mu   sync.Mutex
	back *bundle.Cloud
}

func openHalves(b *bundle.Bundle, opts ort.Options) (*halves, error) {
	front, err := b.OpenMobile(opts)
	if err != nil {
		return nil, err
	}
	return &halves{bundle: b, opts: opts, front: front}, nil
}

func (h *halves) mobile(ctx context.Context, feed ort.Feed, rate bundle.Rate) (ort.Feed, ort.Results, error) {
	return h.front.RunAt(ctx, feed, rate)
}

func (h *halves) cloud(ctx context.Context, crossing ort.Feed) (ort.Results, error) {
	back, err := h.load()
	if err != nil {
		return nil, err
	}
	return back.Run(ctx, crossing)
}

// load opens the cloud half unless that has been done.
func (h *halves) load() (*bundle.Cloud, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.back == nil {
		back, err := h.bundle.OpenCloud(h.opts)
		if err != nil {
			return nil, err
		}
		h.back = back
	}
	return h.back, nil
}

func (h *halves) close() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	err := h.front.Close()
	if h.back != nil {
		err = errors.Join(err, h.back.Close())
	}
	return err
}

// whole is a model that is not divided: everything is the cloud's, and its
// inputs are what crosses. It is loaded when it is first run here.
type whole struct {
	path string
	opts ort.Options

	mu      sync.Mutex
	session *ort.Session
}

func (w *whole) mobile(_ context.Context, feed ort.Feed, _ bundle.Rate) (ort.Feed, ort.Results, error) {
	return feed, nil, nil
}

func (w *whole) cloud(ctx context.Context, feed ort.Feed) (ort.Results, error) {
	session, err := w.load()
	if err != nil {
		return nil, err
	}
	return session.Run(ctx, feed)
}

func (w *whole) load() (*ort.Session, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.session == nil {
		session, err := ort.Open(w.path, w.opts)
		if err != nil {
			return nil, err
		}
		w.session = session
	}
	return w.session, nil
}

func (w *whole) close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.session == nil {
		return nil
	}
	return w.session.Close()
}
