package onnx

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"

	"github.com/bottlenet/bnc/compiler/ir"
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

// Save writes m to path. Both the model and its external data go to temporary
// names first and are renamed when they are complete.
func Save(path string, m *ir.Model, o SaveOptions) (err error) {
	body := (&encoder{}).model(m)
	var ext *externalWriter
	if o.External || body.size > protoLimit {
		ext = &externalWriter{location: filepath.Base(path) + ".data"}
		body = (&encoder{ext}).model(m)
		if body.size > protoLimit {
			return fmt.Errorf("%s: the graph alone has %d bytes, more than a protocol buffer message can", path, body.size)
		}
	}
	out, err := newFileWriter(path)
	if err != nil {
		return err
	}
	defer out.discard()
	if err := out.parts(body.parts); err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	if ext != nil && len(ext.parts) > 0 {
		data, err := newFileWriter(path + ".data")
		if err != nil {
			return err
		}
		defer data.discard()
		if err := data.parts(ext.parts); err != nil {
			return fmt.Errorf("writing %s.data: %w", path, err)
		}
		if err := data.commit(); err != nil {
			return err
		}
	}
	if o.Late != nil {
		if err := o.Late(); err != nil {
			return err
		}
	}
	if _, err := out.Write(metadata(m)); err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	return out.commit()
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

// fileWriter writes a file under a temporary name.
type fileWriter struct {
	path string
	f    *os.File
	buf  *bufio.Writer
}

func newFileWriter(path string) (*fileWriter, error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*.tmp")
	if err != nil {
		return nil, err
	}
	if err := f.Chmod(0o644); err != nil {
		f.Close()
		return nil, err
	}
	return &fileWriter{path: path, f: f, buf: bufio.NewWriterSize(f, 1<<18)}, nil
}

func (w *fileWriter) Write(b []byte) (int, error) { return w.buf.Write(b) }

func (w *fileWriter) parts(parts []ir.Data) error {
	for _, p := range parts {
		if _, err := p.WriteTo(w); err != nil {
			return err
		}
	}
	return nil
}

// copySpan copies inside the kernel where the system can.
func (w *fileWriter) copySpan(s span) error {
	if s.n < 1<<16 {
		_, err := io.Copy(w.buf, io.NewSectionReader(s.f, s.off, s.n))
		return err
	}
	if err := w.buf.Flush(); err != nil {
		return err
	}
	done, err := copyRange(w.f, s)
	if err != nil || done == s.n {
		return err
	}
	rest := span{s.f, s.off + done, s.n - done}
	n, err := io.CopyBuffer(struct{ io.Writer }{w.f}, io.NewSectionReader(rest.f, rest.off, rest.n), make([]byte, 1<<18))
	if err == nil && n != rest.n {
		err = fmt.Errorf("%s: %w", s.f.Name(), io.ErrUnexpectedEOF)
	}
	return err
}

func (w *fileWriter) commit() error {
	if err := w.buf.Flush(); err != nil {
		return fmt.Errorf("writing %s: %w", w.path, err)
	}
	if err := w.f.Close(); err != nil {
		return fmt.Errorf("writing %s: %w", w.path, err)
	}
	if err := os.Rename(w.f.Name(), w.path); err != nil {
		return err
	}
	w.f = nil
	return nil
}

// discard removes what was not committed.
func (w *fileWriter) discard() {
	if w.f != nil {
		w.f.Close()
		os.Remove(w.f.Name())
	}
}
