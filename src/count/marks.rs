//! Marks which elements of a layer changed at all and which always did, while the kernel counts them.
//!
//! The layer's later steps are one long row of elements, in C order. The neurons repeat in it: each sample of each step has
//! all of them. So the row is laid around a circle of some times the neurons, one bit each, and what lies on the same bit is
//! the same neuron. The circle is a whole number of bytes, so that bits of a file are joined without being moved.

/// Elements that are counted at once. If all or none of them changed, nothing needs to be looked at again.
const TOGETHER: usize = 1024;

/// Moves the lowest bits of eight bytes to one byte, that of the first byte to the highest bit.
const GATHER: u64 = 0x8040_2010_0804_0201;

pub(super) struct ActivityMarks {
    ever: Vec<u8>,
    always: Vec<u8>,
    /// Where the next element is.
    at: usize,
    /// Whether some of the last elements changed and others did not, and that told something new.
    is_mixed: bool,
    open: Open,
}

/// What further elements can still tell.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Open {
    Both,
    /// Only which neurons changed at all: none always did.
    Ever,
    /// Nothing: all neurons have changed, and all have not.
    Nothing,
}

/// How many turns of the circle are joined at once.
const TURNS: usize = 4;

impl ActivityMarks {
    /// A circle of so many bits, a multiple of eight and a power of two times the neurons.
    pub(super) fn new(bits: usize) -> Self {
        let (ever, always) = (vec![0; bits / 8], vec![u8::MAX; bits / 8]);
        Self { ever, always, at: 0, is_mixed: false, open: Open::Both }
    }

    pub(super) fn go_to(&mut self, bit: usize) {
        self.at = bit;
    }

    pub(super) fn join(&mut self, other: &Self) {
        self.ever.iter_mut().zip(&other.ever).for_each(|(ever, more)| *ever |= more);
        self.always.iter_mut().zip(&other.always).for_each(|(always, other)| *always &= other);
    }

    /// Marks so many elements, of which each has a bit; the next element must be the first of a byte.
    #[inline(always)]
    pub(super) fn mark_bits(&mut self, block: &[u8], bits: usize) {
        if self.open == Open::Nothing {
            self.at = (self.at + bits) % (self.ever.len() * 8);
            return;
        }
        let (mut whole, rest) = (&block[..bits / 8], bits % 8);
        let (mut byte, circle) = (self.at / 8, self.ever.len());
        while !whole.is_empty() {
            let turns = TURNS * circle;
            let length =
                if byte == 0 && whole.len() >= turns { turns } else { whole.len().min(circle - byte) };
            let (now, later) = whole.split_at(length);
            if length == turns {
                self.mark_turns(now);
            } else {
                let end = byte + length;
                join_block(&mut self.ever[byte..end], &mut self.always[byte..end], now);
                byte = end % circle;
            }
            whole = later;
        }
        if bits >= TURNS * circle {
            self.look_what_is_open();
        }
        if rest > 0 {
            let padding = u8::MAX >> rest;
            self.ever[byte] |= block[bits / 8] & !padding;
            self.always[byte] &= block[bits / 8] | padding;
        }
        self.at = byte * 8 + rest;
    }

    /// Marks all bits of some turns of the circle.
    #[inline(always)]
    fn mark_turns(&mut self, bits: &[u8]) {
        let (one, rest) = bits.split_at(self.ever.len());
        let (two, rest) = rest.split_at(self.ever.len());
        let (three, four) = rest.split_at(self.ever.len());
        if self.open == Open::Ever {
            for ((ever, (one, two)), (three, four)) in
                self.ever.iter_mut().zip(one.iter().zip(two)).zip(three.iter().zip(four))
            {
                *ever |= one | two | three | four;
            }
            return;
        }
        let marks = self.ever.iter_mut().zip(&mut self.always);
        for ((marks, (one, two)), (three, four)) in marks.zip(one.iter().zip(two)).zip(three.iter().zip(four))
        {
            *marks.0 |= one | two | three | four;
            *marks.1 &= one & two & three & four;
        }
    }

    /// Notes what the marks say already.
    #[inline(always)]
    fn look_what_is_open(&mut self) {
        if self.open == Open::Nothing {
            return;
        }
        let (mut ever, mut always) = (u8::MAX, 0);
        for (more, all) in self.ever.iter().zip(&self.always) {
            ever &= more;
            always |= all;
        }
        self.open = match (always, ever) {
            (0, u8::MAX) => Open::Nothing,
            (0, _) => Open::Ever,
            _ => Open::Both,
        };
    }

