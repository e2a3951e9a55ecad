package split

import (
	"cmp"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"unicode"

	"github.com/bottlenet/bnc/compiler/cut"
	"github.com/bottlenet/bnc/internal/fault"
	"github.com/bottlenet/bnc/passes/bottleneck"
	"github.com/bottlenet/bnc/passes/convert"
)

// Request is what is asked of a split. Zero values stand for the defaults; Check puts them
// in, and finds what cannot be, in errors that name options as package fault says.
type Request struct {
	Channels     []bottleneck.Channels // that cross: one number for all tensors, or one for each; none for 1
	Strides      []int                 // 1 to 4, as many; 0 for 2, or 1 where height or width is 1, as none is
	Bits         int                   // of the quantiser, 2 to 8; 0 for 8
	Quality      int                   // of a codec that has one, 1 to 100; 0 for the codec's own
	Codec        string                // one of bottleneck.Codecs; "" for JPEG
	VariableRate bool                  // each record tells its own quality
	Range        string                // static or dynamic; "" for static where Calibrated, else dynamic
	CodecAt      string                // one of the Codec constants; "" for the target's, else CodecInGraph
	RestoreWidth int                   // 0 for none
	Target       string                // one of convert.Targets; "" for the default
	FP16, Plain  bool
	Seed         uint64
	Calibrated   bool // there are images to calibrate on
}

// meaningless names an option that is given and has no meaning for a plain split, "" for
// none.
func (r *Request) meaningless() string {
	for _, x := range []struct {
		option string
		given  bool
	}{
		{"c", len(r.Channels) > 0}, {"s", len(r.Strides) > 0}, {"bits", r.Bits != 0}, {"quality", r.Quality != 0}, {"variable_rate", r.VariableRate}, {"range", r.Range != ""},
		{"codec_at", r.CodecAt != ""}, {"restore_width", r.RestoreWidth != 0}, {"fp16", r.FP16}, {"calib", r.Calibrated}, {"target", r.Target != ""},
	} {
		if x.given {
			return x.option
		}
	}
	return ""
}

// Check finds wrong usage before any work, and replaces zero values by the defaults.
func (r *Request) Check() error {
	given := *r
	target, _ := convert.TargetNamed(r.Target)
	target.CodecAt = cmp.Or(target.CodecAt, bottleneck.CodecInGraph)
	r.Bits, r.Codec = cmp.Or(r.Bits, 8), cmp.Or(r.Codec, bottleneck.DefaultCodec)
	if len(r.Channels) == 0 {
		r.Channels = []bottleneck.Channels{1}
	}
	if len(r.Strides) == 0 {
		r.Strides = []int{0}
	}
	r.CodecAt, r.Target = cmp.Or(r.CodecAt, target.CodecAt), cmp.Or(r.Target, convert.Targets()[0])
	for _, c := range []struct {
		option, value string
		known         []string
	}{
		{"codec", r.Codec, bottleneck.Codecs()},
		{"range", r.Range, []string{"", "static", "dynamic"}},
		{"codec_at", r.CodecAt, []string{bottleneck.CodecInGraph, bottleneck.CodecOnDeviceHost, bottleneck.CodecOnHost}},
		{"target", r.Target, convert.Targets()},
	} {
		if err := fault.OneOf(c.option, c.value, c.known...); err != nil {
			return err
		}
	}
	for _, n := range r.Channels {
		if n < 1 && n != bottleneck.Full {
			return fault.Usage("c", `"%d": expected a number from 1 on, or %v`, int(n), bottleneck.Full)
		}
	}
	for _, s := range r.Strides {
		if s < 0 || s > 4 {
			return fault.Usage("s", "%d: expected 1 to 4", s)
		}
	}
	codec, err := r.codec()
	if err != nil {
		return err
	}
	if codec.HasQuality() {
		r.Quality = int(codec.Number("quality"))
	}
	switch {
	case given.Quality != 0 && !codec.HasQuality():
		return fault.Usage("quality", "has no meaning for codec %s, which has none", codec.Name)
	case r.Bits < 2 || r.Bits > 8:
		return fault.Usage("bits", "%d: expected 2 to 8", r.Bits)
	case codec.HasQuality() && (r.Quality < 1 || r.Quality > 100):
		return fault.Usage("quality", "%d: expected 1 to 100", r.Quality)
	case r.RestoreWidth < 0:
		return fault.Usage("restore_width", "%d: expected 0 or more", r.RestoreWidth)
	case r.Range == "static" && !r.Calibrated:
		return fault.Usage("range", "static needs option calib DATA: a static range comes from real images")
	case target.Reason != "" && r.CodecAt != target.CodecAt:
		return fault.Usage("target", "%s implies option codec_at %s: %s", target.Name, target.CodecAt, target.Reason)
	}
	if option := given.meaningless(); r.Plain && option != "" {
		return fault.Usage(option, "has no meaning with option plain")
	}
	return nil
}

