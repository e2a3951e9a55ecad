package grad

// barriers are the operators of the op table whose outputs may hold
// floating-point numbers and that have no gradient, or none here, with the
// reason that the error gives.
var barriers = map[string]rule{
	"ArgMax": {reason: "its output is a position"},
	"ArgMin": {reason: "its output is a position"},
	"TopK":   {reason: "a selection by size: put the cut or the loss before it"},
}
