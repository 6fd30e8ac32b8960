//! Keys of commands that may be sent twice.

use serde::{Deserialize, Serialize};

use crate::{Digest256, IdempotencyKey};

/// The idempotency key of a command to a session, with what the command asks for. It stands in the log with the first event
/// of the command, so that key and effect are written together. Only digests: a key may be chosen from something private.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CommandKey {
    /// Digest of the key.
    pub key: Digest256,
    /// Digest of the command's name and arguments.
    pub request: Digest256,
}

impl CommandKey {
    pub fn new(key: &IdempotencyKey, command: &str, arguments: &str) -> Self {
        let request = format!("{command}\n{arguments}");
        Self { key: Digest256::of(key.as_str().as_bytes()), request: Digest256::of(request.as_bytes()) }
    }
}

/// The keys of a session's latest commands.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandKeys(std::collections::VecDeque<CommandKey>);

/// What is known of a command's key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KnownKey {
    /// The command was recorded.
    SameRequest,
    /// The key came with another command.
    OtherRequest,
}

impl CommandKeys {
    /// Maximum keys. A command that is repeated after this many others counts as a new one.
    pub const MAX: usize = 64;

    pub(crate) fn remember(&mut self, command: &CommandKey) {
        if self.0.len() == Self::MAX {
            self.0.pop_front();
        }
        self.0.push_back(command.clone());
    }

    /// None for a key that did not come yet.
    pub fn find(&self, command: &CommandKey) -> Option<KnownKey> {
        let known = self.0.iter().rev().find(|known| known.key == command.key)?;
        Some(if known.request == command.request { KnownKey::SameRequest } else { KnownKey::OtherRequest })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_known_with_its_request_until_enough_others_came() {
        let command = |key: &str, text| CommandKey::new(&key.parse().unwrap(), "message", text);
        let mut keys = CommandKeys::default();
        assert_eq!(keys.find(&command("first", "a")), None);
        keys.remember(&command("first", "a"));
        assert_eq!(keys.find(&command("first", "a")), Some(KnownKey::SameRequest));
        assert_eq!(keys.find(&command("first", "b")), Some(KnownKey::OtherRequest));
        let other = CommandKey::new(&"first".parse().unwrap(), "reject", "a");
        assert_eq!(keys.find(&other), Some(KnownKey::OtherRequest), "of another command");
        (1..CommandKeys::MAX).for_each(|n| keys.remember(&command(&n.to_string(), "a")));
        assert!(keys.find(&command("first", "a")).is_some());
        keys.remember(&command("one-more", "a"));
        assert_eq!(keys.find(&command("first", "a")), None);
    }
}
