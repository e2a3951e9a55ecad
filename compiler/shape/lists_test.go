package shape_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/bottlenet/bnc/compiler/shape"
)

// lists are the files that may name three operators or more in one literal or case, and
// why that is no fact about them.
var lists = map[string]string{
	"sign.go":                "rules of the operators whose rows leave their sign to them",
	"symbolic_batch_fix.go":  "rewrites",
	"symbolic_batch_rows.go": "rules of the operators whose rows leave the batch to them",
	"tensorrt.go":            "what TensorRT's parser takes",
	"tx2.go":                 "what operator set 13 has",
	"tx2_rules.go":           "rewrites",
	"upgrade_kept.go":        "changes of versions",
	"upgrade_rules.go":       "rewrites",
	"barriers.go":            "reasons to have no gradient",
	"noscores.go":            "spellings of scaling",
	"length.go":              "spellings of division by a length",
	"rules_binary.go":        "gradients",
	"rules_constant.go":      "gradients",
	"rules_elementwise.go":   "gradients",
	"rules_linear.go":        "gradients",
	"rules_norm.go":          "gradients",
	"rules_pool.go":          "gradients",
	"rules_quantiser.go":     "gradients",
	"rules_reduce.go":        "gradients",
	"rules_shape.go":         "gradients",
	"rules_trigonometry.go":  "gradients",
	"windows.go":             "rewrites",
}

// TestFactsAreInTheTable: what is known of operators is in their rows. Other lists of
// them are those of targets, rewrites and gradients; operators that code asks for by
// name exist.
func TestFactsAreInTheTable(t *testing.T) {
	names := map[string]bool{}
	for _, op := range shape.Ops() {
		names[op.Name] = true
	}
	used := map[string]bool{}
	root := filepath.Join("..", "..")
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		path, _ = filepath.Rel(root, path)
		path = filepath.ToSlash(path)
		switch {
		case d.IsDir() && path != "." && !strings.HasPrefix(path, "compiler") && !strings.HasPrefix(path, "passes") && strings.Count(path, "/") == 0:
			return filepath.SkipDir
		case d.IsDir(), !strings.HasSuffix(path, ".go"), strings.HasSuffix(path, "_test.go"), strings.HasPrefix(path, "compiler/shape/table"):
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, path), nil, 0)
		if err != nil {
			return err
		}
		ast.Inspect(f, func(n ast.Node) bool {
			if op, ok := comparedOp(n); ok && !names[op] && !strings.HasPrefix(path, "passes/grad/") { // which has operators of its own
				t.Errorf("%s: an operator is compared with %q, which has no row", path, op)
			}
			found := 0
			for _, word := range listed(n) {
				if names[word] {
					found++
				}
			}
			if found >= 3 {
				file := filepath.Base(path)
				used[file] = true
				if lists[file] == "" {
					t.Errorf("%s: a list names %d operators; what it tells of them belongs in their rows", path, found)
				}
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for path := range lists {
		if !used[path] {
			t.Errorf("%s has no list of operators", path)
		}
	}
}

// comparedOp returns the text that n compares an operator's name with.
func comparedOp(n ast.Node) (string, bool) {
	b, ok := n.(*ast.BinaryExpr)
	if !ok || b.Op != token.EQL && b.Op != token.NEQ {
		return "", false
	}
	if s, ok := b.X.(*ast.SelectorExpr); !ok || s.Sel.Name != "Op" {
		return "", false
	}
	return text(b.Y)
}

// listed returns the words of the texts that n, a literal, a case or a call, lists.
func listed(n ast.Node) []string {
	var items []ast.Expr
	switch n := n.(type) {
	case *ast.CompositeLit:
		for _, e := range n.Elts {
			if kv, ok := e.(*ast.KeyValueExpr); ok {
				items = append(items, kv.Key, kv.Value)
			} else {
				items = append(items, e)
			}
		}
	case *ast.CaseClause:
		items = n.List
	case *ast.CallExpr:
		items = n.Args
	}
	var words []string
	for _, e := range items {
		if s, ok := text(e); ok {
			words = append(words, strings.Fields(s)...)
		}
	}
	return words
}

func text(e ast.Expr) (string, bool) {
	l, ok := e.(*ast.BasicLit)
	if !ok || l.Kind != token.STRING {
		return "", false
	}
	s, err := strconv.Unquote(l.Value)
	return s, err == nil
}
