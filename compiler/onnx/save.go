package onnx

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"path/filepath"

	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/internal/files"
)

// SaveOptions say how Save writes.
type SaveOptions struct {
	// External puts large constants into FILE.data beside the model. It happens
	// by itself where the model would pass 2 GB, the limit of protocol buffers.
	External bool
	// Late is called when everything but the metadata is written, so that what
	// it adds (a hash of the source, say) can be computed meanwhile.
	Late func() error
}

const (
	// externalLimit is the size from which a constant may leave the model file.
	// Smaller ones stay: readers want shapes without opening another file.
	externalLimit = 1024
	// externalAlign lets a reader map each constant by itself.
	externalAlign = 4096
	// protoLimit is the largest protocol buffer message, with room for metadata.
	protoLimit = math.MaxInt32 - 1<<20
)

// Save writes m to path, whole or not at all: model and external data change together,
// when nothing can fail any more. It ends early with ctx.
func Save(ctx context.Context, path string, m *ir.Model, o SaveOptions) (err error) {
	out, err := newFileWriter(ctx, path)
	if err != nil {
		return err
	}
	defer out.file.Discard()
	body := (&encoder{}).model(m)
	var ext *externalWriter
	if o.External || body.size > protoLimit {
		ext = &externalWriter{location: filepath.Base(out.file.Path) + ".data"}
		body = (&encoder{ext}).model(m)
		if body.size > protoLimit {
			return fmt.Errorf("%s: the graph alone has %d bytes, more than a protocol buffer message can", path, body.size)
		}
	}
	if err := out.parts(body.parts); err != nil {
		return err
	}
	written := []*files.File{out.file}
	if ext != nil && len(ext.parts) > 0 {
		data, err := newFileWriter(ctx, out.file.Path+".data")
		if err != nil {
			return err
		}
		defer data.file.Discard()
		if err := errors.Join(data.parts(ext.parts), data.flush()); err != nil {
			return err
		}
		written = []*files.File{data.file, out.file}
	}
	if o.Late != nil {
		if err := o.Late(); err != nil {
			return err
		}
	}
	if _, err := out.Write(metadata(m)); err != nil {
		return err
	}
	if err := out.flush(); err != nil {
		return err
	}
	return files.Commit(written...)
}

// Marshal returns the bytes that Save would write, all constants included.
func Marshal(m *ir.Model) ([]byte, error) {
	var b bytes.Buffer
	for _, p := range (&encoder{}).model(m).parts {
		if _, err := p.WriteTo(&b); err != nil {
			return nil, err
		}
	}
	b.Write(metadata(m))
	return b.Bytes(), nil
}

// externalWriter collects the constants of FILE.data.
type externalWriter struct {
	location string
	size     int64
	parts    []ir.Data
}

// add returns the offset at which d will be.
func (w *externalWriter) add(d ir.Data) int64 {
	if gap := -w.size & (externalAlign - 1); gap > 0 {
		w.parts = append(w.parts, ir.Memory(make([]byte, gap)))
		w.size += gap
	}
	off := w.size
	w.parts = append(w.parts, d)
	w.size += d.Size()
	return off
}

// fileWriter writes a file until its context ends.
type fileWriter struct {
	ctx  context.Context
	file *files.File
	buf  *bufio.Writer
}

func newFileWriter(ctx context.Context, path string) (*fileWriter, error) {
	f, err := files.Create(path)
	if err != nil {
		return nil, err
	}
	return &fileWriter{ctx, f, bufio.NewWriterSize(f, 1<<18)}, nil
}

func (w *fileWriter) Write(b []byte) (int, error) {
	if err := context.Cause(w.ctx); err != nil {
		return 0, err
	}
	n, err := w.buf.Write(b)
	return n, w.failed(err)
}

func (w *fileWriter) flush() error { return w.failed(w.buf.Flush()) }

// failed says of an error what was being written.
func (w *fileWriter) failed(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("writing %s: %w", w.file.Path, err)
}

func (w *fileWriter) parts(parts []ir.Data) error {
	for _, p := range parts {
		if err := context.Cause(w.ctx); err != nil {
			return err
		}
		if _, err := p.WriteTo(w); err != nil {
			return err
		}
	}
	return nil
}

// copyPiece is how much is copied before the context is looked at again.
const copyPiece = 1 << 26

// copyFileRange copies inside the kernel where the system can.
func (w *fileWriter) copyFileRange(s fileRange) error {
	if s.n < 1<<16 {
		_, err := io.Copy(w.buf, io.NewSectionReader(s.f, s.off, s.n))
		return w.failed(err)
	}
	if err := w.flush(); err != nil {
		return err
	}
	for end := s.off + s.n; s.off < end; s.off += copyPiece {
		if err := context.Cause(w.ctx); err != nil {
			return err
		}
		if err := w.copyPiece(fileRange{s.f, s.off, min(end-s.off, copyPiece)}); err != nil {
			return w.failed(err)
		}
	}
	return nil
}

func (w *fileWriter) copyPiece(s fileRange) error {
	done, err := copyRange(w.file.File, s)
	if err != nil || done == s.n {
		return err
	}
	rest := fileRange{s.f, s.off + done, s.n - done}
	n, err := io.CopyBuffer(struct{ io.Writer }{w.file.File}, io.NewSectionReader(rest.f, rest.off, rest.n), make([]byte, 1<<18))
	if err == nil && n != rest.n {
		err = fmt.Errorf("%s: %w", s.f.Name(), io.ErrUnexpectedEOF)
	}
	return err
}
