//! Draws of NumPy's legacy generator (`np.random.seed`, `np.random.choice`), to the bit: the splits that others published
//! were drawn with it.
//!
//! MT19937 seeded by `init_genrand`; an integer in `0..=most` is 32 bits, cut to the bits of `most`, drawn again while
//! above it (spec §3.3). A `most` of 0 takes no draw.

use rand_mt::Mt;

/// NumPy's `RandomState`.
pub(crate) struct LegacyRandom(Mt);

impl LegacyRandom {
    /// As after `np.random.seed(seed)`.
    pub(crate) fn new(seed: u32) -> LegacyRandom {
        LegacyRandom(Mt::new(seed))
    }

    /// An integer in `0..=most`.
    fn up_to(&mut self, most: u32) -> u32 {
        if most == 0 {
            return 0;
        }
        let mask = u32::MAX >> most.leading_zeros();
        loop {
            let drawn = self.0.next_u32() & mask;
            if drawn <= most {
                return drawn;
            }
        }
    }

    /// `permutation(n)`.
    pub(crate) fn permutation(&mut self, n: u32) -> Vec<u32> {
        let mut order: Vec<u32> = (0..n).collect();
        for last in (1..n).rev() {
            order.swap(last as usize, self.up_to(last) as usize);
        }
        order
    }

    /// `choice(n, k, replace=False)`, at most `n` of them.
    pub(crate) fn choose(&mut self, n: u32, k: usize) -> Vec<u32> {
        let mut order = self.permutation(n);
        order.truncate(k);
        order
    }

    /// `choice(n, k)`: the same may be drawn twice. Empty where there is nothing to draw from.
    pub(crate) fn choose_with_replacement(&mut self, n: u32, k: usize) -> Vec<u32> {
        let Some(most) = n.checked_sub(1) else { return Vec::new() };
        (0..k).map(|_| self.up_to(most)).collect()
    }
}
