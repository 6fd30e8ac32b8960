//! The port to secrets.

use async_trait::async_trait;
use secrecy::SecretString;

use crate::Unavailable;

/// A secret we know how to use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SecretName {
    /// The key of the model's service (`ANTHROPIC_API_KEY`).
    ModelKey,
    /// The token of the forge (`GITHUB_TOKEN`).
    ForgeToken,
    /// The id of the sandbox provider's token (`MODAL_TOKEN_ID`).
    SandboxTokenId,
    /// The sandbox provider's token (`MODAL_TOKEN_SECRET`).
    SandboxTokenSecret,
}

impl SecretName {
    /// Every secret.
    pub const ALL: [Self; 4] = [Self::ModelKey, Self::ForgeToken, Self::SandboxTokenId, Self::SandboxTokenSecret];
}

/// Where secrets come from.
///
/// Contract: a value is handed out only as a [`SecretString`] and never logged; empty counts as not there.
#[async_trait]
pub trait Secrets: Send + Sync {
    /// The secret's value, if there is one.
    async fn get(&self, name: SecretName) -> Result<Option<SecretString>, Unavailable>;
}
