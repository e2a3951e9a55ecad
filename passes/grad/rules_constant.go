package grad

import "strings"

// constantRules are those of operators whose output does not change with small
// changes of their operands: shapes, comparisons and what is made of them. Their
// derivative is 0, also where numbers are made of them again (a mask, a size).
var constantRules = func() map[string]rule {
	rows := map[string]rule{}
	for _, op := range strings.Fields(`Shape Size EyeLike ConstantOfShape Constant NonZero
		Equal Greater GreaterOrEqual Less LessOrEqual And Or Xor Not IsInf IsNaN
		BitShift BitwiseAnd BitwiseOr BitwiseXor BitwiseNot`) {
		rows[op] = rule{ignores: map[int]string{every: "small changes of its inputs do not change its output"}}
	}
	return rows
}()
