package ort

import (
	"errors"
	"fmt"
	"strings"

	yalue "github.com/yalue/onnxruntime_go"
)

// Provider names an execution provider of ONNX Runtime.
type Provider string

// The providers that bnc offers.
const (
	CPU      Provider = "cpu"
	CUDA     Provider = "cuda"
	TensorRT Provider = "tensorrt"
)

// TensorRTOptions are the settings of the TensorRT provider that matter to
// bnc. Engines are good for one device and one TensorRT version only.
type TensorRTOptions struct {
	FP16     bool   // trt_fp16_enable
	CacheDir string // trt_engine_cache_path; engines are kept there if it is set
}

// providerRow is what is known of one provider: its own name as its makers
// write it, and how it is added to session options (nil: always there).
type providerRow struct {
	provider Provider
	title    string
	attach   func(*yalue.SessionOptions, Options) error
}

// providerTable lists the providers, in the order that Inspect reports.
var providerTable = []providerRow{
	{CPU, "CPU", nil},
	{CUDA, "CUDA", attachCUDA},
	{TensorRT, "TensorRT", attachTensorRT},
}

func providerNamed(name Provider) (providerRow, bool) {
	for _, row := range providerTable {
		if row.provider == name {
			return row, true
		}
	}
	return providerRow{}, false
}

// ParseProviders reads a list such as "tensorrt,cpu". An empty text gives no
// providers, which stands for cpu.
func ParseProviders(list string) ([]Provider, error) {
	if list == "" {
		return nil, nil
	}
	var providers []Provider
	for _, name := range strings.Split(list, ",") {
		p := Provider(strings.TrimSpace(name))
		if _, ok := providerNamed(p); !ok {
			return nil, fmt.Errorf("unknown execution provider %q: expected cpu, cuda, tensorrt, or several of them with commas", name)
		}
		providers = append(providers, p)
	}
	return providers, nil
}

// ProviderError says that an execution provider cannot be used.
type ProviderError struct {
	Provider Provider
	Library  string // ONNX Runtime's path
	Missing  bool   // the library was built without it; otherwise it failed
	Cause    error
}

// Error names the library and its version, as the cure is another one.
func (e *ProviderError) Error() string {
	row, _ := providerNamed(e.Provider)
	if e.Missing {
		return fmt.Sprintf("this ONNX Runtime has no %s (%s, version %s): use the cpu provider, or name a library that has it in BNC_ORT_LIB",
			row.title, e.Library, yalue.GetVersion())
	}
	return fmt.Sprintf("%s cannot be used by ONNX Runtime %s (%s): %v", row.title, yalue.GetVersion(), e.Library, e.Cause)
}

// Unwrap returns what ONNX Runtime said.
func (e *ProviderError) Unwrap() error { return e.Cause }

// add adds the provider to the session options, or tells why it cannot.
func (row providerRow) add(o *yalue.SessionOptions, opts Options, library string) error {
	if row.attach == nil {
		return nil
	}
	if err := row.attach(o, opts); err != nil {
		return &ProviderError{Provider: row.provider, Library: library, Missing: isMissing(err), Cause: err}
	}
	return nil
}

// isMissing tells a library without the provider from a provider that does
// not start. ONNX Runtime's CPU build accepts the options and then cannot
// load the provider's own library, or says that it is not enabled.
func isMissing(err error) bool {
	for _, sign := range []string{"Failed to load shared library", "is not enabled", "not enabled in this build", "is not supported"} {
		if strings.Contains(err.Error(), sign) {
			return true
		}
	}
	return false
}

func attachCUDA(o *yalue.SessionOptions, _ Options) error {
	cuda, err := yalue.NewCUDAProviderOptions()
	if err != nil {
		return err
	}
	return errors.Join(o.AppendExecutionProviderCUDA(cuda), cuda.Destroy())
}

func attachTensorRT(o *yalue.SessionOptions, opts Options) error {
	trt, err := yalue.NewTensorRTProviderOptions()
	if err != nil {
		return err
	}
	settings := map[string]string{}
	if opts.TensorRT.FP16 {
		settings["trt_fp16_enable"] = "1"
	}
	if opts.TensorRT.CacheDir != "" {
		settings["trt_engine_cache_enable"] = "1"
		settings["trt_engine_cache_path"] = opts.TensorRT.CacheDir
	}
	err = trt.Update(settings)
	if err == nil {
		err = o.AppendExecutionProviderTensorRT(trt)
	}
	return errors.Join(err, trt.Destroy())
}
