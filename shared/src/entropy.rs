//! The entropy port: the only place where the product takes random bytes from.

use std::fmt::Debug;
use std::sync::{Mutex, PoisonError};

use crate::digest::sha256;

/// Gives random bytes.
///
/// Filling can't fail: keys, nonces and ids are made from these bytes, and a caller that could go on without
/// them would do so with zeros one day.
pub trait Entropy: Debug + Send + Sync {
    /// Overwrites every byte.
    fn fill(&self, bytes: &mut [u8]);
}

/// As many random bytes as the caller's type asks for.
pub fn bytes<const N: usize>(entropy: &dyn Entropy) -> [u8; N] {
    let mut bytes = [0; N];
    entropy.fill(&mut bytes);
    bytes
}

/// The operating system's generator.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    /// Ends the process when the system has no random bytes to give.
    ///
    /// A Linux that has booted never gets there. Where it happens nothing else can be trusted either, and whatever
    /// went on would seal personal data with keys that can be guessed; a process that ends is replaced.
    fn fill(&self, bytes: &mut [u8]) {
        if let Err(error) = getrandom::fill(bytes) {
            tracing::error!(%error, "the operating system gives no random bytes: ending the process");
            std::process::abort();
        }
    }
}

/// The same bytes for the same seed, for tests and for replaying history. Never for keys that matter: whoever
/// knows the seed knows the bytes.
#[derive(Debug, Default)]
pub struct SeededEntropy {
    seed: u64,
    blocks: Mutex<u64>,
}

impl SeededEntropy {
    /// A generator that starts over from this seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self { seed, blocks: Mutex::new(0) }
    }
}

impl Entropy for SeededEntropy {
    /// SHA-256 over the seed and a counter of blocks; every call begins with a block of its own.
    fn fill(&self, bytes: &mut [u8]) {
        // A poisoned counter is still a counter: it only ever grows.
        let mut blocks = self.blocks.lock().unwrap_or_else(PoisonError::into_inner);
        for chunk in bytes.chunks_mut(32) {
            let block = sha256(&[&self.seed.to_be_bytes(), &blocks.to_be_bytes()]);
            chunk.iter_mut().zip(block).for_each(|(byte, random)| *byte = random);
            *blocks = blocks.wrapping_add(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_seed_gives_one_sequence_and_another_seed_another() {
        let (one, same, other) = (SeededEntropy::new(1), SeededEntropy::new(1), SeededEntropy::new(2));
        let first: [u8; 40] = bytes(&one);
        assert_eq!(first, bytes(&same));
        assert_ne!(first, bytes(&other));
        assert_ne!(first, bytes(&one), "the sequence goes on");
    }

    #[test]
    fn the_systems_bytes_are_not_zeros_and_not_repeated() {
        let (one, other): ([u8; 32], [u8; 32]) = (bytes(&SystemEntropy), bytes(&SystemEntropy));
        assert_ne!(one, [0; 32]);
        assert_ne!(one, other);
    }
}
