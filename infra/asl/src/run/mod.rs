//! Runs one state. Only a task attempt waits for anything other than the clock.

use attempt::Attempt;
use choose::choose;
pub(crate) use flow::later;
use retry::{Recovery, recover};
pub(crate) use state_run::{Outcome, Ports, StateRun};

mod attempt;
mod choose;
mod flow;
mod retry;
mod state_run;
