package cut

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"math/big"
	"slices"
)

// sweep goes through the units once, in their order, with all divisions of what it has seen
// that may become one of the best: what is before the cut and what is behind it, as far as
// units to come read it. Two divisions that are alike in that have the same future, so that
// of those the one goes that has no less bytes, multiply-adds and tensors; and all go that a
// whole cut beats already, because bytes and multiply-adds only grow. What is left is few:
// whatever is on the wrong side of a division crosses, and few tensors may. What
// is read by something that has to be behind crosses at once. Time is that of a unit times
// the divisions, of which [mostParts] are kept at most.
type sweep struct {
	a       *Analysis
	most    int // tensors
	units   []unit
	classes []class

	parts     []*part
	slots     []int      // the open class that has each, -1 for none
	undecided *big.Int   // outputs of the model that units to come make
	at        int        // the unit that is looked at
	after     []*big.Int // of each unit, those that depend on it; nil where that takes too much memory
	answer    []answer   // by class, of the question asked last
	asked     int
	merged    int     // how many parts were left when they were compared last
	best      []final // bytes rise, multiply-adds fall
}

// mostParts bounds the divisions that are followed at once in a graph of so many units: with
// more, as graphs of long branches side by side have them, some of those in between are
// given up.
func mostParts(units int) int { return min(max(1<<21/max(units, 1), 1<<7), 1<<13) }

// side is where an open class is.
type side = byte

const (
	closed  side = iota
	before       // the cut, and nowhere else
	both         // before, and behind: it crosses, or both sides compute it
	pending      // as both, for something behind the cut that has yet to read it
	behind       // only
)

// part is a division of the units so far.
type part struct {
	sides       []side // of open classes, by their slots
	here        int    // open classes that are before or on both sides
	bytes, macs int64
	forced      *big.Int // units that are behind because they depend on what is; not changed
	count       int      // of what crosses
	plain       int      // of that, what takes no bottleneck
	computed    bool     // some of it is no input
	idle        bool     // something crosses or is computed twice that nothing behind reads
	sent        *link    // what crosses
	// outputs of the model that depend on what crosses, and those that are before. Sets are
	// not changed: parts share them.
	dependent, kept *big.Int
}

// link is a list of classes that parts share.
type link struct {
	class int
	next  *link
}

// final is a whole cut.
type final struct {
	bytes, macs  int64
	plain, count int
	sent         *link
}

func newSweep(a *Analysis, most int) *sweep {
	s := &sweep{a: a, most: most, undecided: new(big.Int)}
	s.reduce()
	s.answer = make([]answer, len(s.classes))
	s.lookAhead()
	for _, u := range s.units {
		s.undecided.Or(s.undecided, u.ends)
	}
	return s
}

// mostLookAhead bounds the units with which sets of units are kept for each.
const mostLookAhead = 1 << 15

func (s *sweep) lookAhead() {
	if len(s.units) > mostLookAhead {
		return
	}
	s.after = make([]*big.Int, len(s.units))
	for i, u := range slices.Backward(s.units) {
		s.after[i] = new(big.Int)
		for _, c := range u.makes {
			for _, r := range s.classes[c].readers {
				s.after[i].SetBit(s.after[i].Or(s.after[i], s.after[r]), r, 1)
			}
		}
	}
}

func (s *sweep) run() {
	closing := make([][]int, len(s.units))
	for i, c := range s.classes {
		if c.last >= 0 {
			closing[c.last] = append(closing[c.last], i)
		}
	}
	inputs := len(s.a.gates.inputs)
	s.parts = []*part{{dependent: new(big.Int), kept: new(big.Int), forced: new(big.Int)}}
	for i := range s.units {
		s.at = i
		u := &s.units[i]
		s.open(u)
		s.undecided.AndNot(s.undecided, u.ends)
		var next []*part
		for _, p := range s.parts {
			next = s.divide(p, u, inputs > 1, next)
		}
		s.close(closing[i], next)
		s.parts = s.parts[:0]
		for _, p := range next {
			switch {
			case p.idle || s.beaten(p):
			case p.here == 0 && i >= inputs-1:
				s.finish(p)
			default:
				s.parts = append(s.parts, p)
			}
		}
		if len(s.parts) > 2*s.merged+32 || len(s.parts) > mostParts(len(s.units)) {
			s.merge()
			s.merged = len(s.parts)
		}
	}
}

