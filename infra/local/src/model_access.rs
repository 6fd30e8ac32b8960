//! How the model's service is talked to, beside its address and the key.

use std::fmt;
use std::time::Duration;

use claude::{Credential, Proxies, extra_headers};
use domain::Effort;
use http::HeaderMap;
use secrecy::SecretString;

use crate::settings::{SettingsError, problem, variables as names};

/// What the settings say about it.
#[derive(Clone, Default)]
pub struct ModelAccess {
    credential: Credential,
    headers: HeaderMap,
    effort: Option<Effort>,
    proxies: Proxies,
    /// Other patience than the usual: the first pause before a retry, and the longest silence within a reply.
    answer_timeout: Option<(Duration, Duration)>,
}

impl ModelAccess {
    /// The same with another first pause before a retry and another longest silence within a reply.
    #[must_use]
    pub fn with_patience(self, first_pause: Duration, silence: Duration) -> Self {
        Self { answer_timeout: Some((first_pause, silence)), ..self }
    }

    pub(crate) fn read(get: &impl Fn(&'static str) -> Option<String>) -> Result<Self, SettingsError> {
        let credential = match get(names::BACKSPACE_MODEL_AUTH).as_deref() {
            None | Some("bearer") => Credential::Bearer,
            Some("x-api-key") => Credential::ApiKey,
            Some(other) => return Err(problem(names::BACKSPACE_MODEL_AUTH, other, "say bearer or x-api-key")),
        };
        let effort = get(names::BACKSPACE_EFFORT).map(|value| {
            let effort = serde_json::from_value(serde_json::Value::String(value.clone()));
            effort.map_err(|_| problem(names::BACKSPACE_EFFORT, &value, "say low, medium, high, xhigh or max"))
        });
        let lines = get(names::ANTHROPIC_CUSTOM_HEADERS).unwrap_or_default();
        // The lines may hold secrets and are not shown.
        let wrong_line = |error: claude::ConfigurationError| {
            problem(names::ANTHROPIC_CUSTOM_HEADERS, "[REDACTED]", &error.to_string())
        };
        // The proxies' variables are known in small letters too.
        let proxy = |large, small| get(large).or_else(|| get(small)).map(SecretString::from);
        Ok(Self {
            credential,
            headers: extra_headers(&lines).map_err(wrong_line)?,
            effort: effort.transpose()?,
            proxies: Proxies {
                https: proxy(names::HTTPS_PROXY, "https_proxy"),
                http: proxy(names::HTTP_PROXY, "http_proxy"),
                except: get(names::NO_PROXY).or_else(|| get("no_proxy")),
            },
            answer_timeout: None,
        })
    }

    /// Tells a client of the service.
    pub fn apply(&self, configuration: &mut claude::Configuration) {
        configuration.credential = self.credential;
        configuration.extra_headers = self.headers.clone();
        configuration.effort = self.effort;
        configuration.proxies = self.proxies.clone();
        if let Some((first_pause, silence)) = self.answer_timeout {
            configuration.first_pause = first_pause;
            configuration.idle_timeout = silence;
        }
    }
}

impl fmt::Debug for ModelAccess {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("ModelAccess").field("effort", &self.effort).finish_non_exhaustive()
    }
}
