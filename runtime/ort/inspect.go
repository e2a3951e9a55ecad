package ort

import (
	yalue "github.com/yalue/onnxruntime_go"
)

// Report is the state of what this package needs from the machine.
type Report struct {
	Library   Found
	LoadError error  // why the library does not load, nil if it does
	Version   string // ONNX Runtime's own version, "" if it does not load
	Shim      string // what it is loaded through because it is old, "" if it is not
	Providers []ProviderStatus
	Plugin    Found
	// PluginError tells why the op library does not load: nil if it does, and
	// if ONNX Runtime itself is not there to load it.
	PluginError error
}

// ProviderStatus tells whether an execution provider can be used.
type ProviderStatus struct {
	Provider Provider
	Error    error // nil if it can be used
}

// Inspect looks for the libraries, loads ONNX Runtime and tries each
// execution provider and the op library on scratch options. Nothing in it
// fails: what is wrong is in the report.
func Inspect() Report {
	r := Report{Library: FindLibrary(), Plugin: FindPlugin()}
	path, err := Load()
	if err != nil {
		r.LoadError = err
		return r
	}
	r.Version, r.Shim = yalue.GetVersion(), throughShim()
	for _, row := range providerTable {
		r.Providers = append(r.Providers, ProviderStatus{row.provider, try(Options{}, []providerRow{row}, path, false)})
	}
	r.PluginError = try(Options{}, nil, path, true)
	return r
}

// try builds session options and throws them away.
func try(opts Options, rows []providerRow, library string, withPlugin bool) error {
	o, err := opts.build(rows, library, withPlugin)
	if err != nil {
		return err
	}
	return o.Destroy()
}
