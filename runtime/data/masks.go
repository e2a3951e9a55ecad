package data

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/bottlenet/bnc/internal/fault"
	"github.com/bottlenet/bnc/runtime/imagein"
)

// maskFolders are folders of masks, by those of their images: as many have them, VOC, ADE20K.
var maskFolders = []struct{ images, masks string }{
	{"images", "masks"}, {"images", "annotations"}, {"JPEGImages", "SegmentationClass"},
}

// maskParts are what the parts of a set are called below a folder of images.
var maskParts = map[Part][]string{Train: {"train", "training"}, Val: {"val", "validation"}}

// maskEnding is how names of masks end.
const maskEnding = ".png"

// Masked tells whether the items have masks: the class of every pixel.
func (s *Set) Masked() bool { return s.masked }

// Mask reads the mask of item i of a masked set: the class of each pixel of the upright
// picture. Errors name the file.
func (s *Set) Mask(i int) (*imagein.Mask, error) {
	return imagein.DecodeMaskFile(s.source.(maskedSource).mask(s.at(i)))
}

// maskedSource is a source whose items may have masks.
type maskedSource interface {
	source
	mask(i int) string // path
}

// mask returns the path of an item's mask.
func (f *files) mask(i int) string {
	e := f.entries[i]
	return filepath.Join(f.masks, f.folders[e.folder], maskOf(e.name))
}

func (m mapped) mask(i int) string { return m.set.source.(maskedSource).mask(m.set.at(i)) }

// maskOf is the name of an image's mask.
func maskOf(name string) string { return strings.TrimSuffix(name, filepath.Ext(name)) + maskEnding }

// openMasked opens a folder with a folder of images and one of masks, either of which may be
// divided; it returns nil where these are not there. Images without a mask are passed over.
func openMasked(path string, entries []fs.DirEntry, part Part) (*Set, error) {
	has := func(name string) bool {
		return slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return e.Name() == name && isFolder(path, e) })
	}
	for _, named := range maskFolders {
		if !has(named.images) || !has(named.masks) {
			continue
		}
		src := &files{root: filepath.Join(path, named.images), masks: filepath.Join(path, named.masks)}
		divided, err := src.divide(part)
		if err != nil {
			return nil, err
		}
		if err := src.add("", NoLabel, nil); err != nil {
			return nil, err
		}
		src.entries = slices.DeleteFunc(src.entries, func(e entry) bool {
			_, err := os.Stat(filepath.Join(src.masks, src.folders[e.folder], maskOf(e.name)))
			if err != nil {
				src.passed.maskless++
			}
			return err != nil
		})
		if len(src.entries) == 0 {
			return nil, fault.Unusable("%s: expected images, and for each a mask of its name as PNG in %s; found no image with one", src.root, src.masks)
		}
		set := &Set{source: src, passed: src.passed, masked: true}
		if divided {
			set.part = part
		}
		return set, nil
	}
	return nil, nil
}

// divide goes to a part, where images are divided.
func (f *files) divide(part Part) (divided bool, err error) {
	for _, p := range []Part{part, Train, Val} {
		for _, name := range maskParts[p] {
			stat, err := os.Stat(filepath.Join(f.root, name))
			if err != nil || !stat.IsDir() {
				continue
			}
			if p != part {
				return false, &NoPartError{f.root, part}
			}
			f.root, f.masks = filepath.Join(f.root, name), filepath.Join(f.masks, name)
			return true, nil
		}
	}
	return false, nil
}

// pairMasks takes the masks out of a flat folder in which most images have one beside them: a
// PNG of the image's name, where images are no PNG and every PNG is a mask. It tells whether
// that is so; images without a mask are passed over then.
func (f *files) pairMasks() bool {
	type place struct {
		folder int32
		name   string
	}
	masks := map[place]bool{}
	isMask := func(e entry) bool { return strings.HasSuffix(e.name, maskEnding) }
	for _, e := range f.entries {
		if isMask(e) {
			masks[place{e.folder, e.name}] = true
		}
	}
	without := func(e entry) bool { return !masks[place{e.folder, maskOf(e.name)}] }
	images := slices.DeleteFunc(slices.Clone(f.entries), isMask)
	lacking := 0
	for _, e := range images {
		if without(e) {
			lacking++
		}
	}
	if len(masks) == 0 || len(masks) != len(images)-lacking || lacking >= len(masks) {
		return false
	}
	f.entries = slices.DeleteFunc(images, without)
	f.passed.maskless += lacking
	f.masks = f.root
	return true
}
