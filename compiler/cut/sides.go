package cut

// Sides tells, by the names of nodes and of their outputs, whether they are before each of
// the cuts, as a profile of the model's nodes names them. Nodes without a name get one, as
// else a profile cannot tell them apart.
func (a *Analysis) Sides(cuts []*Cut) map[string][]bool {
	before := map[string][]bool{}
	for _, n := range a.Model.Graph.Nodes() {
		if n.Name == "" {
			n.SetName("node")
		}
		sides := make([]bool, len(cuts))
		for k, c := range cuts {
			sides[k] = !a.Behind(c, n)
		}
		before[n.Name] = sides
		for _, v := range n.Outputs() {
			if v != nil {
				before[v.Name()] = sides
			}
		}
	}
	return before
}
