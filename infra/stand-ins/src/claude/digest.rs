//! Digests of a conversation that ignore the order of keys and cache breakpoints.

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::canonical::canonical;
use super::request::Request;

/// The first half of a SHA-256, long enough to tell conversations apart.
pub(crate) type ShortHash = [u8; 16];

/// An incremental digest.
#[derive(Clone, Default)]
pub(crate) struct Digest(Sha256);

impl Digest {
    /// A digest of tools and system prompt. The order of the tools does not count: the API compares them as a set.
    pub(crate) fn of_tools_and_system(request: &Request) -> Self {
        let mut digest = Self::default();
        let mut tools: Vec<_> = request.tools.iter().map(canonical).collect();
        tools.sort();
        tools.iter().for_each(|tool| digest.add_text(tool));
        digest.add_text("system");
        request.system.iter().for_each(|block| digest.add(block));
        digest
    }

    pub(crate) fn add(&mut self, block: &Value) {
        self.add_text(&canonical(block));
    }

    /// Length-prefixed, so that no two sequences of texts have the same digest.
    pub(crate) fn add_text(&mut self, text: &str) {
        self.0.update((text.len() as u64).to_be_bytes());
        self.0.update(text);
    }

    pub(crate) fn short(&self) -> ShortHash {
        let full = self.0.clone().finalize();
        let mut short = ShortHash::default();
        short.copy_from_slice(&full[..16]);
        short
    }

    /// An id of the API's form: the prefix, `_01` and 22 letters and digits.
    pub(crate) fn id(&self, prefix: &str) -> String {
        const ALPHABET: &[u8; 58] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
        let mut number = u128::from_be_bytes(self.short());
        let mut id = format!("{prefix}_01");
        for _ in 0..22 {
            id.push(char::from(ALPHABET[(number % 58) as usize]));
            number /= 58;
        }
        id
    }
}
