package serve

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"sync"

	"github.com/bottlenet/bnc/runtime/bundle"
	"github.com/bottlenet/bnc/runtime/model"
	"github.com/bottlenet/bnc/runtime/oip"
	"github.com/bottlenet/bnc/runtime/ort"
	"github.com/bottlenet/bnc/runtime/tensor"
)

// maxImages is how many images a payload may hold: a body of empty records
// would become a list much larger than itself.
const maxImages = 4096

// served is a loaded model: a bundle's cloud half, or a whole model.
type served struct {
	name    string
	meta    bundle.Meta
	session *ort.Session
	entries []entry // ways to give it images; the metadata shows the first
	images  *images // for image files; nil where the model takes none
	queue   *queue
	users   sync.WaitGroup // requests that use it
}

// entry is one way to give a model images: inputs of these names.
type entry struct {
	inputs []string
	// payload is set where records are counted, and not the first axis.
	payload bool
	// limit is how many images a run takes: 0 where that cannot be chosen, and
	// requests are run as they come.
	limit int
	// most is how many images a payload may hold.
	most int
	run  func(ctx context.Context, feed ort.Feed) (ort.Results, error)
}

// open loads what is at path.
func (r *Repository) open(name, path string) (*served, error) {
	stat, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	m := &served{name: name}
	if stat.IsDir() {
		err = m.openBundle(path, r.opts)
	} else {
		err = m.openWhole(path, r.opts)
	}
	if err == nil && !stat.IsDir() {
		m.images = newImages(m, r.pictures)
	}
	if err == nil {
		err = m.carriable()
	}
	if err != nil {
		if m.session != nil {
			m.session.Close()
		}
		return nil, err
	}
	m.queue = newQueue(name, r.opts, r.slots, r.cutoff)
	return m, nil
}

// openBundle loads a bundle's cloud half.
func (m *served) openBundle(dir string, opts Options) error {
	b, err := bundle.Open(dir)
	if err != nil {
		return err
	}
	cloud, err := b.OpenCloud(opts.Session)
	if err != nil {
		return err
	}
	m.meta, m.session = b.Meta, cloud.Session()
	loaded, err := bundle.ParseMeta(m.session.Metadata())
	if err != nil || loaded.Pair != m.meta.Pair {
		return errors.New("the bundle was replaced while it was read: load it again")
	}
	// An image's axis is the one that the original model has its images on.
	images := model.Dim{}
	if len(b.Mobile.Inputs) > 0 && len(b.Mobile.Inputs[0].Shape) > 0 {
		images = b.Mobile.Inputs[0].Shape[0]
	}
	if !m.meta.Plain() {
		e := entry{
			inputs: b.Crosses(), payload: true,
			limit: perRun(images, opts.MaxBatch, m.session.Outputs()), most: maxImages,
			run: func(ctx context.Context, feed ort.Feed) (ort.Results, error) {
				return cloud.Run(ctx, feed)
			},
		}
		if len(e.inputs) > 1 { // inputs of the model beside the payload are of one request
			e.limit = 0
		}
		if e.limit == 0 { // all in one run
			e.most = max(opts.MaxBatch, int(images.Size))
		}
		m.entries = append(m.entries, e)
	}
	if m.meta.Plain() || m.meta.CodecAt == bundle.AtHost {
		m.entries = append(m.entries, tensorEntry(m.session, images, opts.MaxBatch))
	}
	return nil
}

// openWhole loads a model that is served as it is.
func (m *served) openWhole(path string, opts Options) (err error) {
	if m.session, err = ort.Open(path, opts.Session); err != nil {
		return err
	}
	if m.meta, err = bundle.ParseMeta(m.session.Metadata()); err != nil {
		return err
	}
	images := model.Dim{}
	if inputs := m.session.Inputs(); len(inputs) > 0 && len(inputs[0].Shape) > 0 {
		images = inputs[0].Shape[0]
	}
	m.entries = []entry{tensorEntry(m.session, images, opts.MaxBatch)}
	return nil
}

