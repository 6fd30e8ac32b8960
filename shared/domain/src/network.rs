//! What the network of a sandbox reaches.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What the network of a sandbox reaches. Never the machine it runs on, nor that machine's neighbours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Network {
    /// Nothing.
    #[default]
    None,
    /// Package registries, and the hosts that the settings add.
    Registries,
    /// Every host, by HTTP and HTTPS.
    Open,
}

impl Network {
    pub const ALL: [Self; 3] = [Self::None, Self::Registries, Self::Open];

    /// The name in JSON and in settings.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Registries => "registries",
            Self::Open => "open",
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// A word that names no network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("none, registries or open is expected")]
pub struct UnknownNetwork;

impl FromStr for Network {
    type Err = UnknownNetwork;

    fn from_str(name: &str) -> Result<Self, UnknownNetwork> {
        Self::ALL.into_iter().find(|network| network.name() == name).ok_or(UnknownNetwork)
    }
}
