package onnxtext

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/bottlenet/bnc/compiler/ir"
	"github.com/bottlenet/bnc/compiler/onnxpb"
)

// Printer writes models. The zero value writes everything that the syntax has
// words for; it has none for metadata and doc strings of graphs, nodes and
// values, training information and quantization annotations.
type Printer struct {
	// MaxElements, where it is not 0, makes a dump for reading: larger tensors
	// become comments, so the text is refused by Parse, and so do sparse tensors,
	// which are an error otherwise.
	MaxElements int64
}

// Print writes m so that Parse gives it back.
func Print(w io.Writer, m *ir.Model) error { return Printer{}.Print(w, m) }

// Print writes m. Errors are those of w, of constants that cannot be read, and
// of what the syntax cannot say.
func (o Printer) Print(w io.Writer, m *ir.Model) error {
	p := &printer{w: bufio.NewWriter(w), max: o.MaxElements}
	p.model(m)
	if p.err != nil {
		return p.err
	}
	return p.w.Flush()
}

// printer keeps its first error; what follows it is written in vain.
type printer struct {
	w     *bufio.Writer
	max   int64
	depth int // of the line that is being written
	err   error
}

func (p *printer) print(parts ...string) {
	for _, s := range parts {
		p.w.WriteString(s) // its error comes back from Flush
	}
}

// line ends a line and indents the next.
func (p *printer) line() { p.print("\n", strings.Repeat("  ", p.depth)) }

func (p *printer) fail(err error) {
	if p.err == nil {
		p.err = err
	}
}

// each prints n elements with a separator between them.
func (p *printer) each(n int, separator string, element func(i int)) {
	for i := range n {
		if i > 0 {
			p.print(separator)
		}
		element(i)
	}
}

func (p *printer) model(m *ir.Model) {
	pb := m.Proto
	header := []string{
		"ir_version: " + strconv.FormatInt(pb.GetIrVersion(), 10),
		"opset_import: " + opsets(pb.OpsetImport),
	}
	text := func(key string, value *string) {
		if value != nil {
			header = append(header, key+": "+quote(*value))
		}
	}
	text("producer_name", pb.ProducerName)
	text("producer_version", pb.ProducerVersion)
	text("domain", pb.Domain)
	if pb.ModelVersion != nil {
		header = append(header, "model_version: "+strconv.FormatInt(*pb.ModelVersion, 10))
	}
	text("doc_string", pb.DocString)
	if len(pb.MetadataProps) > 0 {
		entries := make([]string, len(pb.MetadataProps))
		for i, e := range pb.MetadataProps {
			entries[i] = "\n    " + quote(e.GetKey()) + ": " + quote(e.GetValue())
		}
		header = append(header, "metadata_props: ["+strings.Join(entries, ",")+"\n  ]")
	}
	p.print("<\n  ", strings.Join(header, ",\n  "), "\n>\n")
	p.graph(m.Graph)
	for _, f := range m.Functions {
		p.function(f)
	}
	p.print("\n")
}

func opsets(imports []*onnxpb.OperatorSetIdProto) string {
	out := make([]string, len(imports))
	for i, o := range imports {
		out[i] = fmt.Sprintf("%s : %d", quote(o.GetDomain()), o.GetVersion())
	}
	return "[" + strings.Join(out, ", ") + "]"
}

func (p *printer) graph(g *ir.Graph) {
	p.print(name(g.Name), " ")
	p.ports(g.Inputs())
	p.print(" => ")
	p.ports(g.Outputs())
	p.constants(g)
	p.nodes(g)
}

func (p *printer) ports(ports []ir.Port) {
	p.print("(")
	p.each(len(ports), ", ", func(i int) { p.valueInfo(ports[i].Info.GetType(), ports[i].Value.Name()) })
	p.print(")")
}

func (p *printer) valueInfo(t *onnxpb.TypeProto, value string) {
	if t.GetValue() != nil {
		p.typ(t)
		p.print(" ")
	}
	p.print(name(value))
}

