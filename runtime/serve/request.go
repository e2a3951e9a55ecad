package serve

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/bottlenet/bnc/runtime/bundle"
	"github.com/bottlenet/bnc/runtime/oip"
	"github.com/bottlenet/bnc/runtime/ort"
	"github.com/bottlenet/bnc/runtime/tensor"
)

// spent is where a request's time went.
type spent struct{ queue, compute time.Duration }

// job is what a request wants computed, checked.
type job struct {
	*entry
	feed   ort.Feed
	images int
	length int // of the tensors' first axis
	// bounds says where each image begins on the first axis, and where the last
	// one ends; nil where an image takes one place.
	bounds []int
	shapes string // jobs of the same entry and shapes can be joined
	placed bool   // it has its place in the queue already
}

// place is where image i begins on the first axis.
func (j *job) place(i int) int {
	if j.bounds == nil {
		return i
	}
	return j.bounds[i]
}

// infer checks a request, computes it in runs of as many images as the model
// takes, and makes the response.
func (m *served) infer(ctx context.Context, request *oip.Request) (*oip.Response, spent, error) {
	if err := request.CheckParams(); err != nil {
		return nil, spent{}, err
	}
	if err := m.checkPair(request.Params); err != nil {
		return nil, spent{}, err
	}
	wanted, err := m.wanted(request.Outputs)
	if err != nil {
		return nil, spent{}, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(m.queue.cutoff, func() { cancel(errEnding) })()
	j, err := m.accept(ctx, request.Inputs)
	if err != nil {
		return nil, spent{}, m.explain(ctx, err)
	}
	results, took, err := m.compute(ctx, j)
	if err != nil {
		return nil, took, m.explain(ctx, err)
	}
	response := &oip.Response{Model: m.name, Version: onlyVersion, ID: request.ID, Params: oip.Params{
		oip.ParamQueue:   milliseconds(took.queue),
		oip.ParamCompute: milliseconds(took.compute),
	}}
	for _, out := range wanted {
		t, err := results.Tensor(out.name)
		if err == nil && out.classes > 0 {
			t, err = classify(out.name, t, out.classes, m.meta.Labels)
		}
		if err != nil {
			return nil, took, err
		}
		response.Outputs = append(response.Outputs, oip.Tensor{Name: out.name, Value: t})
	}
	return response, took, nil
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// compute runs a job, in parts where it has more images than a run takes: other
// requests get their turn between them, and memory is that of one run.
func (m *served) compute(ctx context.Context, j *job) (ort.Results, spent, error) {
	var took spent
	if j.limit == 0 || j.images <= j.limit {
		return m.queue.do(ctx, j)
	}
	var runs []ort.Results
	for from := 0; from < j.images; from += j.limit {
		to := min(from+j.limit, j.images)
		feed, err := feedRows(j.feed, j.place(from), j.place(to))
		if err != nil {
			return nil, took, err
		}
		part, t, err := m.queue.do(ctx, &job{entry: j.entry, feed: feed, images: to - from, length: j.place(to) - j.place(from), shapes: j.shapes})
		took.queue += t.queue
		took.compute += t.compute
		if err != nil {
			return nil, took, err
		}
		if !divisible(part, to-from) {
			return nil, took, oip.Errorf(oip.Invalid, "model %q takes one image a request: its outputs do not tell %d images apart", m.name, j.images)
		}
		runs = append(runs, part)
	}
	results, err := concatResults(runs)
	return results, took, err
}

// checkPair compares the mobile half's identity, where the client tells it.
func (m *served) checkPair(params oip.Params) error {
	value, ok := params[oip.ParamPair]
	if !ok {
		return nil
	}
	pair, _ := value.(string)
	switch {
	case m.meta.Pair == "":
		return oip.Errorf(oip.Mismatch, "model %q is a whole model, not the cloud half of a pair; the request comes from the mobile half of %.64q", m.name, pair)
	case pair != m.meta.Pair:
		return oip.Errorf(oip.Mismatch, "model %q is the cloud half of pair %s, the request comes from the mobile half of %.64q: use both halves of one split or training",
			m.name, m.meta.Pair, pair)
	}
	return nil
}

// wantedOutput is an output that is asked for; classes is how many of its largest
// elements are wanted, 0 for the tensor itself.
type wantedOutput struct {
	name    string
	classes int64
}

// wanted returns the outputs that a request asks for.
func (m *served) wanted(requested []oip.RequestedOutput) ([]wantedOutput, error) {
	var names []string
	var all, chosen []wantedOutput
	for _, port := range m.session.Outputs() {
		names = append(names, port.Name)
		all = append(all, wantedOutput{name: port.Name})
	}
	if len(requested) == 0 {
		return all, nil
	}
	for _, out := range requested {
		switch {
		case !slices.Contains(names, out.Name):
			return nil, oip.Errorf(oip.Invalid, "model %q has no output %.100q; it has %s", m.name, out.Name, some(names))
		case slices.ContainsFunc(chosen, func(w wantedOutput) bool { return w.name == out.Name }):
			return nil, oip.Errorf(oip.Invalid, "output %q is asked for twice", out.Name)
		}
		classes, _ := out.Params[oip.ParamClassification].(int64)
		chosen = append(chosen, wantedOutput{out.Name, classes})
	}
	return chosen, nil
}

// accept finds the entry that the inputs belong to and checks them. What does
// not fit is an *oip.Error or an *ort.InputError.
func (m *served) accept(ctx context.Context, inputs []oip.Tensor) (*job, error) {
	feed := ort.Feed{}
	for _, in := range inputs {
		if in.Value == nil || feed[in.Name] != nil {
			return nil, oip.Errorf(oip.Invalid, "input %.100q: expected one tensor of that name", in.Name)
		}
		feed[in.Name] = in.Value
	}
	if m.images != nil && len(feed) == 1 && feed[ImageInput] != nil {
		return m.acceptImage(ctx, feed[ImageInput])
	}
	for i := range m.entries {
		e := &m.entries[i]
		fits := len(e.inputs) == len(feed)
		for _, name := range e.inputs {
			fits = fits && feed[name] != nil
		}
		switch {
		case !fits:
		case e.payload:
			return e.acceptPayload(feed)
		default:
			return m.acceptTensors(e, feed)
		}
	}
	var ways, found []string
	for _, e := range m.entries {
		ways = append(ways, strings.Join(e.inputs, " and "))
	}
	for _, in := range inputs {
		found = append(found, fmt.Sprintf("%.100q", in.Name))
	}
	if found == nil {
		found = []string{"none"}
	}
	return nil, oip.Errorf(oip.Invalid, "model %q takes the inputs %s; found %s", m.name, strings.Join(ways, ", or "), some(found))
}

// acceptImage prepares an image file. It waits in the queue meanwhile, and is refused
// where that is full before anything of it is decoded.
func (m *served) acceptImage(ctx context.Context, file *tensor.Tensor) (*job, error) {
	if err := m.queue.enter(); err != nil {
		return nil, err
	}
	var j *job
	feed, err := m.images.prepare(ctx, file)
	if err == nil {
		j, err = m.acceptTensors(&m.entries[0], feed)
	}
	if err != nil {
		m.queue.leave()
		return nil, err
	}
	j.placed = true
	return j, nil
}

// acceptPayload checks a payload's framing, so that it can be joined with
// others without spoiling them.
func (e *entry) acceptPayload(feed ort.Feed) (*job, error) {
	t := feed[bundle.PayloadName]
	row := len(t.Shape) == 1 || len(t.Shape) == 2 && t.Shape[0] == 1
	if err := t.Validate(); err != nil || t.DType != tensor.Uint8 || !row {
		return nil, oip.Errorf(oip.Invalid, "input %s: expected UINT8 [L] or [1, L], found %s", bundle.PayloadName, describe(t))
	}
	bounds := []int{0}
	for at := 0; at < len(t.Data); bounds = append(bounds, at) {
		if len(bounds) > e.most {
			return nil, oip.Errorf(oip.TooLarge, "input %s holds more than %d images, which is what this model takes in a request", bundle.PayloadName, e.most)
		}
		var err error
		if at, err = bundle.RecordEnd(t.Data, at); err != nil {
			return nil, oip.Errorf(oip.Invalid, "input %s is damaged or cut off: %v", bundle.PayloadName, err)
		}
	}
	images := len(bounds) - 1
	if images == 0 {
		return nil, oip.Errorf(oip.Invalid, "input %s is empty: expected one record an image", bundle.PayloadName)
	}
	flat := tensor.Of([]int64{int64(len(t.Data))}, t.Data)
	feed[bundle.PayloadName] = flat
	return &job{entry: e, feed: feed, images: images, length: len(t.Data), bounds: bounds}, nil
}

// acceptTensors checks a graph's own inputs.
func (m *served) acceptTensors(e *entry, feed ort.Feed) (*job, error) {
	if _, err := m.session.Symbols(feed); err != nil {
		return nil, err
	}
	j := &job{entry: e, feed: feed, images: 1}
	if e.limit == 0 {
		return j, nil
	}
	j.images = int(feed[e.inputs[0]].Shape[0])
	j.length = j.images
	for _, name := range e.inputs {
		t := feed[name]
		if t.Shape[0] != int64(j.images) || j.images == 0 {
			return nil, oip.Errorf(oip.Invalid, "input %q: expected one or more images on the first axis, as many as %q has, found %s", name, e.inputs[0], describe(t))
		}
		j.shapes += fmt.Sprint(t.Shape[1:])
	}
	return j, nil
}

// describe names a tensor's type and shape as the protocol does.
func describe(t *tensor.Tensor) string {
	if err := t.Validate(); err != nil {
		return err.Error()
	}
	return fmt.Sprintf("%s %v", oip.Datatype(t.DType), t.Shape)
}

// explain puts an error in the protocol's terms where the client can do
// something about it.
func (m *served) explain(ctx context.Context, err error) error {
	var refused *oip.Error
	var input *ort.InputError
	var node *ort.NodeError
	switch {
	case errors.As(err, &refused):
		return err
	case errors.As(err, &input):
		return oip.Errorf(oip.Invalid, "model %q: %v", m.name, input)
	case ctx.Err() != nil && errors.Is(context.Cause(ctx), context.DeadlineExceeded):
		return oip.Errorf(oip.Deadline, "model %q: no answer within the time that the request allows", m.name)
	case ctx.Err() != nil:
		return oip.Errorf(oip.Canceled, "model %q: the client went away", m.name)
	case errors.As(err, &node):
		return oip.Errorf(oip.Internal, "model %q: %v", m.name, node)
	}
	return err
}
