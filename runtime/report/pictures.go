package report

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Picture is an image with the answers of the whole model and of what was evaluated.
type Picture struct {
	Which     string  `json:"which"`
	Input     string  `json:"input"`
	Agreement float64 `json:"agreement"`
	File      string  `json:"file"` // below the working folder, or that of the evaluation's file
	png       []byte
}

// pngMagic begins every PNG (ISO/IEC 15948, 5.2).
const pngMagic = "\x89PNG\r\n\x1a\n"

// readPictures reads the pictures of an evaluation whose file is in dir.
func (e *Eval) readPictures(dir string) error {
	for i := range e.Pictures {
		p := &e.Pictures[i]
		var err error
		if p.png, err = os.ReadFile(p.File); errors.Is(err, fs.ErrNotExist) && !filepath.IsAbs(p.File) {
			p.png, err = os.ReadFile(filepath.Join(dir, p.File))
		}
		if err != nil {
			return fmt.Errorf("pictures[%d]: %w", i, err)
		}
		if !bytes.HasPrefix(p.png, []byte(pngMagic)) {
			return fmt.Errorf("pictures[%d]: %s is no PNG", i, p.File)
		}
	}
	return nil
}

// pictures show both answers of some images of each evaluation.
func (b *builder) pictures() Section {
	s := Section{ID: "pictures", Title: "What is seen", Text: []string{"The whole model's answer on the left, beside it that with the bottleneck: of the images on which the two agree worst, in the middle and best."}}
	for _, e := range b.Evals {
		for _, p := range e.Value.Pictures {
			title := fmt.Sprintf("%s, %s: %s, agreement %.2f", e.Value.Name, p.Which, p.Input, p.Agreement)
			s.Figures = append(s.Figures, Figure{Title: title, PNG: p.png, Text: title})
		}
	}
	return s
}