// open gives what u makes and others read a slot.
func (s *sweep) open(u *unit) {
	for _, c := range u.makes {
		s.classes[c].slot = -1
		if s.classes[c].last < 0 {
			continue
		}
		slot := slices.Index(s.slots, -1)
		if slot < 0 {
			slot = len(s.slots)
			s.slots = append(s.slots, -1)
			for _, p := range s.parts {
				p.sides = append(p.sides, closed)
			}
		}
		s.classes[c].slot, s.slots[slot] = slot, c
	}
}

// close gives back the slots of classes that nothing reads any more.
func (s *sweep) close(classes []int, parts []*part) {
	for _, c := range classes {
		slot := s.classes[c].slot
		s.slots[slot] = -1
		last := !slices.ContainsFunc(s.units[s.classes[c].unit].makes, s.isOpen)
		for _, p := range parts {
			if p.sides[slot] != behind {
				p.here--
			}
			p.idle = p.idle || last && p.sides[slot] == pending
			p.sides[slot] = closed
		}
	}
}

func (s *sweep) isOpen(c int) bool {
	slot := s.classes[c].slot
	return slot >= 0 && s.slots[slot] == c
}

// divide appends what p becomes with u on either side of the cut. It takes p over.
func (s *sweep) divide(p *part, u *unit, several bool, all []*part) []*part {
	allBoth, stays := len(u.reads) > 0, true
	for _, c := range u.reads {
		where := p.sides[s.classes[c].slot]
		allBoth, stays = allBoth && where == both, stays && where != behind
	}
	to := behind
	switch {
	case !u.cheap || !stays || len(u.reads) == 0:
	case allBoth: // nothing is gained by leaving it to one side
		to, stays = both, false
	case u.ends.BitLen() > 0:
		to = both
	default:
		to = pending
	}
	if !u.input && (to != pending || s.worthTwice(p, u)) || u.input && several {
		q := p
		if stays {
			q = p.clone()
		}
		if s.leave(q, u, to, stays) {
			all = append(all, q)
		}
	}
	if stays && s.stay(p, u) {
		all = append(all, p)
	}
	return all
}

// worthTwice reports whether it may be better to let cross what u reads, and compute u on
// both sides, than to let cross what u makes: it is not where that is one tensor for another, has no
// more bytes, and nothing else reads what would cross.
func (s *sweep) worthTwice(p *part, u *unit) bool {
	var crossing []*class
	for _, i := range u.reads {
		if c := &s.classes[i]; p.sides[c.slot] == before {
			crossing = append(crossing, c)
		}
	}
	if len(crossing) != 1 || len(crossing[0].readers) > 1 || len(u.makes) > 1 {
		return true
	}
	made := &s.classes[u.makes[0]]
	return made.crosses == nil || made.bytes > crossing[0].bytes
}

func (p *part) clone() *part {
	q := *p
	q.sides = slices.Clone(p.sides)
	return &q
}

// put says where what u makes is. It is false where that is before and would have to cross,
// and cannot.
func (s *sweep) put(p *part, u *unit, where side) bool {
	for _, c := range u.makes {
		if slot := s.classes[c].slot; slot >= 0 {
			p.sides[slot] = where
			if where != behind {
				p.here++
			}
			if where == before && s.wanted(p, c) && !s.cross(p, c) {
				return false
			}
		}
	}
	return true
}

// wanted reports whether a unit to come that is behind reads class c.
func (s *sweep) wanted(p *part, c int) bool {
	return p.forced.BitLen() > 0 && slices.ContainsFunc(s.classes[c].readers, func(u int) bool { return u > s.at && p.forced.Bit(u) == 1 })
}

// force has what depends on u behind the cut, and lets cross what that reads.
func (s *sweep) force(p *part) bool {
	if s.after == nil {
		return true
	}
	p.forced = new(big.Int).Or(p.forced, s.after[s.at])
	for slot, c := range s.slots {
		if c >= 0 && p.sides[slot] == before && s.wanted(p, c) && !s.cross(p, c) {
			return false
		}
	}
	return true
}

