package survey

import "github.com/bottlenet/bnc/compiler/cut"

// Place is a cut that takes a bottleneck.
type Place struct {
	*cut.Cut
	Before   int64 // multiply-adds
	Elements int64 // of its tensors, of one image
}

// Places are the cuts that take a bottleneck and whose multiply-adds are known: those of one
// tensor, and frontiers.
func Places(a *cut.Analysis) (single, several []Place) {
	return places(a, a.Cuts), places(a, a.Frontiers(cut.FrontierTensors))
}

func places(a *cut.Analysis, cuts []cut.Cut) (all []Place) {
	for i := range cuts {
		p := Place{Cut: &cuts[i]}
		macs, _ := a.Before(p.Cut)
		if p.NoBottleneck() != "" || macs == nil {
			continue
		}
		p.Before = *macs
		for _, t := range p.Tensors {
			elements := int64(1)
			for _, d := range t.Type.Dims[1:] {
				n, _ := d.Int() // known where a bottleneck fits
				elements *= n
			}
			p.Elements += elements
		}
		all = append(all, p)
	}
	return all
}
