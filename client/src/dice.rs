//! Randomness for ids, jitter and spreading.

use std::cell::RefCell;

use rand::{
    Rng, SeedableRng,
    distr::{Distribution, StandardUniform, uniform::SampleRange},
    rngs::StdRng,
};

thread_local! {
    static RNG: RefCell<StdRng> = RefCell::new(StdRng::from_os_rng());
}

/// A random value.
pub(crate) fn random<T>() -> T
where
    StandardUniform: Distribution<T>,
{
    RNG.with_borrow_mut(|rng| rng.random())
}

/// A random index below `len`, which is not 0.
pub(crate) fn index(len: usize) -> usize {
    RNG.with_borrow_mut(|rng| (0..len).sample_single(rng).unwrap_or_default())
}
