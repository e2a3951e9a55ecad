package ort

import (
	"fmt"

	yalue "github.com/yalue/onnxruntime_go"
)

// Options say how a session is to run. The zero Options are bnc's defaults:
// the CPU with a thread a core, every graph optimisation, nothing logged.
type Options struct {
	// Providers lists execution providers in order of preference, as ONNX
	// Runtime assigns nodes: those that are not there are passed over as long
	// as one remains, and CPU takes what the others leave. Empty means CPU.
	Providers []Provider
	TensorRT  TensorRTOptions
	Threads   int    // intra-op threads; 0 for one a core
	Optimize  Level  // graph optimisation
	Profile   string // prefix of the profile's file name; empty for none
	Weights   string // folder of the external files of a model that is opened from memory
	// TensorByTensor allocates memory as the run goes along. Otherwise ONNX Runtime
	// plans one block for all of a second run, and what the first one took stays:
	// up to 1.7 times as much for a training step, which is not faster for it.
	TensorByTensor bool
	// Verbose lets ONNX Runtime write warnings and failed runs to stderr.
	// Errors are returned either way, and a client that keeps sending bad
	// input would fill the log.
	Verbose bool
}

// Level is how far ONNX Runtime optimises a graph.
type Level int

// The levels of ONNX Runtime, the default first.
const (
	OptimizeAll Level = iota // with layout changes (NCHWc)
	OptimizeExtended
	OptimizeBasic
	OptimizeNone
)

var levels = map[Level]yalue.GraphOptimizationLevel{
	OptimizeAll:      yalue.GraphOptimizationLevelEnableAll,
	OptimizeExtended: yalue.GraphOptimizationLevelEnableExtended,
	OptimizeBasic:    yalue.GraphOptimizationLevelEnableBasic,
	OptimizeNone:     yalue.GraphOptimizationLevelDisableAll,
}

// withoutProfile returns opts for options that are only tried: ONNX Runtime
// opens the profile's file as soon as a session is made.
func (opts Options) withoutProfile() Options {
	opts.Profile = ""
	return opts
}

// build makes ONNX Runtime's options for a model. The caller destroys them.
func (opts Options) build(rows []providerRow, library string, withPlugin bool) (_ *yalue.SessionOptions, err error) {
	o, err := yalue.NewSessionOptions()
	if err != nil {
		return nil, fmt.Errorf("session options: %w", err)
	}
	defer func() {
		if err != nil {
			o.Destroy()
		}
	}()

	severity := yalue.LoggingLevel(yalue.LoggingLevelFatal)
	if opts.Verbose {
		severity = yalue.LoggingLevelWarning
	}
	level, ok := levels[opts.Optimize]
	if !ok {
		return nil, fmt.Errorf("optimisation level %d is unknown", opts.Optimize)
	}
	steps := []func() error{
		func() error { return o.SetLogSeverityLevel(severity) },
		func() error { return o.SetGraphOptimizationLevel(level) },
		func() error { return o.SetIntraOpNumThreads(opts.Threads) },
		func() error { return o.SetMemPattern(!opts.TensorByTensor) },
		// A thread pool's workers spin for the next job. Within a run that is
		// what makes it fast; after it, the workers of one session take the
		// cores from the next: two halves of a ResNet-50 in one process took
		// 1.4 times the whole model's time, and 1.04 times with this.
		func() error { return o.AddSessionConfigEntry("session.force_spinning_stop", "1") },
	}
	if opts.Weights != "" {
		steps = append(steps, func() error {
			return o.AddSessionConfigEntry("session.model_external_initializers_file_folder_path", opts.Weights)
		})
	}
	if opts.Profile != "" {
		steps = append(steps, func() error { return o.EnableProfiling(opts.Profile) })
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return nil, fmt.Errorf("session options: %w", err)
		}
	}
	if withPlugin {
		if err := registerPlugin(o); err != nil {
			return nil, err
		}
	}
	for _, row := range rows {
		if err := row.add(o, opts, library); err != nil {
			return nil, err
		}
	}
	return o, nil
}

// registerPlugin adds bnc's op library. One set of options takes it once: a
// second registration makes session creation fail.
func registerPlugin(o *yalue.SessionOptions) error {
	found := FindPlugin()
	if found.Path == "" {
		return found.missing("bnc's op library "+pluginFile, "BNC_OPS_LIB", "run make build")
	}
	if err := o.RegisterCustomOpsLibrary(found.Path); err != nil {
		return fmt.Errorf("loading bnc's op library from %s (%s): %w", found.Path, found.From, err)
	}
	return nil
}
