// Command onnxgo prints ONNX's conformance cases, as onnx-go v0.5.0 embeds them,
// as JSON.
//
// It is a module of its own: onnx-go registers the messages of ONNX under the
// same names as bnc does, which one process does not allow.
package main

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"log"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/owulveryck/onnx-go/backend/testbackend"
	_ "github.com/owulveryck/onnx-go/backend/testbackend/onnx"
	"gorgonia.org/tensor"
)

// Case is a model with inputs and what it computes from them.
type Case struct {
	Title   string
	Model   []byte
	Inputs  []Tensor
	Outputs []Tensor
}

// Tensor is a tensor with little-endian contents, as onnx-go has it: scalars and
// tensors of one element are alike, and single integers are float32.
type Tensor struct {
	DType string
	Dims  []int
	Raw   []byte
}

func main() {
	var cases []Case
	for _, construct := range testbackend.FindAllTestsMatching(regexp.MustCompile("")) {
		c := construct()
		cases = append(cases, Case{c.Title, c.ModelB, convert(c.Input), convert(c.ExpectedOutput)})
	}
	slices.SortFunc(cases, func(a, b Case) int { return strings.Compare(a.Title, b.Title) })
	if err := json.NewEncoder(os.Stdout).Encode(cases); err != nil {
		log.Fatal(err)
	}
}

func convert(list []tensor.Tensor) []Tensor {
	out := make([]Tensor, len(list))
	for i, t := range list {
		var raw bytes.Buffer
		if err := binary.Write(&raw, binary.LittleEndian, contents(t)); err != nil {
			log.Fatal(err)
		}
		out[i] = Tensor{t.Dtype().String(), slices.Clone(t.Shape()), raw.Bytes()}
	}
	return out
}

// contents returns a slice of the elements.
func contents(t tensor.Tensor) any {
	if v := reflect.ValueOf(t.Data()); v.Kind() != reflect.Slice {
		one := reflect.MakeSlice(reflect.SliceOf(v.Type()), 0, 1)
		return reflect.Append(one, v).Interface()
	}
	return t.Data()
}
