package ort

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
)

// TestBindingAPI reads the C API that the binding asks for from its header.
func TestBindingAPI(t *testing.T) {
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/yalue/onnxruntime_go").Output()
	if err != nil {
		t.Skipf("no go command to ask for the binding's header: %v", err)
	}
	header, err := os.ReadFile(filepath.Join(string(bytes.TrimSpace(dir)), "onnxruntime_c_api.h"))
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`(?m)^#define ORT_API_VERSION (\d+)`).FindSubmatch(header)
	if found == nil || string(found[1]) != fmt.Sprint(bindingAPI) {
		t.Errorf("the header's version is %q, bindingAPI is %d", found, bindingAPI)
	}
}
