//! Digests over a conversation, blind to the order of keys and to cache marks.

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::request::Request;

/// The first half of a SHA-256: enough to tell conversations apart.
pub(crate) type Short = [u8; 16];

/// A digest that grows with a conversation.
#[derive(Clone, Default)]
pub(crate) struct Digest(Sha256);

impl Digest {
    /// System prompt and tools. Tools are a set: their order does not count.
    pub(crate) fn of_frame(request: &Request) -> Self {
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

    pub(crate) fn add_text(&mut self, text: &str) {
        self.0.update((text.len() as u64).to_be_bytes());
        self.0.update(text);
    }

    pub(crate) fn short(&self) -> Short {
        let full = self.0.clone().finalize();
        let mut short = Short::default();
        short.copy_from_slice(&full[..16]);
        short
    }

    /// 22 letters and digits, as the API's ids have them.
    pub(crate) fn id(&self, prefix: &str) -> String {
        const SIGNS: &[u8; 58] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
        let mut number = u128::from_be_bytes(self.short());
        let mut id = format!("{prefix}_01");
        for _ in 0..22 {
            id.push(char::from(SIGNS[(number % 58) as usize]));
            number /= 58;
        }
        id
    }
}

/// A block as text with sorted keys and without its cache marks.
pub(crate) fn canonical(block: &Value) -> String {
    let mut block = block.clone();
    unmark(&mut block);
    if let Some(inner) = block.get_mut("content").and_then(Value::as_array_mut) {
        inner.iter_mut().for_each(unmark);
    }
    block.sort_all_objects();
    block.to_string()
}

fn unmark(block: &mut Value) {
    if let Some(fields) = block.as_object_mut() {
        fields.shift_remove("cache_control");
    }
}
