//! Comparing and CRC-32 of the same bytes in one pass, in registers of 512 bits.
//!
//! Where the processor has no such registers, [`super::kernel`] compares and `crc32fast` sums, one after the
//! other, with the same results. This is the only file with `unsafe` code.

use super::{Crcs, Width};

/// The least bytes for which a combined pass pays, since its checksum has to be started and finished.
pub(super) const LEAST: usize = 8 << 10;

/// Counts the changed elements of two blocks of the same length and adds both to the sums; `None`, and nothing
/// is added, where this processor cannot do that at once, it would not pay, or the elements are integers.
#[cfg(target_arch = "x86_64")]
pub(super) fn changed(width: Width, pre: &[u8], post: &[u8], crcs: &mut Crcs<'_>) -> Option<u64> {
    if post.len() < LEAST || pre.len() != post.len() || !width.is_float() || !x86::is_there() {
        return None;
    }
    let post_sum = crcs.post.as_deref_mut()?;
    Some(x86::changed(width, pre, post, crcs.pre.as_deref_mut(), post_sum))
}

/// No other processor can.
#[cfg(not(target_arch = "x86_64"))]
pub(super) fn changed(_: Width, _: &[u8], _: &[u8], _: &mut Crcs<'_>) -> Option<u64> {
    None
}

#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code)]
mod x86 {
    use super::Width;
    use crate::snapshot::Crc;
    use std::arch::is_x86_feature_detected;
    use std::arch::x86_64::*;

    /// What fills a register, and as much as is folded side by side, since a product takes longer than it is until
    /// the next one can begin.
    type Register = [u8; 64];
    type Round = [Register; SIDE_BY_SIDE];
    const SIDE_BY_SIDE: usize = 4;
    const ROUND: usize = size_of::<Round>();

    /// What a half of 64 bits is multiplied by to be moved one round on: x^(n + 32) for the earlier half, which
    /// is 64 bits further from the end, and x^(n - 32) for the later one, n being the bits of a round; see V. Gopal
    /// et al., "Fast CRC Computation for Generic Polynomials Using PCLMULQDQ Instruction", Intel, 2009.
    const EARLIER: u64 = power(8 * ROUND as u32 + 32);
    const LATER: u64 = power(8 * ROUND as u32 - 32);

    /// x to the power of `n` modulo the polynomial, with its bits in reverse and moved by one, as the product of
    /// two reversed numbers needs it.
    const fn power(n: u32) -> u64 {
        let mut rest: u32 = 1;
        let mut at = 0;
        while at < n {
            let carried = rest >> 31 == 1;
            rest <<= 1;
            if carried {
                rest ^= 0x04C1_1DB7;
            }
            at += 1;
        }
        (rest.reverse_bits() as u64) << 1
    }

    /// Whether this processor has all that is used here. The standard library asks it once.
    pub(super) fn is_there() -> bool {
        is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("popcnt")
            && is_x86_feature_detected!("vpclmulqdq")
    }

    /// Counts the changed elements and adds the bytes to the sums; only where [`is_there`].
    pub(super) fn changed(
        width: Width,
        pre: &[u8],
        post: &[u8],
        pre_sum: Option<&mut Crc>,
        post_sum: &mut Crc,
    ) -> u64 {
        assert!(is_there(), "called where the processor cannot");
        let whole = post.len() - post.len() % ROUND;
        // SAFETY: the processor has the features that this function is compiled for, as was just asserted.
        let count = unsafe {
            match width {
                Width::F16 => compare::<2>(pre, post, pre_sum, post_sum),
                Width::F32 => compare::<4>(pre, post, pre_sum, post_sum),
                _ => compare::<8>(pre, post, pre_sum, post_sum),
            }
        };
        count + width.changed(&pre[whole..], &post[whole..])
    }

    /// Counts the changed elements of all whole rounds, and adds all bytes to the sums.
    #[target_feature(enable = "avx512f,avx512bw,popcnt,vpclmulqdq")]
    fn compare<const SIZE: usize>(
        pre: &[u8],
        post: &[u8],
        pre_sum: Option<&mut Crc>,
        post_sum: &mut Crc,
    ) -> u64 {
        let (pre_rounds, pre_rest) = rounds(pre);
        let (post_rounds, post_rest) = rounds(post);
        let mut post_fold = Fold::after(post_sum);
        let count = match pre_sum {
            Some(pre_sum) => {
                let mut pre_fold = Fold::after(pre_sum);
                let count = fold::<SIZE, true>(pre_rounds, post_rounds, &mut pre_fold, &mut post_fold);
                pre_fold.finish(pre.len() - pre_rest.len(), pre_sum);
                pre_sum.update(pre_rest);
                count
            }
            None => {
                let mut unused = Fold::after(&Crc::default());
                fold::<SIZE, false>(pre_rounds, post_rounds, &mut unused, &mut post_fold)
            }
        };
        post_fold.finish(post.len() - post_rest.len(), post_sum);
        post_sum.update(post_rest);
        count
    }

