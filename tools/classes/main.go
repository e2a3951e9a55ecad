// Command classes prints the constants of codec "transform", ops/transform_tables.h:
//
//	go run ./tools/classes >ops/transform_tables.h
//
// They are the code's: files and payloads of before need them as they are.
package main

import (
	"bufio"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strings"
)

func main() {
	out := bufio.NewWriter(os.Stdout)
	header(out)
	if err := out.Flush(); err != nil {
		fmt.Fprintln(os.Stderr, "classes:", err)
		os.Exit(1)
	}
}

// maxBlock is the longest side of a block.
const maxBlock = 14

func header(out io.Writer) {
	fmt.Fprint(out, `/*
 * Constants of codec "transform", printed by tools/classes: cosines, powers of two, and
 * for each class of coefficients its probabilities.
 */
#ifndef BNC_TRANSFORM_TABLES_H
#define BNC_TRANSFORM_TABLES_H

#include <stdint.h>

`)
	fmt.Fprintf(out, "#define MAX_BLOCK %d  /* the longest side of a block */\n", maxBlock)
	fmt.Fprintf(out, "#define CLASSES %d\n", classes)
	fmt.Fprintf(out, "#define UNIT_CLASS %d /* of a mean magnitude of one step; an octave is four classes */\n", unitClass)
	fmt.Fprintf(out, "#define DECISIONS %d  /* of a magnitude, before it is escaped */\n\n", decisions)

	fmt.Fprint(out, "/* Q14, of n points from (n-1)(n+2)/2 on: sqrt(1/n), then sqrt(2/n) cos(pi i / 2n) for i = 0..n-1. */\n")
	var cosines []int
	for n := 1; n <= maxBlock; n++ {
		cosines = append(cosines, fixed(math.Sqrt(1/float64(n)), 14))
		for i := range n {
			cosines = append(cosines, fixed(math.Sqrt(2/float64(n))*math.Cos(math.Pi*float64(i)/float64(2*n)), 14))
		}
	}
	list(out, "int16_t", "cosines[MAX_BLOCK * (MAX_BLOCK + 3) / 2]", cosines)
	fmt.Fprint(out, "/* 2^(i/16), Q16. */\n")
	var mantissas []int
	for i := range 16 {
		mantissas = append(mantissas, fixed(math.Exp2(float64(i)/16), 16))
	}
	list(out, "uint32_t", "mantissas[16]", mantissas)

	var expected []int
	var stops [][]int
	for k := range classes {
		c := newClass(k)
		expected = append(expected, fixed(c.expected, means))
		stops = append(stops, make([]int, decisions))
		for j, p := range c.stops {
			stops[k][j] = fixed(p, precision)
		}
	}
	fmt.Fprint(out, "/* The mean magnitude, Q8. */\n")
	list(out, "uint16_t", "expectations[CLASSES]", expected)
	fmt.Fprint(out, "/* The probability that a magnitude of at least j is j, Q15. */\n")
	table(out, "uint16_t", "stops[CLASSES][DECISIONS]", stops)
	fmt.Fprint(out, "#endif\n")
}

// fixed returns a number with so many fractional bits.
func fixed(v float64, bits int) int { return int(math.Round(math.Ldexp(v, bits))) }

// list prints a C array.
func list(out io.Writer, kind, declaration string, values []int) {
	fmt.Fprintf(out, "static const %s %s = {\n", kind, declaration)
	for row := range slices.Chunk(values, 15) {
		fmt.Fprintf(out, "    %s,\n", join(row))
	}
	fmt.Fprint(out, "};\n\n")
}

// table prints a C array of rows.
func table(out io.Writer, kind, declaration string, rows [][]int) {
	fmt.Fprintf(out, "static const %s %s = {\n", kind, declaration)
	for _, row := range rows {
		fmt.Fprintf(out, "    {%s},\n", join(row))
	}
	fmt.Fprint(out, "};\n\n")
}

func join(values []int) string {
	return strings.Trim(strings.ReplaceAll(fmt.Sprint(values), " ", ", "), "[]")
}
