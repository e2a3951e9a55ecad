package main

// convolutionCases are Conv with every attribute.
var convolutionCases = []ruleCase{
	{name: "plain", inputs: "float[2,3,8,7] x, float[4,3,3,3] w, float[4] b", body: "y = Conv (x, w, b)"},
	{name: "stride", inputs: "float[2,3,9,9] x, float[4,3,3,3] w, float[4] b", body: "y = Conv <strides: ints = [2, 2], pads: ints = [1, 1, 1, 1]> (x, w, b)"},
}
