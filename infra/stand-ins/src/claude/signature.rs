//! Signatures of thinking blocks.
//!
//! As with current models, a block is bound to everything before it: system prompt, tools, every earlier block, and the
//! previous thinking block. The oldest thinking blocks may be left out. So a client that edits its history is detected.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::api_error::ApiError;
use super::digest::{Digest, ShortHash};
use super::request::{Request, Role};

/// Bytes: three hashes.
const LENGTH: usize = 3 * size_of::<ShortHash>();

/// What the next thinking block is bound to.
pub(crate) struct Binding {
    prefix: ShortHash,
    /// A hash of the previous thinking block's signature.
    previous: ShortHash,
}

impl Binding {
    /// The signature of a block at the end of the conversation.
    pub(crate) fn sign(&self, thinking: &str) -> String {
        let seal = seal(self.prefix, self.previous, thinking);
        STANDARD.encode([self.prefix, self.previous, seal].concat())
    }
}

/// Checks every signature of a conversation and returns the binding of the next block.
pub(crate) fn check(request: &Request) -> Result<Binding, ApiError> {
    let mut digest = Digest::of_tools_and_system(request);
    let mut previous: Option<ShortHash> = None;
    for (number, message) in request.messages.iter().enumerate() {
        for (position, block) in message.blocks.iter().enumerate() {
            let text = |name| block.get(name).and_then(Value::as_str).unwrap_or_default();
            if text("type") == "thinking" {
                let signature = text("signature");
                let path = format!("messages.{number}.content.{position}");
                verify(signature, digest.short(), previous, text("thinking")).map_err(|flaw| flaw.into_error(&path))?;
                previous = Some(hash(signature));
            } else {
                digest.add_text(message.role.name());
                digest.add(block);
            }
        }
    }
    // The checks refuse a conversation that ends with an assistant message.
    debug_assert!(request.messages.last().is_none_or(|message| message.role != Role::Assistant));
    Ok(Binding { prefix: digest.short(), previous: previous.unwrap_or_default() })
}

enum Flaw {
    /// The block was not signed here, or its text was changed.
    Forged,
    /// The block is genuine but follows another conversation.
    Moved,
}

impl Flaw {
    fn into_error(self, path: &str) -> ApiError {
        let invalid = format!("{path}: Invalid `signature` in `thinking` block");
        ApiError::invalid(match self {
            Self::Forged => invalid,
            Self::Moved => format!(
                "{invalid}. The block is bound to a different conversation. Remove the block, or set \
                 `thinking.block_binding.prefix_mismatch_behavior` to \"drop_block\"."
            ),
        })
    }
}

fn verify(signature: &str, prefix: ShortHash, previous: Option<ShortHash>, thinking: &str) -> Result<(), Flaw> {
    let bytes = STANDARD.decode(signature).ok().filter(|bytes| bytes.len() == LENGTH).ok_or(Flaw::Forged)?;
    let part = |number: usize| {
        let mut part = ShortHash::default();
        part.copy_from_slice(&bytes[number * 16..][..16]);
        part
    };
    let (signed_prefix, signed_previous, signed_seal) = (part(0), part(1), part(2));
    if seal(signed_prefix, signed_previous, thinking) != signed_seal {
        return Err(Flaw::Forged);
    }
    let is_chained = previous.is_none_or(|previous| previous == signed_previous);
    if signed_prefix == prefix && is_chained { Ok(()) } else { Err(Flaw::Moved) }
}

fn seal(prefix: ShortHash, previous: ShortHash, thinking: &str) -> ShortHash {
    let mut digest = Digest::default();
    digest.add_text("the stand-in's seal");
    digest.add_text(&STANDARD.encode([prefix, previous].concat()));
    digest.add_text(thinking);
    digest.short()
}

fn hash(signature: &str) -> ShortHash {
    let mut digest = Digest::default();
    digest.add_text(signature);
    digest.short()
}
