//! The first process of the next command, forked before the command is known: its namespaces and its own `/proc` take longer to
//! make than a short command takes to run.

use std::ffi::c_int;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;

use nix::mount::{MsFlags, mount};
use nix::sched::CloneFlags;
use nix::sys::socket::{AddressFamily, ControlMessage, MsgFlags, SockFlag, SockType, socketpair};

use super::{kernel_limits, receive_run, send_run};
use crate::command::Standard;
use crate::ground::Guest;
use crate::init::{self, Kingdom, Kit, privileges};
use crate::part::{Failure, Part};
use crate::system;
use crate::wire::Launch;

/// A first process that waits for its run.
pub(super) struct Spare {
    socket: OwnedFd,
    handle: OwnedFd,
}

impl Spare {
    pub(super) fn fork(kit: &Kit) -> nix::Result<Self> {
        let (ours, theirs) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC)?;
        let own = CloneFlags::CLONE_NEWPID | CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWIPC;
        let (_, handle) = system::fork_into(own, || {
            system::close_all_except(&[theirs.as_raw_fd(), kit.restrictions.number()]);
            wait(theirs, kit)
        })?;
        Ok(Self { socket: ours, handle })
    }

    /// Makes it the first process of a run. Answers its handle; an error when it is gone.
    pub(super) fn give(self, run: u64, descriptors: &[OwnedFd; 4]) -> nix::Result<OwnedFd> {
        let descriptors = descriptors.each_ref().map(AsRawFd::as_raw_fd);
        send_run(&self.socket, Guest::Command, run, &[ControlMessage::ScmRights(&descriptors)], MsgFlags::empty())?;
        Ok(self.handle)
    }
}

/// The life of a first process, which begins before its exec does. It ends when the keeper has no run for it any more.
fn wait(socket: OwnedFd, kit: &Kit) -> c_int {
    let own_processes = mount(Some("proc"), "/proc", Some("proc"), PLAIN, None::<&str>)
        .map_err(Failure::of(Part::Proc, "mounting it for an exec"));
    let Ok(Some((_, _, descriptors))) = receive_run(&socket) else { return libc::EXIT_SUCCESS };
    drop(socket);
    let Ok([control, input, output, error]) = <[OwnedFd; 4]>::try_from(descriptors) else { return libc::EXIT_FAILURE };
    let standard = Standard { input, output, error };
    init::run(Kingdom::Namespace, UnixStream::from(control), standard, kit, |launch| {
        own_processes?;
        settle(launch)
    })
}

/// The kernel needs memory for each, besides the size.
const MAX_SHARED_FILES: u32 = 65_536;

const PLAIN: MsFlags = MsFlags::MS_NOSUID.union(MsFlags::MS_NODEV).union(MsFlags::MS_NOEXEC);

/// The rest of a first process's own view, its shared memory. Then no more rights to mount anything.
fn settle(launch: &Launch) -> Result<(), Failure> {
    // A size of 0 would mean no limit.
    let size = format!("mode=1777,nr_inodes={MAX_SHARED_FILES},size={}", launch.limits.shared_memory_bytes.max(1));
    mount(Some("shm"), "/dev/shm", Some("tmpfs"), PLAIN, Some(size.as_str()))
        .map_err(Failure::of(Part::PrivateMounts, "mounting /dev/shm"))?;
    // Where it fails, the filter refuses what it would bound, unless that is counted anyway.
    let _ = kernel_limits::limit_ipc(launch.limits.shared_memory_bytes);
    privileges::leave_namespace_root()
}

/// The same for the worker's first process, which is forked when it is needed.
pub(super) fn settle_worker(launch: &Launch) -> Result<(), Failure> {
    mount(Some("proc"), "/proc", Some("proc"), PLAIN, None::<&str>)
        .map_err(Failure::of(Part::Proc, "mounting it for the worker"))?;
    settle(launch)
}
