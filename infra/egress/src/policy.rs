use std::collections::BTreeSet;
use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::{AddressClass, Target, refused_class};

/// What may be reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Policy {
    /// These hosts on these ports.
    Listed(BTreeSet<Target>),
    /// Every host, on the ports of HTTP and HTTPS and on those that any user's program may listen on.
    Open,
}

/// Why something is not reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    #[error("it is not on the list of hosts")]
    NotListed,
    #[error("the port is neither 80 nor 443 and below 1024")]
    Port,
    #[error("its address is {0}")]
    Address(AddressClass),
    #[error("its name does not resolve")]
    Unresolved,
    #[error("the tunnel did not begin with a TLS handshake")]
    NotTls,
    #[error("the TLS handshake names another server")]
    OtherServerName,
    #[error("too many hosts were asked for")]
    LogFull,
}

impl Policy {
    /// Judges a host before its name is resolved.
    pub(crate) fn judge(&self, target: &Target) -> Result<(), Refusal> {
        match self {
            Self::Listed(hosts) if hosts.contains(target) => Ok(()),
            Self::Listed(_) => Err(Refusal::NotListed),
            Self::Open if matches!(target.port(), 80 | 443 | 1024..) => Ok(()),
            Self::Open => Err(Refusal::Port),
        }
    }
}

/// The addresses that may be reached of those that a name resolves to.
pub(crate) fn reachable(addresses: Vec<SocketAddr>) -> Result<Vec<SocketAddr>, Refusal> {
    let class = |address: &SocketAddr| refused_class(address.ip());
    let refused = addresses.iter().find_map(class);
    let reachable: Vec<_> = addresses.into_iter().filter(|address| class(address).is_none()).collect();
    match (reachable.is_empty(), refused) {
        (false, _) => Ok(reachable),
        (true, Some(class)) => Err(Refusal::Address(class)),
        (true, None) => Err(Refusal::Unresolved),
    }
}
