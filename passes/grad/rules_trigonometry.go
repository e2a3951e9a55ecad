package grad

import "github.com/bottlenet/bnc/compiler/ir"

// trigonometryRules are those of circular and hyperbolic functions and their
// inverses.
var trigonometryRules = map[string]rule{
	"Sin": {vjp: derivative(func(c *call, x, y, dy *ir.Value) *ir.Value { return c.mul(dy, c.unary("Cos", x)) })},
	"Cos": {vjp: derivative(func(c *call, x, y, dy *ir.Value) *ir.Value { return c.neg(c.mul(dy, c.unary("Sin", x))) })},
	// tan' = 1 + y^2
	"Tan": {vjp: derivative(func(c *call, x, y, dy *ir.Value) *ir.Value { return c.mul(dy, c.plus(c.mul(y, y), 1)) })},
	// asin' = 1 / sqrt(1 - x^2)
	"Asin": {vjp: derivative(func(c *call, x, y, dy *ir.Value) *ir.Value { return c.div(dy, c.sqrt(c.oneMinusSquare(x))) })},
	// acos' = -asin'
	"Acos": {vjp: derivative(func(c *call, x, y, dy *ir.Value) *ir.Value { return c.neg(c.div(dy, c.sqrt(c.oneMinusSquare(x)))) })},
	// atan' = 1 / (1 + x^2)
	"Atan": {vjp: derivative(func(c *call, x, y, dy *ir.Value) *ir.Value { return c.div(dy, c.plus(c.mul(x, x), 1)) })},
	"Sinh": {vjp: derivative(func(c *call, x, y, dy *ir.Value) *ir.Value { return c.mul(dy, c.unary("Cosh", x)) })},
	"Cosh": {vjp: derivative(func(c *call, x, y, dy *ir.Value) *ir.Value { return c.mul(dy, c.unary("Sinh", x)) })},
	// tanh' = 1 - y^2
	"Tanh": {vjp: derivative(func(c *call, x, y, dy *ir.Value) *ir.Value { return c.mul(dy, c.oneMinusSquare(y)) })},
	// asinh' = 1 / sqrt(x^2 + 1)
	"Asinh": {vjp: derivative(func(c *call, x, y, dy *ir.Value) *ir.Value { return c.div(dy, c.sqrt(c.plus(c.mul(x, x), 1))) })},
	// acosh' = 1 / sqrt(x^2 - 1)
	"Acosh": {vjp: derivative(func(c *call, x, y, dy *ir.Value) *ir.Value { return c.div(dy, c.sqrt(c.plus(c.mul(x, x), -1))) })},
	// atanh' = 1 / (1 - x^2)
	"Atanh": {vjp: derivative(func(c *call, x, y, dy *ir.Value) *ir.Value { return c.div(dy, c.oneMinusSquare(x)) })},
}

// oneMinusSquare is 1 - x^2.
func (b *builder) oneMinusSquare(x *ir.Value) *ir.Value {
	return b.sub(b.scalar(1), b.mul(x, x))
}