// tensorEntry gives a graph its own inputs.
func tensorEntry(session *ort.Session, images model.Dim, maxBatch int) entry {
	e := entry{run: session.Run}
	for _, port := range session.Inputs() {
		e.inputs = append(e.inputs, port.Name)
	}
	if images.Size < 0 { // a built-in batch size is the client's affair
		e.limit = perRun(images, maxBatch, slices.Concat(session.Inputs(), session.Outputs()))
	}
	return e
}

// perRun returns how many images a run takes: maxBatch where every port has the
// axis of images first and its size is free; 1 where it is built in as 1; and 0
// where some port has another axis first, so that a run's results could not be
// divided by images.
func perRun(images model.Dim, maxBatch int, ports []model.Port) int {
	for _, port := range ports {
		if len(port.Shape) == 0 || port.Shape[0] != images {
			return 0
		}
	}
	switch {
	case images.Size < 0:
		return maxBatch
	case images.Size == 1:
		return 1
	}
	return 0
}

// carriable tells what of the model the protocol cannot carry.
func (m *served) carriable() error {
	for _, port := range slices.Concat(m.session.Inputs(), m.session.Outputs()) {
		if port.Kind != model.Tensor || oip.Datatype(port.DType) == "" {
			return fmt.Errorf("%s is no tensor that the Open Inference Protocol carries: cut the graph where its tensors still are", port)
		}
	}
	if len(m.session.Inputs()) == 0 {
		return errors.New("it has no inputs: there is nothing to infer from")
	}
	return nil
}

// close frees the model. Nothing may use it any more.
func (m *served) close() error {
	m.queue.close()
	return m.session.Close()
}

// kind says in a log what is served.
func (m *served) kind() string {
	switch {
	case m.meta.Part == "":
		return "whole model"
	case m.meta.Plain():
		return "plain bundle"
	}
	return "bundle, codec at " + m.meta.CodecAt
}

// metadata returns what clients are told.
func (m *served) metadata() *oip.ModelMetadata {
	meta := &oip.ModelMetadata{
		Name: m.name, Versions: []string{onlyVersion}, Platform: "onnxruntime_onnx",
		Outputs: ports(m.session.Outputs()),
	}
	if m.entries[0].payload {
		meta.Inputs = []oip.Port{{Name: bundle.PayloadName, Datatype: oip.Datatype(tensor.Uint8), Shape: []int64{-1}}}
		for _, name := range m.entries[0].inputs[1:] {
			port, _ := model.Find(m.session.Inputs(), name)
			meta.Inputs = append(meta.Inputs, ports([]model.Port{port})...)
		}
	} else {
		meta.Inputs = ports(m.session.Inputs())
	}
	properties := map[string]string{}
	if m.images != nil {
		properties[ImageInput] = "a JPEG or PNG file, UINT8 [-1], in place of " + meta.Inputs[0].Name
	}
	if m.meta.Part != "" {
		properties[oip.ParamPair] = m.meta.Pair
		properties["cut"] = m.meta.Cut
		properties["codec"] = m.meta.Codec
		codecProperties(properties, m.meta)
		properties["source_sha256"] = m.meta.SourceSHA256
	}
	meta.Properties = properties
	return meta
}

// codecProperties adds how the crossing tensors of a bottleneck travel: the codec's
// numbers, and each tile's height and width; those of several tensors with commas.
func codecProperties(properties map[string]string, meta bundle.Meta) {
	if meta.Plain() {
		return
	}
	properties["codec_at"], properties["range"] = meta.CodecAt, meta.Range
	add := func(key, value string) {
		if before, ok := properties[key]; ok {
			value = before + "," + value
		}
		properties[key] = value
	}
	for _, c := range meta.Crossing() {
		add("tile", fmt.Sprintf("%dx%d", c.Part.Height, c.Part.Width))
		for name, value := range c.Part.Parameters {
			if number, ok := value.(int64); ok {
				add(name, strconv.FormatInt(number, 10))
			}
		}
	}
}

// ports describes a graph's inputs or outputs. One without a declared shape is
// shown as a vector: the protocol has no word for any rank.
func ports(list []model.Port) []oip.Port {
	out := make([]oip.Port, len(list))
	for i, port := range list {
		shape := port.Sizes()
		if !port.Ranked {
			shape = []int64{-1}
		}
		out[i] = oip.Port{Name: port.Name, Datatype: oip.Datatype(port.DType), Shape: shape}
	}
	return out
}
