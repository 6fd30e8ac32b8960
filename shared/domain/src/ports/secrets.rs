//! The port to secrets.

use async_trait::async_trait;
use secrecy::SecretString;

use crate::Unavailable;

/// The secrets that the program uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SecretName {
    /// `ANTHROPIC_API_KEY`
    ModelKey,
    /// `GITHUB_TOKEN`
    ForgeToken,
    /// `MODAL_TOKEN_ID`
    SandboxTokenId,
    /// `MODAL_TOKEN_SECRET`
    SandboxTokenSecret,
}

impl SecretName {
    pub const ALL: [Self; 4] = [Self::ModelKey, Self::ForgeToken, Self::SandboxTokenId, Self::SandboxTokenSecret];
}

/// The source of secrets.
///
/// # Contract
/// - **Callers may rely on** an empty value being reported as none.
/// - **An implementation must** return values only as [`SecretString`], and neither log them nor put them into an error.
/// - **After a crash** nothing is left; the port only reads.
#[async_trait]
pub trait Secrets: Send + Sync {
    /// The secret's value; none when it is not configured.
    async fn get(&self, name: SecretName) -> Result<Option<SecretString>, Unavailable>;
}