    fn rounds(bytes: &[u8]) -> (&[Round], &[u8]) {
        let (registers, _) = bytes.as_chunks();
        let (rounds, _) = registers.as_chunks();
        (rounds, &bytes[size_of_val(rounds)..])
    }

    /// Folds both sides, or the one after the step, and counts what changed between them.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,popcnt,vpclmulqdq")]
    fn fold<const SIZE: usize, const BOTH: bool>(
        pre: &[Round],
        post: &[Round],
        pre_fold: &mut Fold,
        post_fold: &mut Fold,
    ) -> u64 {
        let mut count = 0;
        for (pre, post) in pre.iter().zip(post) {
            // The masks of two registers each, so that fewer are counted; one of them has at most 32 bits.
            let mut changed = [0; SIDE_BY_SIDE / 2];
            for at in 0..SIDE_BY_SIDE {
                let (pre, post) = (load(&pre[at]), load(&post[at]));
                let elements = size_of::<Register>() / SIZE;
                changed[at / 2] |= u64::from(changed_in::<SIZE>(pre, post)) << (at % 2 * elements);
                if BOTH {
                    pre_fold.add(at, pre);
                }
                post_fold.add(at, post);
            }
            count += changed.map(|mask| u64::from(mask.count_ones())).iter().sum::<u64>();
        }
        count
    }

    /// Which elements of two registers changed, by the rules of [`crate::count::kernel`]: a bit for each.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw")]
    fn changed_in<const SIZE: usize>(pre: __m512i, post: __m512i) -> u32 {
        match SIZE {
            2 => {
                let magnitude = _mm512_set1_epi16(0x7fff);
                let equal = _mm512_cmpeq_epi16_mask(pre, post);
                let infinity = _mm512_set1_epi16(0x7c00);
                let equal_and_finite =
                    _mm512_mask_cmplt_epu16_mask(equal, _mm512_and_si512(pre, magnitude), infinity);
                let not_both_zero = _mm512_test_epi16_mask(_mm512_or_si512(pre, post), magnitude);
                not_both_zero & !equal_and_finite
            }
            4 => {
                let difference = _mm512_sub_ps(_mm512_castsi512_ps(pre), _mm512_castsi512_ps(post));
                _mm512_cmp_ps_mask::<_CMP_NEQ_UQ>(difference, _mm512_setzero_ps()).into()
            }
            _ => {
                let difference = _mm512_sub_pd(_mm512_castsi512_pd(pre), _mm512_castsi512_pd(post));
                _mm512_cmp_pd_mask::<_CMP_NEQ_UQ>(difference, _mm512_setzero_pd()).into()
            }
        }
    }

    /// A CRC-32 of whole rounds that is not computed to its end: one round of bytes that has, begun with nothing,
    /// the same CRC-32 as all that was added.
    struct Fold {
        round: [__m512i; SIDE_BY_SIDE],
        /// The CRC-32 of what was before, which the first bytes take with them; then nothing.
        before: __m512i,
    }

    impl Fold {
        #[inline]
        #[target_feature(enable = "avx512f")]
        fn after(sum: &Crc) -> Self {
            let before = _mm512_zextsi128_si512(_mm_cvtsi32_si128(!sum.value() as i32));
            Self { round: [_mm512_setzero_si512(); SIDE_BY_SIDE], before }
        }

        /// Adds the register at this place of a round.
        #[inline]
        #[target_feature(enable = "avx512f,vpclmulqdq")]
        fn add(&mut self, at: usize, data: __m512i) {
            let powers = _mm512_set_epi64(
                LATER as i64,
                EARLIER as i64,
                LATER as i64,
                EARLIER as i64,
                LATER as i64,
                EARLIER as i64,
                LATER as i64,
                EARLIER as i64,
            );
            let earlier = _mm512_clmulepi64_epi128::<0x00>(self.round[at], powers);
            let later = _mm512_clmulepi64_epi128::<0x11>(self.round[at], powers);
            let moved = _mm512_xor_si512(earlier, later);
            self.round[at] = _mm512_xor_si512(moved, data);
            if at == 0 {
                self.round[0] = _mm512_xor_si512(self.round[0], self.before);
                self.before = _mm512_setzero_si512();
            }
        }

