//! Keys and tokens from the environment.

use async_trait::async_trait;
use domain::Unavailable;
use domain::ports::{SecretName, Secrets};
use secrecy::{ExposeSecret, SecretString};

use super::variables as names;

/// Minimum length of a custom header's word that is redacted as a secret, in bytes. Shorter words would match ordinary text.
const MIN_SECRET_BYTES: usize = 16;

/// Secrets that were read from the environment.
#[derive(Debug, Clone, Default)]
pub struct EnvironmentSecrets {
    model_key: Option<SecretString>,
    model_headers: Option<SecretString>,
    forge_token: Option<SecretString>,
    sandbox_token_id: Option<SecretString>,
    sandbox_token_secret: Option<SecretString>,
}

impl EnvironmentSecrets {
    pub(super) fn read(get: &impl Fn(&'static str) -> Option<String>) -> Self {
        let secret = |name| get(name).map(SecretString::from);
        Self {
            model_key: secret(names::ANTHROPIC_API_KEY),
            model_headers: secret(names::ANTHROPIC_CUSTOM_HEADERS),
            forge_token: secret(names::GITHUB_TOKEN),
            sandbox_token_id: secret(names::MODAL_TOKEN_ID),
            sandbox_token_secret: secret(names::MODAL_TOKEN_SECRET),
        }
    }

    /// Replaces the key of the model's service.
    #[must_use]
    pub fn with_model_key(self, key: SecretString) -> Self {
        Self { model_key: Some(key), ..self }
    }

    /// The secret of that name, if it is set.
    pub fn of(&self, name: SecretName) -> Option<SecretString> {
        match name {
            SecretName::ModelKey => self.model_key.clone(),
            SecretName::ForgeToken => self.forge_token.clone(),
            SecretName::SandboxTokenId => self.sandbox_token_id.clone(),
            SecretName::SandboxTokenSecret => self.sandbox_token_secret.clone(),
        }
    }

    /// Every value to redact, words of custom headers included.
    pub fn all(&self) -> impl Iterator<Item = SecretString> {
        let headers = self.model_headers.as_ref().map(ExposeSecret::expose_secret).unwrap_or_default();
        let words = headers.split([' ', ':', ',', '\n']).filter(|word| word.len() >= MIN_SECRET_BYTES);
        let words: Vec<SecretString> = words.map(SecretString::from).collect();
        SecretName::ALL.into_iter().filter_map(|name| self.of(name)).chain(words)
    }
}

#[async_trait]
impl Secrets for EnvironmentSecrets {
    async fn get(&self, name: SecretName) -> Result<Option<SecretString>, Unavailable> {
        Ok(self.of(name))
    }
}
