package eval

// jpegFrame is what a grey JFIF file with the standard tables holds besides the
// entropy-coded segment (ITU-T T.81, B.2; JFIF 1.02): SOI, APP0, one
// quantisation table, SOF0, a DC and an AC Huffman table, SOS and EOI.
const jpegFrame = 2 + 18 + 69 + 13 + 33 + 183 + 10 + 2

// JPEGFileBytes returns the sizes of whole JPEG files with the same tiles as
// payload records of the given sizes. Dynamic tells that the records hold
// ranges, which such a file does not.
func JPEGFileBytes(records []int, dynamic bool) []int {
	files := make([]int, len(records))
	for i, record := range records {
		content := record - 1 // behind the varint, which has 7 bits a byte
		for limit := 1 << 7; content >= limit; limit <<= 7 {
			content--
		}
		if dynamic {
			content -= 8
		}
		files[i] = content + jpegFrame
	}
	return files
}