    /// Counts the elements that changed, and marks them.
    #[inline(always)]
    pub(super) fn count<const SIZE: usize>(
        &mut self,
        mut pre: &[[u8; SIZE]],
        mut post: &[[u8; SIZE]],
        changed: &impl Fn([u8; SIZE], [u8; SIZE]) -> bool,
        count: impl Fn(&[[u8; SIZE]], &[[u8; SIZE]]) -> u64,
    ) -> u64 {
        let (mut sum, circle) = (0, self.ever.len() * 8);
        if post.len() >= circle {
            self.look_what_is_open();
        }
        while !post.is_empty() {
            if self.open == Open::Nothing {
                self.at = (self.at + post.len()) % circle;
                return sum + count(pre, post);
            }
            let whole = TOGETHER.min(post.len() & !7).min(circle - self.at);
            let together = if self.at.is_multiple_of(8) { whole } else { 0 };
            let length = together.max(1);
            let (before, after) = (&pre[..length], &post[..length]);
            if together == 0 {
                let is_changed = changed(before[0], after[0]);
                self.mark_one(is_changed);
                sum += u64::from(is_changed);
            } else {
                sum += self.count_together(before, after, changed, &count);
            }
            self.at = (self.at + length) % circle;
            (pre, post) = (&pre[length..], &post[length..]);
        }
        sum
    }

    #[inline(always)]
    fn mark_one(&mut self, is_changed: bool) {
        let bit = 0x80 >> (self.at % 8);
        if is_changed {
            self.ever[self.at / 8] |= bit;
        } else {
            self.always[self.at / 8] &= !bit;
        }
    }

    /// Counts and marks elements, the first of which has the first bit of a byte, and the last the last.
    ///
    /// Counting is faster than marking, and mostly all of them changed, or none, or their neurons have done both before.
    #[inline(always)]
    fn count_together<const SIZE: usize>(
        &mut self,
        pre: &[[u8; SIZE]],
        post: &[[u8; SIZE]],
        changed: &impl Fn([u8; SIZE], [u8; SIZE]) -> bool,
        count: &impl Fn(&[[u8; SIZE]], &[[u8; SIZE]]) -> u64,
    ) -> u64 {
        let bytes = self.at / 8..(self.at + post.len()) / 8;
        let (ever, always) = (&mut self.ever[bytes.clone()], &mut self.always[bytes]);
        if !self.is_mixed {
            let changes = count(pre, post);
            if changes == post.len() as u64 {
                ever.fill(u8::MAX);
                return changes;
            }
            if changes == 0 {
                always.fill(0);
                return 0;
            }
            if are_settled(ever, always) {
                return changes;
            }
        }
        let changes = mark(ever, always, pre, post, changed);
        self.is_mixed = (1..post.len() as u64).contains(&changes) && !are_settled(ever, always);
        changes
    }

    /// The sets of neurons that changed ever and always; the bits behind the last neuron mean nothing.
    pub(super) fn folded(mut self, neurons: usize) -> (Vec<u8>, Vec<u8>) {
        let mut circle = self.ever.len() * 8;
        while circle > neurons {
            circle /= 2;
            fold(&mut self.ever, circle, 0, |one, other| one | other);
            fold(&mut self.always, circle, u8::MAX, |one, other| one & other);
        }
        (self.ever, self.always)
    }
}

/// Whether the neurons have all changed and not changed, so that further changes tell nothing new.
#[inline(always)]
fn are_settled(ever: &[u8], always: &[u8]) -> bool {
    // A loop, since adapters are not always compiled for the widest registers.
    let mut settled = u8::MAX;
    for (ever, always) in ever.iter().zip(always) {
        settled &= ever & !always;
    }
    settled == u8::MAX
}

/// Marks elements that have whole bytes; returns how many changed.
#[inline(always)]
fn mark<const SIZE: usize>(
    ever: &mut [u8],
    always: &mut [u8],
    pre: &[[u8; SIZE]],
    post: &[[u8; SIZE]],
    changed: &impl Fn([u8; SIZE], [u8; SIZE]) -> bool,
) -> u64 {
    let mut flags = [0_u8; TOGETHER];
    for ((flag, &pre), &post) in flags.iter_mut().zip(pre).zip(post) {
        *flag = u8::from(changed(pre, post));
    }
    for ((ever, always), flags) in ever.iter_mut().zip(always).zip(flags.as_chunks::<8>().0) {
        let bits = (u64::from_le_bytes(*flags).wrapping_mul(GATHER) >> 56) as u8;
        *ever |= bits;
        *always &= bits;
    }
    let mut changes = 0_u16;
    for flag in flags {
        changes += u16::from(flag);
    }
    changes.into()
}

