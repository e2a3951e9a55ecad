package plan

// row is an option over a network.
func (r Request) row(o option, n Network) Row {
	e := o.entry
	row := Row{
		Cut: e.Cut, Tensor: e.Tensor, C: o.c, S: o.s, Coding: o.how, Network: n.Name, PayloadBytes: o.payload,
		MobileMS: e.Mobile.MedianMS * factor(r.Load.Mobile), LinkMS: crossing(o.payload, n), CloudMS: o.cloud * factor(r.Load.Cloud),
		EnergyMJ: r.energy(o.compute, o.payload, n), Accuracy: o.accuracy, Loss: o.loss, Bundle: o.bundle, Excluded: o.excluded,
		Published: r.published(e.Cut, n), Origin: o.origin,
	}
	row.LatencyMS = row.MobileMS + row.LinkMS + row.CloudMS
	for _, l := range r.limits() {
		switch {
		case row.Excluded != "":
		case l.name == "latency":
			row.Excluded = l.broken(&row.LatencyMS, false)
		case l.name == "energy":
			row.Excluded = l.broken(row.EnergyMJ, false)
		}
	}
	return row
}

// crossing returns the milliseconds from sending until the result is back, less
// the cloud's.
func crossing(bytes float64, n Network) float64 {
	return Latency(Cost{PayloadBytes: bytes}, n, Load{}).Seconds() * 1e3
}

// energy returns the device's energy, nil where it is not known: compute without
// load, what is sent, and the network.
func (r Request) energy(compute *float64, bytes float64, n Network) *float64 {
	if compute == nil || bytes > 0 && !n.powered() {
		return nil
	}
	mj := *compute*factor(r.Load.Mobile) + Energy(Cost{PayloadBytes: bytes}, n, Load{}, 0)
	return &mj
}

// baselines returns the other ways over a network, as far as they are profiled.
func (r Request) baselines(n Network, plain []option, choice *Row) []Baseline {
	var all []Baseline
	if whole := r.Mobile.Whole; whole != nil {
		compute := first(r.Mobile.WholeEnergyMJ, r.Mobile.computing(whole))
		all = append(all, Baseline{Way: MobileOnly, LatencyMS: whole.MedianMS * factor(r.Load.Mobile), EnergyMJ: r.energy(compute, 0, n)})
	}
	if whole, bytes := r.cloudWhole(), r.imageBytes(); whole != nil && bytes > 0 {
		nothing := 0.0
		all = append(all, Baseline{
			Way: CloudOnly, LatencyMS: crossing(bytes, n) + whole.MedianMS*factor(r.Load.Cloud),
			EnergyMJ: r.energy(&nothing, bytes, n), PayloadBytes: bytes,
		})
	}
	var best *Row
	for _, o := range plain {
		row := r.row(o, n)
		if best == nil || r.value(row) < r.value(*best) {
			best = &row
		}
	}
	if best != nil {
		all = append(all, Baseline{Way: PlainSplit, Cut: best.Cut, LatencyMS: best.LatencyMS, EnergyMJ: best.EnergyMJ, PayloadBytes: best.PayloadBytes, Origin: best.Origin})
	}
	for i := range all {
		b := &all[i]
		b.Network = n.Name
		b.Published = r.published(b.Way, n)
		if choice != nil {
			b.LatencyGain = finite(b.LatencyMS / choice.LatencyMS)
			if b.EnergyMJ != nil && choice.EnergyMJ != nil {
				b.EnergyGain = finite(*b.EnergyMJ / *choice.EnergyMJ)
			}
		}
	}
	return all
}

// cloudWhole returns the whole model's time on the server.
func (r Request) cloudWhole() *Timing {
	if r.Cloud != nil {
		return first(r.Cloud.CloudWhole, r.Cloud.Whole)
	}
	return first(r.Mobile.CloudWhole, r.Mobile.Whole)
}

func (r Request) imageBytes() float64 {
	if r.ImageBytes > 0 {
		return r.ImageBytes
	}
	return r.Mobile.ImageBytes
}

// published returns what the profile's source printed for a way, nil if there is
// nothing or the conditions are others than its own.
func (r Request) published(way string, n Network) *Published {
	preset, known := named(n.Name)
	if !known || preset != n || r.Cloud != nil || r.Results != nil || factor(r.Load.Mobile) != 1 || factor(r.Load.Cloud) != 1 ||
		r.imageBytes() != r.Mobile.ImageBytes {
		return nil
	}
	for i := range r.Mobile.Published {
		p := &r.Mobile.Published[i]
		if p.Way == way && (p.Network == n.Name || p.Network == "") {
			return p
		}
	}
	return nil
}
