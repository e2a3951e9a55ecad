package predict

import (
	"bytes"
	"fmt"
	"image"
	"image/png"
	"os"
	"path/filepath"
	"strings"

	"github.com/bottlenet/bnc/internal/files"
	"github.com/bottlenet/bnc/runtime/draw"
	"github.com/bottlenet/bnc/runtime/imagein"
	"github.com/bottlenet/bnc/runtime/tensor"
)

// Keeper writes results into folders, which it makes.
type Keeper struct {
	Draw   string // for pictures with what is seen of them, NAME.png; "" for none
	Save   string // for outputs, NAME.OUTPUT.npy; "" for none
	Orient bool   // pictures are turned as their EXIF orientation says
	// Notice is told what cannot be kept.
	Notice func(format string, args ...any)

	taken map[string]bool // names of inputs
}

// Open makes the folders.
func (k *Keeper) Open() error {
	k.taken = map[string]bool{}
	for _, dir := range []string{k.Draw, k.Save} {
		if dir == "" {
			continue
		}
		if err := os.MkdirAll(dir, 0o777); err != nil {
			return err
		}
	}
	return nil
}

// Keep writes what is to be kept of a result.
func (k *Keeper) Keep(r *Result) error {
	name := k.name(r.Input)
	if k.Save != "" {
		for _, out := range r.Outputs {
			if out.Tensor == nil || out.Tensor.DType == tensor.String {
				k.Notice("output %q of %s is no array of numbers: it is not saved", out.Name, r.Input)
				continue
			}
			var b bytes.Buffer
			if err := tensor.WriteNPY(&b, out.Tensor); err != nil {
				return fmt.Errorf("output %q of %s: %w", out.Name, r.Input, err)
			}
			if err := files.Write(filepath.Join(k.Save, name+"."+safe(out.Name)+".npy"), b.Bytes()); err != nil {
				return err
			}
		}
	}
	if k.Draw == "" {
		return nil
	}
	picture, err := k.picture(r)
	if err != nil {
		return err
	}
	if picture == nil {
		k.Notice("%s is no picture: nothing is drawn", r.Input)
		return nil
	}
	var b bytes.Buffer
	if err := png.Encode(&b, draw.Answer(picture, r.Frame, r.Seen, r.Lines())); err != nil {
		return err
	}
	return files.Write(filepath.Join(k.Draw, name+".png"), b.Bytes())
}

// picture returns the upright picture of a result's input, nil for a tensor whose answer is
// no picture either.
func (k *Keeper) picture(r *Result) (image.Image, error) {
	if r.Seen.Image != nil {
		return r.Seen.Image, nil
	}
	if !imagein.IsImage(r.File) {
		return nil, nil
	}
	img, err := imagein.DecodeFile(r.File)
	if o, ok := img.(*imagein.Oriented); ok && !k.Orient {
		return o.Raw, err
	}
	return img, err
}

// name returns a name for an input's files, another for each input.
func (k *Keeper) name(input string) string {
	base := filepath.Base(input)
	stem := safe(strings.TrimSuffix(base, filepath.Ext(base)))
	name := stem
	for i := 2; k.taken[name]; i++ {
		name = fmt.Sprintf("%s-%d", stem, i)
	}
	k.taken[name] = true
	return name
}

// safe returns a name that every file system takes.
func safe(name string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || strings.ContainsRune(`/\:*?"<>|`, r) {
			return '_'
		}
		return r
	}, name)
}
