use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The longest name in the domain name system, in bytes.
const MAX_NAME_BYTES: usize = 253;

/// A host, by name or address, and a port.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Target {
    /// In lower case, without a dot at its end and without brackets.
    host: String,
    port: u16,
}

impl Target {
    /// None for a host that is neither a name nor an address.
    pub fn new(host: &str, port: u16) -> Option<Self> {
        let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        let host = match bare {
            Some(address) => address.parse::<Ipv6Addr>().ok()?.to_string(),
            None => {
                let name = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
                let in_names = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
                let is_name = !name.is_empty() && name.len() <= MAX_NAME_BYTES && name.bytes().all(in_names);
                let is_whole = name.split('.').all(|label| !label.is_empty() && !label.starts_with('-'));
                (is_name && is_whole).then_some(name)?
            }
        };
        (port != 0).then_some(Self { host, port })
    }

    pub fn host(&self) -> &str {
        &self.host
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// Whether it is given by its address.
    pub fn is_address(&self) -> bool {
        self.host.parse::<IpAddr>().is_ok()
    }
}

/// `host:port`, with brackets around an IPv6 address.
impl fmt::Display for Target {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        if host.contains(':') { write!(formatter, "[{host}]:{port}") } else { write!(formatter, "{host}:{port}") }
    }
}

/// What is no `host:port`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no host, or host:port")]
pub struct InvalidTarget(String);

/// A host without a port has that of HTTPS.
impl FromStr for Target {
    type Err = InvalidTarget;

    fn from_str(text: &str) -> Result<Self, InvalidTarget> {
        let text = text.trim();
        let invalid = || InvalidTarget(text.to_owned());
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, port.parse().map_err(|_| invalid())?),
            Some(_) | None => (text, 443),
        };
        Self::new(host, port).ok_or_else(invalid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_compared_in_one_form_and_what_is_no_host_is_refused() {
        let shown = |text: &str| text.parse::<Target>().map(|target| target.to_string()).ok();
        let same = [
            ("Example.ORG", "example.org:443"),
            ("example.org.", "example.org:443"),
            (" a_b.example:8080 ", "a_b.example:8080"),
            ("[2001:DB8::0:1]:80", "[2001:db8::1]:80"),
            ("[::ffff:1.2.3.4]", "[::ffff:1.2.3.4]:443"),
        ];
        for (text, expected) in same {
            assert_eq!(shown(text).as_deref(), Some(expected), "{text}");
        }
        let long = "a".repeat(254);
        let refused = [
            "",
            ".",
            "a..b",
            "-a.b",
            "a b",
            "user@host",
            "host:0",
            "host:70000",
            "host:+1x",
            "a/b",
            "a\\b",
            "a%2eb",
            "ä.example",
            "::1",
            "[::1",
            "[fe80::1%eth0]:80",
            "*.example.org",
            "a\nb",
            &long,
        ];
        for text in refused {
            assert_eq!(shown(text), None, "{text}");
        }
    }
}
