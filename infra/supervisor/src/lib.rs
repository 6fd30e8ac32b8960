#![doc = include_str!("../README.md")]

pub use connect::{connect, end};
pub use ending::{Ending, ended};
pub use examine::{Finding, examine};
pub use life::{serve, supervise};
pub use order::Order;
pub use relay::relay;
pub use start::{Launcher, StartError, Tether, start};

mod connect;
mod ending;
mod examine;
mod life;
mod order;
mod relay;
mod server;
mod socket;
mod spawner;
mod start;
mod trial;
mod worker;
