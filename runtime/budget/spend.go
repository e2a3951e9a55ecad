package budget

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/bottlenet/bnc/internal/fault"
	"github.com/bottlenet/bnc/internal/progress"
	"github.com/bottlenet/bnc/runtime/plan"
)

// Asked is what options say of a choice for a number of bytes.
type Asked struct {
	Bytes                 int // 0 for no choice
	Cut, Calibrated       bool
	Plain                 bool
	AutoChannels, Several bool // channels are to be chosen; of several tensors each has its own
	AutoCodec             bool
	Sources               plan.Sources
}

// Check finds what cannot be of options that say bytes, or lack them.
func (a Asked) Check() error {
	profiles := len(a.Sources.Profiles) > 0
	switch {
	case a.AutoChannels && a.Several:
		return fault.Usage("c", "auto is for all tensors: give it alone")
	case a.AutoChannels && a.Bytes == 0:
		return fault.Usage("c", "auto needs option bytes B, how many a payload may take")
	case a.AutoCodec && a.Bytes == 0:
		return fault.Usage("codec", "auto needs option bytes B, how many a payload may take")
	case profiles && (a.Bytes == 0 || a.Cut):
		return fault.Usage("profile", "chooses the cut: it needs option bytes, and no option after")
	case !profiles && (len(a.Sources.Networks) > 0 || a.Sources.CloudProfile != ""):
		return fault.Usage("network", "needs option profile: what a cut takes on the device")
	case a.Bytes == 0:
		return nil
	case a.Plain:
		return fault.Usage("bytes", "has no meaning with option plain")
	case !a.Calibrated:
		return fault.Usage("bytes", "needs option calib DATA: images tell what payloads take and what is lost")
	}
	return nil
}

// Opened is a cut whose bottlenecks are about to be tried.
type Opened interface {
	Place
	// Space are the candidates.
	Space() (Space, error)
	Close() error
}

// Spending chooses what so many bytes of a payload are spent on in a model.
type Spending struct {
	Bytes    int
	Model    string // its file, for errors
	Progress progress.Progress
	// Open opens a cut of the model by its name.
	Open func(ctx context.Context, cut string) (Opened, error)

	// How cuts are compared: by the measure of what is lost, and by what profiles predict of
	// a model of a hash, or without profiles the multiply-adds on the device.
	Measure plan.Measure
	Sources plan.Sources
	Hash    func() (string, error)
}

// At chooses a bottleneck at a cut, and returns all that were tried.
func (s *Spending) At(ctx context.Context, cut string) (*Trial, []Trial, error) {
	start := time.Now()
	best, tried, err := s.choose(ctx, cut)
	if small := (*TooSmallError)(nil); errors.As(err, &small) {
		err = fault.Unusable("option bytes: at cut %s %w; give as many, or a cut further behind", cut, small)
	}
	if err == nil {
		s.Progress.Notice("%d bottlenecks were tried in %.0f s", len(tried), time.Since(start).Seconds())
	}
	return best, tried, err
}

// choose tries bottlenecks at a cut.
func (s *Spending) choose(ctx context.Context, cut string) (*Trial, []Trial, error) {
	place, err := s.Open(ctx, cut)
	if err != nil {
		return nil, nil, err
	}
	defer place.Close()
	space, err := place.Space()
	if err != nil {
		return nil, nil, err
	}
	bar := s.Progress.Phase("trying bottlenecks", 0)
	return Choose(ctx, place, space, Options{Bytes: s.Bytes, Step: func(Trial) { bar.Step(1) }})
}

// Anywhere chooses the cut, too: of those of one tensor, and of several, of a model of so many
// multiply-adds, nil for unknown. Tried is told of each that was tried.
func (s *Spending) Anywhere(ctx context.Context, whole *int64, single, several []Site, tried func(CutTrial)) (*CutTrial, error) {
	if whole == nil {
		return nil, fault.Unusable("%s: sizes or operators leave the multiply-adds open, by which cuts are chosen: tell the sizes by option input, or name a cut with option after", s.Model)
	}
	profiles := strings.Join(s.Sources.Profiles, ", ")
	if profiles != "" {
		if err := s.predict(&single, &several); err != nil {
			return nil, err
		}
	}
	sites := Worth(single, several, *whole)
	switch {
	case sites != nil:
	case profiles != "":
		return nil, fault.Unusable("profile %s: it has no times of both sides of any cut that takes a bottleneck: give option after CUT, or a profile of this model", profiles)
	default:
		return nil, fault.Unusable("%s: there is no cut that takes a bottleneck (bnc inspect tells why)", s.Model)
	}
	for i := range sites {
		sites[i].Choose = func(ctx context.Context) (*Trial, error) {
			t, _, err := s.choose(ctx, sites[i].Name)
			return t, err
		}
	}
	best, _, err := ChooseCut(ctx, sites, s.Measure, tried)
	if unfit := (*fault.DataError)(nil); errors.As(err, &unfit) || errors.As(err, new(*TooSmallError)) {
		return nil, fault.Unusable("option bytes: no cut can be used, the last because: %w", err)
	}
	return best, err
}

// predict gives sites the latency that profiles predict as their cost, and leaves out those
// that they say nothing of.
func (s *Spending) predict(lists ...*[]Site) error {
	hash, err := s.Hash()
	if err != nil {
		return err
	}
	if len(s.Sources.Networks) == 0 {
		s.Sources.Networks = []string{"4g"}
	}
	latency, err := s.Sources.Predict(float64(s.Bytes), hash)
	if err != nil {
		return err
	}
	for _, list := range lists {
		*list = slices.DeleteFunc(*list, func(site Site) bool {
			return latency(site.Name, site.Tensor) == nil
		})
		for i, site := range *list {
			at := latency(site.Name, site.Tensor)
			(*list)[i].Cost, (*list)[i].CostMAC = at.MS, at.DeviceMS/float64(max(site.Before, 1))
		}
	}
	return nil
}
