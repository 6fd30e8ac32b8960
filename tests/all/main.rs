//! One binary for all tests that need more than one crate.

#[cfg(test)]
mod agent_loop;
#[cfg(test)]
mod checkpoints;
#[cfg(test)]
mod claude;
#[cfg(test)]
mod command_keys;
#[cfg(test)]
mod contracts;
#[cfg(test)]
mod deletion;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod http;
#[cfg(test)]
mod invocations;
#[cfg(test)]
mod laws;
#[cfg(test)]
mod networks;
#[cfg(test)]
mod preparation;
#[cfg(test)]
mod program;
#[cfg(test)]
mod recovery;
#[cfg(test)]
mod regressions;
#[cfg(test)]
mod sandbox_removal;
#[cfg(test)]
mod scripts;
#[cfg(test)]
mod set_up;
#[cfg(test)]
mod start_faults;
#[cfg(test)]
mod step_limit;
#[cfg(test)]
mod support;
#[cfg(test)]
mod survey;
#[cfg(test)]
mod tidy;
#[cfg(test)]
mod tools;
#[cfg(test)]
mod verification;
mod waits;
#[cfg(test)]
mod whole_sessions;
