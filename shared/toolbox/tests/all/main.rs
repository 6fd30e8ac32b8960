//! The toolbox through its public surface: a request as bytes in, a response as bytes out.
#![expect(clippy::unwrap_used, reason = "what goes wrong in a test's own preparation ends the test")]

mod against_git;
mod base;
mod edits;
mod escapes;
mod fixture;
mod hostile;
mod protocol;
mod rebase;
mod round_trip;
mod search;
mod settling;
mod view;
mod whole_change;