        /// Sets the sum to that of what was added, so many bytes behind those it was begun after.
        #[inline]
        #[target_feature(enable = "avx512f")]
        fn finish(self, bytes: usize, sum: &mut Crc) {
            if bytes > 0 {
                let mut hasher = crc32fast::Hasher::new_with_initial(!0);
                for register in self.round {
                    hasher.update(&store(register));
                }
                sum.pass(hasher.finalize(), bytes);
            }
        }
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    fn load(bytes: &Register) -> __m512i {
        // SAFETY: a reference to 64 bytes is valid for reading 64 bytes, and they may lie anywhere.
        unsafe { _mm512_loadu_si512(bytes.as_ptr().cast()) }
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    fn store(register: __m512i) -> Register {
        let mut bytes = [0; 64];
        // SAFETY: the array is valid for writing 64 bytes, and may lie anywhere.
        unsafe { _mm512_storeu_si512(bytes.as_mut_ptr().cast(), register) };
        bytes
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn powers_are_those_that_are_published() {
            // Of the paper's folding by four registers of 128 bits.
            assert_eq!(power(4 * 128 + 32), 0x1_5444_2bd4);
            assert_eq!(power(4 * 128 - 32), 0x1_c6e4_1596);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::Crc;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn in_one_pass_is_as_one_after_the_other(
            seed in any::<u64>(),
            length in LEAST / 8..3 * LEAST,
            offsets in (0_usize..70, 0_usize..70),
            before in prop::collection::vec(any::<u8>(), 0..100),
            specials in any::<bool>(),
            both in any::<bool>(),
        ) {
            let (pre, post) = sides(seed, length / 8 * 8, specials);
            let shifted = |offset, bytes: &[u8]| [vec![0; offset], bytes.to_vec()].concat();
            let (pre, post) = (shifted(offsets.0, &pre), shifted(offsets.1, &post));
            let (pre, post) = (&pre[offsets.0..], &post[offsets.1..]);
            for &width in WIDTHS {
                let mut sums = [Crc::default(); 4];
                sums.iter_mut().for_each(|sum| sum.update(&before));
                let [first, second, third, fourth] = &mut sums;
                let mut one_by_one = Crcs { pre: both.then_some(first), post: Some(second) };
                let mut at_once = Crcs { pre: both.then_some(third), post: Some(fourth) };
                one_by_one.add(pre, post);
                match changed(width, pre, post, &mut at_once) {
                    Some(count) => prop_assert_eq!(count, width.changed(pre, post)),
                    None => at_once.add(pre, post),
                }
                prop_assert_eq!(&sums[..2], &sums[2..]);
            }
        }
    }

    /// Miri does not know how floats are compared in registers this wide; the blocks of `unsafe` code are the same.
    const WIDTHS: &[Width] = if cfg!(miri) { &[Width::F16] } else { &[Width::F16, Width::F32, Width::F64] };

    /// Bytes of which many are the same on both sides, some of them as NaN, infinities and zeros.
    fn sides(seed: u64, length: usize, specials: bool) -> (Vec<u8>, Vec<u8>) {
        let mut state = seed | 1;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state
        };
        let special: [u64; 8] = [
            0,
            0x8000_0000_8000_8000,
            0x7f80_0000_7f80_0000,
            0xff80_0000_7f80_0000,
            0x7ff0_0000_0000_0000,
            0xfff0_0000_0000_0000,
            0x7c00_fc00_7e00_0001,
            0x7ff8_0000_7fc0_0001,
        ];
        let mut draw = |after: Option<u64>| match (after, next() % 4) {
            (Some(same), 0 | 1) => same,
            (_, choice) if specials && choice != 3 => special[next() as usize % special.len()],
            _ => next(),
        };
        let pre: Vec<u64> = (0..length / 8).map(|_| draw(None)).collect();
        let post: Vec<u64> = pre.iter().map(|&pre| draw(Some(pre))).collect();
        let bytes = |values: &[u64]| values.iter().flat_map(|value| value.to_ne_bytes()).collect();
        (bytes(&pre), bytes(&post))
    }
}