#[inline(always)]
fn join_block(ever: &mut [u8], always: &mut [u8], bits: &[u8]) {
    for ((ever, always), bits) in ever.iter_mut().zip(always).zip(bits) {
        *ever |= bits;
        *always &= bits;
    }
}

/// Joins the second `half` bits of a set to the first ones. Behind the set, all bits are those of `none`.
fn fold(set: &mut Vec<u8>, half: usize, none: u8, join: impl Fn(u8, u8) -> u8) {
    let (bytes, first, moved) = (half.div_ceil(8), half / 8, half % 8);
    for at in 0..bytes {
        let byte = |place: usize| set.get(place).copied().unwrap_or(none);
        let (high, low) = (byte(first + at), byte(first + at + 1));
        let other = (u16::from_be_bytes([high, low]) << moved >> 8) as u8;
        set[at] = join(set[at], other);
    }
    set.truncate(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The sets of neurons, one element at a time.
    fn plain(changed: &[bool], neurons: usize) -> (Vec<bool>, Vec<bool>) {
        let of = |neuron: usize| changed.iter().skip(neuron).step_by(neurons);
        let all = 0..neurons;
        (
            all.clone().map(|at| of(at).any(|&bit| bit)).collect(),
            all.map(|at| of(at).all(|&bit| bit)).collect(),
        )
    }

    fn bits(set: &[u8], neurons: usize) -> Vec<bool> {
        (0..neurons).map(|at| set[at / 8] >> (7 - at % 8) & 1 == 1).collect()
    }

    fn circle(neurons: usize, doubled: u32) -> usize {
        (neurons * 8 / (1 << neurons.trailing_zeros().min(3))) << doubled
    }

    proptest! {
        /// Of few elements that did not change, so that sets of ever and always have some of either kind.
        #[test]
        fn neurons_are_marked_as_one_by_one(
            neurons in 1_usize..40,
            samples in 1_usize..90,
            doubled in 0_u32..4,
            // All kinds of neurons; none that always changes; none that tells anything new after a while.
            kinds in prop::sample::select(vec![(0, 2), (1, 2), (1, 1)]),
            draws in prop::collection::vec(0_u8..20, 64),
            cut in any::<prop::sample::Index>(),
        ) {
            let likely = |at: usize| (at % neurons % 3).clamp(kinds.0, kinds.1);
            let changed: Vec<bool> = (0..neurons * samples)
                .map(|at| match (likely(at), draws[(at * 7 + at / 64) % 64]) { (0, _) => true, (1, draw) => draw > 9, (_, draw) => draw == 0 })
                .collect();
            let (ever, always) = plain(&changed, neurons);
            let bytes: Vec<[u8; 1]> = changed.iter().map(|&bit| [u8::from(bit)]).collect();
            let zeros = vec![[0]; bytes.len()];
            let differ = |pre: [u8; 1], post: [u8; 1]| pre != post;
            let count = |pre: &[[u8; 1]], post: &[[u8; 1]]| pre.iter().zip(post).filter(|(a, b)| a != b).count() as u64;
            // Two parts in any order, joined.
            let cut = cut.index(changed.len());
            let mut parts = [cut..changed.len(), 0..cut].map(|range| {
                let mut marks = ActivityMarks::new(circle(neurons, doubled));
                marks.go_to(range.start % circle(neurons, doubled));
                let updates = marks.count(&zeros[range.clone()], &bytes[range.clone()], &differ, count);
                assert_eq!(updates, changed[range].iter().filter(|&&bit| bit).count() as u64);
                marks
            });
            let [whole, other] = &mut parts;
            whole.join(other);
            let [whole, _] = parts;
            let (found_ever, found_always) = whole.folded(neurons);
            prop_assert_eq!((bits(&found_ever, neurons), bits(&found_always, neurons)), (ever.clone(), always.clone()));
            // As packed bits, in blocks of bytes.
            let packed: Vec<u8> = changed.chunks(8).map(|byte| {
                byte.iter().enumerate().fold(0, |all, (at, &bit)| all | u8::from(bit) << (7 - at))
            }).collect();
            let mut marks = ActivityMarks::new(circle(neurons, doubled));
            let first = cut / 8;
            marks.mark_bits(&packed[..first], first * 8);
            marks.mark_bits(&packed[first..], changed.len() - first * 8);
            let (found_ever, found_always) = marks.folded(neurons);
            prop_assert_eq!((bits(&found_ever, neurons), bits(&found_always, neurons)), (ever, always));
        }
    }
}
