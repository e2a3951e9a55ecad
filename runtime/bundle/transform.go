package bundle

import "github.com/bottlenet/bnc/ops"

func init() {
	transform, err := ops.Lookup("transform")
	if err != nil {
		panic("BUG: " + err.Error())
	}
	Register(Codec{Codec: transform})
}