// cross lets class i cross, which is open and before. It is false where it cannot.
func (s *sweep) cross(p *part, i int) bool {
	c := &s.classes[i]
	if c.crosses == nil || p.count == s.most || meet(p.kept, c.reach) {
		return false
	}
	p.sides[c.slot] = both
	p.count++
	p.bytes += c.bytes
	if c.plain {
		p.plain++
	}
	p.computed = p.computed || c.members[0].Producer() != nil
	p.sent = &link{i, p.sent}
	for l := p.sent; l != nil; l = l.next {
		if s.again(l.class, p.sent) {
			return false
		}
	}
	p.dependent = new(big.Int).Or(p.dependent, c.reach)
	return true
}

// stay has u before the cut.
func (s *sweep) stay(p *part, u *unit) bool {
	p.macs += u.macs
	if u.ends.BitLen() > 0 {
		if meet(p.dependent, u.ends) {
			return false
		}
		p.kept = new(big.Int).Or(p.kept, u.ends)
	}
	return s.put(p, u, before)
}

// leave has u behind the cut, or on both sides, and lets cross what that reads; chosen says
// that it might have stayed.
func (s *sweep) leave(p *part, u *unit, to side, chosen bool) bool {
	for _, i := range u.reads {
		c := &s.classes[i]
		if p.sides[c.slot] == pending {
			for _, made := range s.units[c.unit].makes {
				if s.isOpen(made) {
					p.sides[s.classes[made].slot] = both
				}
			}
		}
		if p.sides[c.slot] == before && !s.cross(p, i) {
			return false
		}
	}
	if u.input { // late
		c := &s.classes[u.makes[0]]
		if c.crosses == nil {
			return false
		}
		p.bytes += c.bytes
	}
	if u.ends.BitLen() > 0 && new(big.Int).AndNot(u.ends, p.dependent).BitLen() > 0 {
		return false
	}
	s.put(p, u, to)
	return to != behind || !chosen || s.force(p)
}

// again reports whether class c, which crosses, is cheap to compute of what crosses besides.
func (s *sweep) again(c int, sent *link) bool {
	s.asked++
	var from func(c int) bool
	from = func(c int) bool {
		if s.answer[c].asked != s.asked {
			s.answer[c] = answer{s.asked, false}
			s.answer[c].yes = s.ofReads(c, from)
		}
		return s.answer[c].yes
	}
	for l := sent; l != nil; l = l.next {
		s.answer[l.class] = answer{s.asked, l.class != c}
	}
	return s.ofReads(c, from)
}

// answer is what was found of a class when something was asked of classes.
type answer struct {
	asked int
	yes   bool
}

// ofReads reports whether what makes class c is cheap and all that it reads is so.
func (s *sweep) ofReads(c int, so func(int) bool) bool {
	u := &s.units[s.classes[c].unit]
	return u.cheap && len(u.reads) > 0 && !slices.ContainsFunc(u.reads, func(r int) bool { return !so(r) })
}

// exposed returns what crosses of p and may have to go for what crosses later: those that
// are cheap to compute of something that is open and before.
func (s *sweep) exposed(p *part) (classes []byte) {
	for l := p.sent; l != nil; l = l.next {
		s.asked++
		var reached func(c int) bool
		reached = func(c int) bool {
			if s.answer[c].asked == s.asked {
				return false
			}
			s.answer[c] = answer{s.asked, false}
			u := &s.units[s.classes[c].unit]
			return u.cheap && slices.ContainsFunc(u.reads, func(r int) bool {
				return s.isOpen(r) && p.sides[s.classes[r].slot] == before || reached(r)
			})
		}
		if reached(l.class) {
			classes = binary.AppendUvarint(classes, uint64(l.class))
		}
	}
	return classes
}

func meet(a, b *big.Int) bool {
	return a.BitLen() > 0 && b.BitLen() > 0 && new(big.Int).And(a, b).BitLen() > 0
}

