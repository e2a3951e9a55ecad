package convert

import (
	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/passes"
)

// Inputs of OneRecordEach: int32 [requests], how many bytes of the payload each request
// brought, and where they end.
const (
	PayloadLengths = "payload_lengths"
	PayloadEnds    = "payload_ends"
)

// prefixBytes is how long a record's length prefix is at most (a varint of ops/).
const prefixBytes = 5

// OneRecordEach makes a cloud half, whose payload decode takes apart, refuse a batch in
// which a request brought anything but one record.
//
// A server with ragged batching joins the payloads of all requests and gives the
// first row of each output to the first request, the second to the second. Were
// one of two records among them, every request behind it would get somebody
// else's answer, and nobody an error. So the graph takes, as int32 [requests],
// how many bytes each request brought and where they end, reads the length prefix
// at the start of each, and reshapes the decoded tiles to one a request. The
// first dimension of that shape is negative where a length differs, and Reshape
// fails, in every execution provider.
func OneRecordEach(decode *ir.Node) passes.Pass {
	return passes.Pass{
		Name:      "guard-payload",
		Interface: true,
		Run:       func(m *ir.Model) (int, error) { return 1, oneRecordEach(m, decode) },
	}
}

func oneRecordEach(m *ir.Model, decode *ir.Node) error {
	g := m.Graph
	payload, tile := decode.Input(0), decode.Output(0)
	input := func(name string) *ir.Value {
		v := g.Temp(name, ir.TensorType(ir.Int32, []ir.Dim{ir.Sym("requests")}))
		g.AddInput(v, nil)
		return v
	}
	op := func(name, op string, inputs ...*ir.Value) *ir.Value {
		return g.Op1("bnc.guard."+name, op, inputs, nil)
	}
	cast := func(name string, v *ir.Value, to ir.DType) *ir.Value {
		return g.Op1("bnc.guard."+name, "Cast", []*ir.Value{v}, nil, ir.IntAttr("to", int64(to)))
	}
	ints := func(name string, v ...int64) *ir.Value { return g.Const("bnc.guard."+name, ir.Int64s(v...)) }
	matrix := func(name string, rows int64, v ...int64) *ir.Value {
		return g.Const("bnc.guard."+name, ir.NewTensor(ir.Int64, []int64{rows, int64(len(v)) / rows}, ir.Int64s(v...).Raw))
	}

	uses := tile.Uses()
	lengths := cast("lengths", input(PayloadLengths), ir.Int64)
	ends := cast("ends", input(PayloadEnds), ir.Int64)
	offsets := ints("offsets", 0, 1, 2, 3, 4)

	// The first bytes of each request, [requests, prefixBytes]. Zeros behind the
	// payload stand for those of a record that is shorter.
	starts := op("starts", "Reshape", op("start", "Sub", ends, lengths), ints("column", -1, 1))
	zeros := g.Const("bnc.guard.zeros", ir.NewTensor(ir.Uint8, []int64{prefixBytes}, ir.Memory(make([]byte, prefixBytes))))
	padded := g.Op1("bnc.guard.padded", "Concat", []*ir.Value{payload, zeros}, nil, ir.IntAttr("axis", 0))
	bytes := cast("bytes", op("gathered", "Gather", padded, op("at", "Add", starts, offsets)), ir.Int64)

	// A byte of 128 or more says that another follows: one belongs to the prefix
	// where all before it do.
	radix := ints("radix", 128)
	more := op("more", "Div", bytes, radix)
	low := op("low", "Sub", bytes, op("high", "Mul", more, radix))
	before := op("before", "MatMul", more, matrix("triangle", prefixBytes,
		0, 1, 1, 1, 1,
		0, 0, 1, 1, 1,
		0, 0, 0, 1, 1,
		0, 0, 0, 0, 1,
		0, 0, 0, 0, 0))
	prefix := cast("prefix", op("continued", "Equal", before, offsets), ir.Int64)

	// A record is its prefix and as many bytes as that announces.
	announced := op("announced", "Mul", low, ints("powers", 1, 1<<7, 1<<14, 1<<21, 1<<28))
	counted := op("counted", "Add", announced, ints("one", 1))
	record := op("record", "MatMul", op("masked", "Mul", counted, prefix), ints("ones", 1, 1, 1, 1, 1))

	wrong := cast("wrong", op("differs", "Not", op("same", "Equal", record, lengths)), ir.Int64)
	penalty := op("penalty", "Mul", op("wrong_requests", "ReduceSum", wrong), ints("huge", 1<<40))
	images := op("images", "Sub", op("requests", "Shape", lengths), penalty)
	// A Concat would be the plainer way to this shape. But ONNX Runtime's fusion of
	// Reshape takes an unknown piece of one for -1, and every batch would pass.
	first := op("first", "Mul", images, ints("unit", 1, 0, 0, 0))
	shape := op("shape", "Add", first, ints("tile", 0, 1, decode.Int("height", 0), decode.Int("width", 0)))
	checked := op("one_record_a_request", "Reshape", tile, shape)
	for _, u := range uses {
		u.Node.SetInput(u.Index, checked)
	}
	return g.Sort()
}
