//! How the model's service is called, besides its address and key.

use std::fmt;
use std::time::Duration;

use claude::{Credential, Proxies, extra_headers};
use domain::Effort;
use http::HeaderMap;
use secrecy::SecretString;

use super::error::SettingsError;
use super::variables as names;

/// Credential scheme, custom headers, effort and proxies for calls to the model.
#[derive(Clone, Default)]
pub struct ModelAccess {
    credential: Credential,
    headers: HeaderMap,
    effort: Option<Effort>,
    proxies: Proxies,
    /// The first pause before a retry and the idle timeout within a reply, when they differ from the client's defaults.
    timeouts: Option<(Duration, Duration)>,
}

impl ModelAccess {
    /// Replaces the first pause before a retry, and the idle timeout within a reply.
    #[must_use]
    pub fn with_timeouts(self, first_pause: Duration, idle_timeout: Duration) -> Self {
        Self { timeouts: Some((first_pause, idle_timeout)), ..self }
    }

    pub(super) fn read(get: &impl Fn(&'static str) -> Option<String>) -> Result<Self, SettingsError> {
        let credential = match get(names::BACKSPACE_MODEL_AUTH).as_deref() {
            None | Some("bearer") => Credential::Bearer,
            Some("x-api-key") => Credential::ApiKey,
            Some(other) => {
                return Err(SettingsError::new(names::BACKSPACE_MODEL_AUTH, other, "bearer or x-api-key is expected"));
            }
        };
        let effort = get(names::BACKSPACE_EFFORT).map(|value| {
            let effort = serde_json::from_value(serde_json::Value::String(value.clone()));
            effort.map_err(|_| {
                SettingsError::new(names::BACKSPACE_EFFORT, &value, "low, medium, high, xhigh or max is expected")
            })
        });
        let lines = get(names::ANTHROPIC_CUSTOM_HEADERS).unwrap_or_default();
        // The lines may contain secrets, so the error does not quote them.
        let wrong_line = |error: claude::ConfigurationError| {
            SettingsError::new(names::ANTHROPIC_CUSTOM_HEADERS, "[REDACTED]", error.to_string())
        };
        // Programs read the proxies' variables in both cases.
        let proxy = |upper, lower| get(upper).or_else(|| get(lower)).map(SecretString::from);
        Ok(Self {
            credential,
            headers: extra_headers(&lines).map_err(wrong_line)?,
            effort: effort.transpose()?,
            proxies: Proxies {
                https: proxy(names::HTTPS_PROXY, "https_proxy"),
                http: proxy(names::HTTP_PROXY, "http_proxy"),
                except: get(names::NO_PROXY).or_else(|| get("no_proxy")),
            },
            timeouts: None,
        })
    }

    /// Configures a client of the service.
    pub fn apply(&self, configuration: &mut claude::Configuration) {
        configuration.credential = self.credential;
        configuration.extra_headers = self.headers.clone();
        configuration.effort = self.effort;
        configuration.proxies = self.proxies.clone();
        if let Some((first_pause, idle_timeout)) = self.timeouts {
            configuration.first_pause = first_pause;
            configuration.idle_timeout = idle_timeout;
        }
    }
}

/// Headers and proxies may contain secrets.
impl fmt::Debug for ModelAccess {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("ModelAccess").field("effort", &self.effort).finish_non_exhaustive()
    }
}
