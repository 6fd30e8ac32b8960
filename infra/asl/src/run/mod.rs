//! What one visit of a state does. Only a task's attempt waits for anything but time.

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