// codec is the codec of all tensors, until it is fitted to them.
func (r *Request) codec() (bottleneck.Codec, error) {
	codec, err := bottleneck.CodecNamed(r.Codec, r.Quality)
	if err != nil {
		return codec, fault.Usage("codec", ": %w", err)
	}
	if r.VariableRate && !r.Plain {
		if codec, err = codec.ManyRates(); err != nil {
			err = fault.Usage("variable_rate", ": %w", err)
		}
	}
	return codec, err
}

// Settings are those of a split at c.
func (r *Request) Settings(c *cut.Cut) (Settings, error) {
	if r.Plain {
		return Settings{Plain: true}, nil
	}
	for _, x := range []struct {
		option string
		given  int
	}{{"c", len(r.Channels)}, {"s", len(r.Strides)}} {
		if n := len(c.Tensors); x.given != 1 && x.given != n {
			return Settings{}, fault.Usage(x.option, "has %d numbers, and %d tensors cross (%s): give one number for all, or one for each", x.given, n, c.Tensor())
		}
	}
	geometries, err := bottleneck.Geometries(c, sizes(r.Channels), sizes(r.Strides))
	if err != nil {
		return Settings{}, fault.Unusable("%w", err)
	}
	for i := range geometries {
		geometries[i].Width, geometries[i].Seed = int64(r.RestoreWidth), r.Seed
	}
	codec, err := r.codec()
	if err != nil {
		return Settings{}, err
	}
	dynamic := r.Range == "dynamic" || r.Range == "" && !r.Calibrated
	settings := Settings{
		Tensors: Bottlenecks(geometries, bottleneck.Quantiser{Bits: r.Bits, Dynamic: dynamic}, codec),
		CodecAt: r.CodecAt, FP16: r.FP16, Target: r.Target,
	}
	return settings, settings.Fit()
}

// sizes are numbers as geometries have them: 0 for all channels, and for a stride's default.
func sizes[T ~int](numbers []T) (all []int64) {
	for _, n := range numbers {
		all = append(all, int64(max(n, 0)))
	}
	return all
}

// Place names a cut of a model for files: MODEL-CUT, with the cut as it was asked for where that
// makes a plain file name.
func Place(model, after string, c *cut.Cut) string {
	name := c.Name()
	if after == c.ID {
		name = c.ID
	}
	return strings.TrimSuffix(filepath.Base(model), filepath.Ext(model)) + "-" + fileName(name)
}

// Name is what a bundle is called where nothing else is said: MODEL-CUT-cC-sS.
func (r *Request) Name(model, after string, c *cut.Cut, s Settings) string {
	name := Place(model, after, c)
	if r.Plain {
		return name + "-plain"
	}
	var strides []int64
	for _, t := range s.Tensors {
		strides = append(strides, t.Stride)
	}
	return fmt.Sprintf("%s-c%s-s%s", name, sizeName(r.Channels), sizeName(strides))
}

// sizeName joins the numbers of several tensors with x, one where all are the same.
func sizeName[T comparable](numbers []T) string {
	if len(slices.Compact(slices.Clone(numbers))) == 1 {
		numbers = numbers[:1]
	}
	var words []string
	for _, n := range numbers {
		words = append(words, fmt.Sprint(n))
	}
	return strings.Join(words, "x")
}

// fileName is a cut's name without what does not belong into names of files, as the names
// of tensors that several together are called by have it.
func fileName(cut string) string {
	const most = 60
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune("+-_.", r) || r < unicode.MaxASCII && (unicode.IsLetter(r) || unicode.IsDigit(r)) {
			return r
		}
		return '_'
	}, cut[:min(len(cut), most)])
}
