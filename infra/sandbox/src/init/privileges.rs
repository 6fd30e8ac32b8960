//! Giving up what the set-up of an exec needed.

use nix::sys::prctl::{set_child_subreaper, set_dumpable, set_no_new_privs, set_pdeathsig};
use nix::sys::signal::Signal;
use nix::unistd::{Gid, Uid, setgroups, setresgid, setresuid};

use crate::part::{Failure, Part};
use crate::restrictions::NOBODY;
use crate::system;

/// The user that commands are inside.
const AGENT: u32 = 1000;

/// In the namespaces: to the agent, without capabilities. The bounding set comes first: afterwards it could not be emptied.
pub(crate) fn leave_namespace_root() -> Result<(), Failure> {
    let failed = || Failure::of(Part::Privileges, "giving up privileges");
    system::drop_bounding_set().map_err(failed())?;
    become_user(AGENT)?;
    forget_capabilities()?;
    // A change of user clears this, hence last.
    set_pdeathsig(Signal::SIGKILL).map_err(failed())
}

/// Outside namespaces: root becomes nobody, an ordinary user stays itself. The death of the supervisor is noticed on the
/// control socket and not by a signal: somebody must be left to end the tree.
pub(crate) fn leave_host_root() -> Result<(), Failure> {
    let failed = || Failure::of(Part::Privileges, "giving up privileges");
    if Uid::effective().is_root() {
        system::drop_bounding_set().map_err(failed())?;
        setgroups(&[]).map_err(failed())?;
        become_user(NOBODY)?;
    }
    forget_capabilities()?;
    set_child_subreaper(true).map_err(failed())
}

fn become_user(id: u32) -> Result<(), Failure> {
    let failed = || Failure::of(Part::Privileges, "changing the user");
    let (user, group) = (Uid::from_raw(id), Gid::from_raw(id));
    setresgid(group, group, group).map_err(failed())?;
    setresuid(user, user, user).map_err(failed())
}

fn forget_capabilities() -> Result<(), Failure> {
    let failed = || Failure::of(Part::Privileges, "giving up capabilities");
    system::clear_capabilities().map_err(failed())?;
    set_no_new_privs().map_err(failed())?;
    set_dumpable(false).map_err(failed())
}
