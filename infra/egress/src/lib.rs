#![doc = include_str!("../README.md")]

pub use address::{AddressClass, refused_class};
pub use journal::{Entry, Journal, MAX_ENTRIES, entries};
pub use outside::{Internet, Outside};
pub use policy::{Policy, Refusal};
pub use proxy::Proxy;
pub use target::Target;

mod address;
mod forward;
mod journal;
mod outside;
mod policy;
mod proxy;
mod target;
mod tunnel;