// constants prints initializers and value_info, a line each.
func (p *printer) constants(g *ir.Graph) {
	var entries []func()
	for _, v := range g.Inits() {
		entries = append(entries, func() { p.tensor(v.Init(), v.Name(), " = ") })
	}
	for _, info := range g.Infos() {
		entries = append(entries, func() { p.valueInfo(info.Info.GetType(), info.Name()) })
	}
	for _, v := range g.SparseInits() {
		p.line()
		p.omit(fmt.Sprintf("the sparse initializer %q", v.Name()))
	}
	p.line()
	if len(entries) == 0 {
		return
	}
	p.print("<")
	p.depth++
	p.each(len(entries), ",", func(i int) {
		p.line()
		entries[i]()
	})
	p.depth--
	p.line()
	p.print(">")
	p.line()
}

// omit says in a comment what a dump leaves out and the syntax has no words
// for.
func (p *printer) omit(what string) {
	if p.max == 0 {
		p.fail(fmt.Errorf("ONNX text cannot say %s", what))
	}
	p.print("# left out: ", what)
}

func (p *printer) nodes(g *ir.Graph) {
	p.print("{")
	p.depth++
	for _, n := range g.Nodes() {
		p.line()
		p.node(n)
	}
	p.depth--
	p.line()
	p.print("}")
}

func (p *printer) node(n *ir.Node) {
	if n.Name != "" {
		p.print("[", word(n.Name), "] ")
	}
	p.values(n.Outputs())
	p.print(" = ", qualified(n.Domain, n.Op))
	if n.Overload != "" {
		p.print(":", word(n.Overload))
	}
	attrs := func() {
		if attrs := n.Attrs(); len(attrs) > 0 {
			p.print(" <")
			p.each(len(attrs), ", ", func(i int) { p.attr(attrs[i]) })
			p.print(">")
		}
	}
	nested := len(n.Bodies()) > 0
	if !nested {
		attrs()
	}
	p.print(" (")
	p.values(n.Inputs())
	p.print(")")
	if nested { // after the inputs, which would be hard to find behind a graph
		attrs()
	}
}

func (p *printer) values(vs []*ir.Value) {
	p.each(len(vs), ", ", func(i int) {
		if vs[i] == nil {
			p.print(`""`)
		} else {
			p.print(name(vs[i].Name()))
		}
	})
}

func (p *printer) function(f *ir.Function) {
	pb := f.Proto
	p.print("\n<\n  domain: ", quote(pb.GetDomain()), ",\n  opset_import: ", opsets(pb.OpsetImport))
	if pb.Overload != nil {
		p.print(",\n  overload: ", quote(*pb.Overload))
	}
	if pb.DocString != nil {
		p.print(",\n  doc_string: ", quote(*pb.DocString))
	}
	p.print("\n>\n", word(pb.GetName()), " ")
	if n := len(pb.Attribute); n+len(pb.AttributeProto) > 0 {
		p.print("<")
		p.each(n+len(pb.AttributeProto), ", ", func(i int) {
			if i < n {
				p.print(word(pb.Attribute[i]))
			} else {
				p.defaultAttr(pb.AttributeProto[i-n])
			}
		})
		p.print("> ")
	}
	p.ports(f.Body.Inputs())
	p.print(" => ")
	p.ports(f.Body.Outputs())
	p.print("\n")
	if len(pb.ValueInfo) > 0 {
		p.print("<")
		p.each(len(pb.ValueInfo), ", ", func(i int) { p.valueInfo(pb.ValueInfo[i].Type, pb.ValueInfo[i].GetName()) })
		p.print(">\n")
	}
	p.nodes(f.Body)
}

// defaultAttr prints the default of a function's attribute, which the IR keeps
// as the file has it.
func (p *printer) defaultAttr(pb *onnxpb.AttributeProto) {
	a := &ir.Attr{Proto: pb}
	tensors := pb.Tensors
	if pb.T != nil {
		tensors = []*onnxpb.TensorProto{pb.T}
	}
	for _, t := range tensors {
		tensor := &ir.Tensor{Proto: t}
		if t.RawData != nil {
			tensor.Raw = ir.Memory(t.RawData)
		}
		a.Tensors = append(a.Tensors, tensor)
	}
	p.attr(a)
}
