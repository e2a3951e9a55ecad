package bundle

import "github.com/bottlenet/bnc/ops"

// CodecJPEG is the codec that bnc split takes where it is not told which.
const CodecJPEG = "jpeg"

// jpegFrame is what a grey JFIF file with the standard tables holds besides the
// entropy-coded segment (ITU-T T.81, B.2; JFIF 1.02): SOI, APP0, one
// quantisation table, SOF0, a DC and an AC Huffman table, SOS and EOI.
const jpegFrame = 2 + 18 + 69 + 13 + 33 + 183 + 10 + 2

func init() {
	jpeg, err := ops.Lookup(CodecJPEG)
	if err != nil {
		panic("BUG: " + err.Error())
	}
	Register(Codec{Codec: jpeg, FileFrame: jpegFrame})
}
