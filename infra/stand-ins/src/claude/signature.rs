//! Signatures of thinking blocks.
//!
//! As with current models a block is bound to what stands before it: system prompt, tools, every earlier block, and the
//! thinking block before it, of which the oldest may be left out. So a client that edits its history is found out.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::api_error::ApiError;
use super::digest::{Digest, Short};
use super::request::{Request, Role};

const LENGTH: usize = 48;

/// The end of a conversation, where the next thinking block will stand.
pub(crate) struct Place {
    prefix: Short,
    previous: Short,
}

impl Place {
    /// Signs a block that is to stand here.
    pub(crate) fn sign(&self, thinking: &str) -> String {
        let seal = seal(self.prefix, self.previous, thinking);
        STANDARD.encode([self.prefix, self.previous, seal].concat())
    }
}

/// Checks every signature of a conversation; gives the place after its end.
pub(crate) fn check(request: &Request) -> Result<Place, ApiError> {
    let mut digest = Digest::of_frame(request);
    let mut previous: Option<Short> = None;
    for (number, message) in request.messages.iter().enumerate() {
        for (position, block) in message.blocks.iter().enumerate() {
            let text = |name| block.get(name).and_then(Value::as_str).unwrap_or_default();
            if text("type") == "thinking" {
                let signature = text("signature");
                let path = format!("messages.{number}.content.{position}");
                verify(signature, digest.short(), previous, text("thinking")).map_err(|flaw| flaw.at(&path))?;
                previous = Some(chain(signature));
            } else {
                digest.add_text(message.role.name());
                digest.add(block);
            }
        }
    }
    // The reply's own role, so that a block at its beginning is bound to the same as when it is sent back.
    debug_assert!(request.messages.last().is_none_or(|message| message.role != Role::Assistant));
    Ok(Place { prefix: digest.short(), previous: previous.unwrap_or_default() })
}

enum Flaw {
    Forged,
    Moved,
}

impl Flaw {
    fn at(self, path: &str) -> ApiError {
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

fn verify(signature: &str, prefix: Short, previous: Option<Short>, thinking: &str) -> Result<(), Flaw> {
    let bytes = STANDARD.decode(signature).ok().filter(|bytes| bytes.len() == LENGTH).ok_or(Flaw::Forged)?;
    let part = |number: usize| {
        let mut part = Short::default();
        part.copy_from_slice(&bytes[number * 16..][..16]);
        part
    };
    let (signed_prefix, signed_previous, signed_seal) = (part(0), part(1), part(2));
    if seal(signed_prefix, signed_previous, thinking) != signed_seal {
        return Err(Flaw::Forged);
    }
    let chained = previous.is_none_or(|previous| previous == signed_previous);
    if signed_prefix == prefix && chained { Ok(()) } else { Err(Flaw::Moved) }
}

fn seal(prefix: Short, previous: Short, thinking: &str) -> Short {
    let mut digest = Digest::default();
    digest.add_text("the stand-in's seal");
    digest.add_text(&STANDARD.encode([prefix, previous].concat()));
    digest.add_text(thinking);
    digest.short()
}

fn chain(signature: &str) -> Short {
    let mut digest = Digest::default();
    digest.add_text(signature);
    digest.short()
}
