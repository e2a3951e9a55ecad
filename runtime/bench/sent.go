package bench

import (
	"context"
	"time"

	"github.com/bottlenet/bnc/internal/fault"
	"github.com/bottlenet/bnc/runtime/bundle"
	"github.com/bottlenet/bnc/runtime/imagecodec"
	"github.com/bottlenet/bnc/runtime/model"
	"github.com/bottlenet/bnc/runtime/oip"
)

// InputCodecs are the codecs that images can be sent as.
func InputCodecs() (names []string) {
	for _, c := range imagecodec.All() {
		if !c.Lossless {
			names = append(names, c.Name)
		}
	}
	return names
}

// sent is how images are sent by option input_codec: each codec at its quality, or where
// there is one of either, that with each of the other.
func (o Options) sent() (all []imagecodec.Sent, err error) {
	codecs, qualities := o.InputCodec, o.Quality
	switch {
	case len(codecs) == 0 && len(qualities) == 0:
		return nil, nil
	case len(codecs) == 0:
		return nil, fault.Usage("quality", "is of images that are sent: which option input_codec are they sent as?")
	case len(codecs) != len(qualities) && len(codecs) > 1 && len(qualities) > 1:
		return nil, fault.Usage("quality", "has %d values for %d codecs of option input_codec: expected one for each, or one of either", len(qualities), len(codecs))
	case o.Cloud != "":
		return nil, fault.Usage("input_codec", "is decoded by the server in this process, and a server of option cloud takes JPEG and PNG only: leave either out; option jpeg_bytes is for both")
	}
	if len(qualities) == 0 {
		qualities = []int{imagecodec.DefaultQuality}
	}
	for i := range max(len(codecs), len(qualities)) {
		name, quality := codecs[min(i, len(codecs)-1)], qualities[min(i, len(qualities)-1)]
		if err := fault.OneOf("input_codec", name, InputCodecs()...); err != nil {
			return nil, err
		}
		if quality < 1 || quality > 100 {
			return nil, fault.Usage("quality", "%d: expected 1 to 100", quality)
		}
		codec, _ := imagecodec.Lookup(name)
		all = append(all, imagecodec.Sent{Codec: codec, Quality: quality})
	}
	return all, nil
}

// senders returns what sends images to each of the models at paths, as option input_codec says.
func (b *bench) senders(paths []string) (map[string][]*imagecodec.Sender, error) {
	sent, err := b.o.sent()
	if sent == nil {
		return nil, err
	}
	all := map[string][]*imagecodec.Sender{}
	for _, path := range paths {
		if bundle.IsBundle(path) {
			continue
		}
		head, err := model.ReadFile(path)
		if err != nil {
			return nil, fault.Unusable("%w", err)
		}
		meta, err := bundle.ParseMeta(head.Metadata)
		if err != nil {
			return nil, fault.Unusable("%s: %w", path, err)
		}
		for _, s := range sent {
			sender, err := imagecodec.NewSender(head.Inputs, nil, b.prepare(meta.Preprocess), s)
			if err != nil {
				return nil, err
			}
			all[path] = append(all[path], sender)
		}
	}
	if len(all) == 0 {
		return nil, fault.Usage("input_codec", "is how images are sent to a whole model, and there are bundles only: name the model, too")
	}
	return all, nil
}

// coded is the way in which the device encodes an image and the cloud decodes it and
// computes everything.
func (b *bench) coded(path string, s *imagecodec.Sender, remote *oip.Remote) way {
	return way{"cloud-only, " + s.String(), bundle.Name(path), "", func(ctx context.Context, image int) (bundle.Timings, int, error) {
		pixels, err := s.Pixels(b.photos.items[image].Image)
		if err != nil {
			return bundle.Timings{}, 0, fault.Unusable("%w", err)
		}
		start := time.Now()
		file, err := s.Encode(pixels)
		if err != nil {
			return bundle.Timings{}, 0, err
		}
		encoding := time.Since(start)
		t, n, err := askImage(ctx, remote, b.serverName(path), mediaType(s), file)
		t.Mobile, t.Total = encoding, encoding+t.Total
		return t, n, err
	}, func() error { return nil }}
}

// mediaType names the input that takes files of a sender.
func mediaType(s *imagecodec.Sender) string { return "image/" + s.Name }

// decoding is a server's service that also takes, in place of the input of a model that has a
// sender, the sender's files by their media type. Decoding counts as computing.
type decoding struct {
	oip.Service
	senders map[string][]*imagecodec.Sender // by the model's name
}

// Infer decodes an image file, if it is one, and asks the service.
func (d decoding) Infer(ctx context.Context, r *oip.Request) (*oip.Response, error) {
	for _, s := range d.senders[r.Model] {
		if len(r.Inputs) == 1 && r.Inputs[0].Name == mediaType(s) {
			return d.decoded(ctx, r, s)
		}
	}
	return d.Service.Infer(ctx, r)
}

func (d decoding) decoded(ctx context.Context, r *oip.Request, s *imagecodec.Sender) (*oip.Response, error) {
	start := time.Now()
	img, err := s.Decode(r.Inputs[0].Value.Data)
	if err != nil {
		return nil, oip.Errorf(oip.Invalid, "input %s: %v", r.Inputs[0].Name, err)
	}
	x, err := s.Feeder().Image(ctx, img)
	if err != nil {
		return nil, oip.Errorf(oip.Invalid, "input %s: %v", r.Inputs[0].Name, err)
	}
	took := time.Since(start)
	asked := *r
	asked.Inputs = []oip.Tensor{{Name: s.Feeder().Input(), Value: x}}
	answer, err := d.Service.Infer(ctx, &asked)
	if err != nil {
		return nil, err
	}
	compute, _ := answer.Params[oip.ParamCompute].(float64)
	answer.Params[oip.ParamCompute] = compute + float64(took)/float64(time.Millisecond)
	return answer, nil
}