// place returns the first of the best cuts that has more bytes.
func (s *sweep) place(bytes int64) int {
	i, _ := slices.BinarySearchFunc(s.best, bytes, func(f final, bytes int64) int {
		if f.bytes <= bytes {
			return -1
		}
		return 1
	})
	return i
}

// beaten reports whether a whole cut beats p, whatever becomes of it.
func (s *sweep) beaten(p *part) bool {
	i := s.place(p.bytes)
	return i > 0 && s.best[i-1].macs <= p.macs && s.best[i-1].bytes+s.best[i-1].macs < p.bytes+p.macs
}

// finish takes p, of which nothing before is read any more, for a whole cut: all outputs to
// come are behind it.
func (s *sweep) finish(p *part) {
	if p.count < 2 || !p.computed || new(big.Int).AndNot(s.undecided, p.dependent).BitLen() > 0 {
		return
	}
	f := final{p.bytes, p.macs, p.plain, p.count, p.sent}
	i := s.place(p.bytes)
	if i > 0 {
		switch last := &s.best[i-1]; {
		case last.bytes == f.bytes && last.macs == f.macs:
			// One that was found later is nearer to the outputs.
			if cmp.Or(cmp.Compare(min(f.plain, 1), min(last.plain, 1)), cmp.Compare(f.count, last.count)) <= 0 {
				*last = f
			}
			return
		case last.macs <= f.macs:
			return
		case last.bytes == f.bytes:
			i--
		}
	}
	j := i
	for j < len(s.best) && s.best[j].macs >= f.macs {
		j++
	}
	s.best = slices.Replace(s.best, i, j, f)
}

// merge leaves, of parts with the same future, those that none is better than.
func (s *sweep) merge() {
	groups := map[string][]*part{}
	for _, p := range s.parts {
		key := s.future(p)
		groups[key] = append(groups[key], p)
	}
	left := s.parts[:0]
	seen := map[string]bool{}
	for _, p := range slices.Clone(s.parts) {
		key := s.future(p)
		if seen[key] {
			continue
		}
		seen[key] = true
		left = append(left, s.undominated(groups[key])...)
	}
	if most := mostParts(len(s.units)) / 2; len(left) > most { // the first has nothing behind yet
		slices.SortStableFunc(left, func(p, q *part) int {
			return cmp.Or(cmp.Compare(min(p.count, 1), min(q.count, 1)), cmp.Compare(p.macs, q.macs))
		})
		for i := range most {
			left[i] = left[i*len(left)/most]
		}
		left = left[:most]
	}
	s.parts = left
}

// future is the same for parts of which units to come make the same.
func (s *sweep) future(p *part) string {
	must, cannot := new(big.Int).And(p.dependent, s.undecided), new(big.Int)
	if p.kept.BitLen() > 0 {
		for slot, c := range s.slots {
			if c >= 0 && p.sides[slot] == before {
				cannot.Or(cannot, s.classes[c].reach)
			}
		}
		cannot.And(cannot, p.kept)
	}
	return fmt.Sprintf("%s%s,%s,%d,%v,%s", p.sides, must.Text(62), cannot.Text(62), min(p.count, 2), p.computed, s.exposed(p))
}

// undominated returns those of parts with the same future that no other beats or equals in
// bytes, multiply-adds and tensors.
func (s *sweep) undominated(parts []*part) []*part {
	slices.SortStableFunc(parts, func(p, q *part) int {
		return cmp.Or(cmp.Compare(p.bytes, q.bytes), cmp.Compare(p.macs, q.macs), cmp.Compare(p.count, q.count), cmp.Compare(p.plain, q.plain))
	})
	fewest := make([]int64, s.most+1) // multiply-adds of those seen with so many tensors or fewer, plus one; 0 for none
	var left []*part
	for _, p := range parts {
		if f := fewest[p.count]; f > 0 && f-1 <= p.macs {
			continue
		}
		left = append(left, p)
		for n := p.count; n <= s.most; n++ {
			if fewest[n] == 0 || p.macs+1 < fewest[n] {
				fewest[n] = p.macs + 1
			}
		}
	}
	return left
}
