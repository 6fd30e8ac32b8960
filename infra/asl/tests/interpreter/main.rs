//! The interpreter through its public surface. Time is a number that sleeping moves, so nothing here sleeps.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on fails; the exemption for tests leaves out what several of them share"
)]

mod callback;
mod choice;
mod data;
mod refusals;
mod resume;
mod retry;
mod session;
mod support;
