package bottleneck

import "slices"

// tells stands for the level of a plane that is not always the same.
const tells = -1

// Trim takes the planes that the codec never sends out of a bottleneck of units u, which it
// changes: of both units, and of what the codec knows. What they decode to goes into the
// restoration's means, so that the network computes what it did. Nothing is taken where it
// would not be the same: of strides and residual branches, which see the planes' borders, of
// ranges that are each image's own, and where there are no channel units. It returns the new
// spec, and how many planes are gone.
func Trim(s Spec, u *Units) (Spec, int) {
	coding, err := s.Codec.Coding()
	if err != nil || coding.Trim == nil || s.Full || s.Stride > 1 || s.Width > 0 || s.Dynamic {
		return s, 0
	}
	codec, level := coding.Trim(s.Codec)
	if !slices.ContainsFunc(level, func(l int) bool { return l != tells }) {
		return s, 0
	}
	before, channels := int(s.Reduced), int(s.C)
	keep := func(i int) bool { return level[i] == tells }
	for j := range channels {
		row := u.RestoreChannel.Weight[j*before : (j+1)*before]
		for k, w := range row {
			if !keep(k) {
				u.RestoreChannel.Mean[j] -= w * (s.Lo + float32(level[k])/255*(s.Hi-s.Lo))
			}
		}
	}
	u.RestoreChannel.Weight = kept(u.RestoreChannel.Weight, 1, func(i int) bool { return keep(i % before) })
	u.ReduceChannel.Weight = kept(u.ReduceChannel.Weight, channels, keep)
	for _, numbers := range []*[]float32{&u.ReduceChannel.Gamma, &u.ReduceChannel.Beta, &u.ReduceChannel.Mean, &u.ReduceChannel.Var} {
		*numbers = kept(*numbers, 1, keep)
	}
	s.Codec, s.Reduced = codec, int64(len(u.ReduceChannel.Gamma))
	u.ReduceChannel.Dims[0], u.RestoreChannel.Dims[1] = s.Reduced, s.Reduced
	return s, before - int(s.Reduced)
}

// kept are the chunks of so many numbers that are to be kept, by their places.
func kept[T any](numbers []T, n int, keep func(int) bool) (all []T) {
	i := 0
	for chunk := range slices.Chunk(numbers, n) {
		if keep(i) {
			all = append(all, chunk...)
		}
		i++
	}
	return all
}
