package split

import (
	"errors"
	"reflect"
	"testing"

	"github.com/bottlenet/bnc/internal/fault"
	"github.com/bottlenet/bnc/passes/bottleneck"
)

// TestRequest: zero values are the defaults, a target brings its own, and what cannot be
// names its option.
func TestRequest(t *testing.T) {
	r := Request{}
	if err := r.Check(); err != nil || !reflect.DeepEqual(r, Request{Channels: []bottleneck.Channels{1}, Strides: []int{0}, Bits: 8, Quality: 20, Codec: "jpeg", CodecAt: bottleneck.CodecInGraph, Target: "default"}) {
		t.Errorf("%+v, %v", r, err)
	}
	r = Request{Target: "tx2", Channels: []bottleneck.Channels{bottleneck.Full}}
	if err := r.Check(); err != nil || r.CodecAt != bottleneck.CodecOnDeviceHost || r.Channels[0] != bottleneck.Full {
		t.Errorf("%+v, %v: expected the codec on the device's host", r, err)
	}
	for option, r := range map[string]Request{
		"c": {Channels: []bottleneck.Channels{-3}}, "s": {Strides: []int{1, 5}}, "bits": {Bits: 1}, "quality": {Quality: 101}, "codec": {Codec: "none"}, "range": {Range: "static"},
		"codec_at": {CodecAt: "moon"}, "restore_width": {RestoreWidth: -1}, "target": {Target: "tx2", CodecAt: bottleneck.CodecOnHost},
		"fp16": {Plain: true, FP16: true}, "calib": {Plain: true, Calibrated: true},
	} {
		var wrong *fault.UsageError
		if err := r.Check(); !errors.As(err, &wrong) || wrong.Option != option {
			t.Errorf("%+v: %v, expected wrong usage of option %s", r, err, option)
		}
	}
}
