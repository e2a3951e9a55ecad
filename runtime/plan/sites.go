package plan

import "github.com/bottlenet/bnc/internal/fault"

// Predicted is what an image takes at a cut, in ms.
type Predicted struct {
	MS       float64 // all of it
	DeviceMS float64 // of that on the device
}

// Predict returns what tells the latency of a payload of so many bytes at a cut over
// the first of the networks: with the times of a bottleneck there, or else of a plain split;
// nil where the profiles have neither. Model is the SHA-256 of the model's file, which the
// profiles have to be of as far as they tell.
func (s Sources) Predict(bytes float64, model string) (func(cut, tensor string) *Predicted, error) {
	r, err := Options{Sources: s}.request()
	if err != nil {
		return nil, err
	}
	cloud := r.Mobile
	if r.Cloud != nil {
		cloud = r.Cloud
	}
	at := func(p *Profile, cut, tensor string) *CutProfile {
		if e := p.find(cut, tensor, 0, 1, ""); e != nil {
			return e
		}
		return p.find(cut, tensor, 0, 0, "")
	}
	for _, p := range []*Profile{r.Mobile, cloud} {
		if p.SourceSHA256 != "" && p.SourceSHA256 != model {
			return nil, fault.Unusable("profile %s is of another model: its source_sha256 is %s, expected %s", p.Name, p.SourceSHA256, model)
		}
	}
	return func(cut, tensor string) *Predicted {
		mobile, far := at(r.Mobile, cut, tensor), at(cloud, cut, tensor)
		if mobile == nil || far == nil || mobile.Mobile == nil || far.Cloud == nil {
			return nil
		}
		device := mobile.Mobile.MedianMS * factor(r.Load.Mobile)
		return &Predicted{device + crossing(bytes, r.Networks[0]) + far.Cloud.MedianMS*factor(r.Load.Cloud), device}
	}, nil
}
