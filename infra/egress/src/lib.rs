#![doc = include_str!("../README.md")]

pub use address::{AddressClass, refused_class};
pub use outside::{Internet, Outside};
pub use policy::{Policy, Refusal};
pub use proxy::Proxy;
pub use request_log::{Entry, MAX_ENTRIES, RequestLog, entries};
pub use target::{InvalidTarget, Target};

mod address;
mod forward;
mod outside;
mod policy;
mod proxy;
mod request_log;
mod target;
mod tunnel;
