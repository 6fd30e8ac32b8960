//! The system calls for which no safe wrapper exists: all `unsafe` of the project.

#![expect(unsafe_code, reason = "the kernel interfaces of the sandbox have no safe wrappers")]

use std::ffi::{CString, c_int, c_long, c_uint, c_ulong};
use std::io::IoSliceMut;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::panic::{AssertUnwindSafe, catch_unwind};

use nix::cmsg_space;
use nix::errno::Errno;
use nix::sched::CloneFlags;
use nix::sys::signal::{SigHandler, SigSet, SigmaskHow, Signal, sigprocmask};
use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg};
use nix::unistd::Pid;

use crate::Status;

/// Forks. The child runs `child` and exits with what it returns; it never comes back.
///
/// The caller must be single-threaded, which [`Sandbox::open`](crate::Sandbox::open) makes sure of: only then may the child
/// allocate.
pub(crate) fn fork(child: impl FnOnce() -> c_int) -> nix::Result<Pid> {
    // SAFETY: the process has one thread, so no lock of the allocator is held by another one.
    match Errno::result(unsafe { libc::fork() })? {
        0 => become_child(child),
        pid => Ok(Pid::from_raw(pid)),
    }
}

/// The same into the given namespaces. Also returns a descriptor that stands for the child, whatever becomes of its number.
pub(crate) fn fork_into(namespaces: CloneFlags, child: impl FnOnce() -> c_int) -> nix::Result<(Pid, OwnedFd)> {
    let flags = c_long::from(namespaces.bits()) | c_long::from(libc::SIGCHLD) | c_long::from(libc::CLONE_PIDFD);
    let mut handle: c_int = -1;
    // SAFETY: without CLONE_VM and with a null stack this is fork: the child gets a copy of everything. The process has one
    // thread, so no lock of the allocator is held by another one. The kernel writes one integer, the descriptor, which nothing
    // else owns.
    let result =
        unsafe { libc::syscall(libc::SYS_clone, flags, 0 as c_long, &raw mut handle, 0 as c_long, 0 as c_long) };
    match Errno::result(result)? {
        0 => become_child(child),
        // SAFETY: as above.
        pid => Ok((Pid::from_raw(pid as c_int), unsafe { OwnedFd::from_raw_fd(handle) })),
    }
}

/// An unwinding child would run on as a second supervisor.
fn become_child(child: impl FnOnce() -> c_int) -> ! {
    exit_now(catch_unwind(AssertUnwindSafe(child)).unwrap_or(libc::EXIT_FAILURE))
}

/// Kills the process that a descriptor stands for.
pub(crate) fn kill_by_handle(handle: BorrowedFd<'_>) -> nix::Result<()> {
    // SAFETY: no information is passed along with the signal, and no flags are set.
    let result = unsafe {
        libc::syscall(
            libc::SYS_pidfd_send_signal,
            handle.as_raw_fd(),
            libc::SIGKILL,
            std::ptr::null::<libc::siginfo_t>(),
            0 as c_uint,
        )
    };
    Errno::result(result).map(|_| ())
}

/// The number of the process that a descriptor stands for; none once it is gone.
pub(crate) fn process_of(handle: BorrowedFd<'_>) -> Option<Pid> {
    let text = std::fs::read_to_string(format!("/proc/self/fdinfo/{}", handle.as_raw_fd())).ok()?;
    let number = text.lines().find_map(|line| line.strip_prefix("Pid:")?.trim().parse::<i32>().ok())?;
    (number > 0).then(|| Pid::from_raw(number))
}

/// Empties the environment of a process that keeps running this program's code.
pub(crate) fn clear_environment() {
    // SAFETY: the process has one thread.
    unsafe { libc::clearenv() };
}

/// Applies a Landlock ruleset to the calling thread. The caller has given up gaining privileges.
pub(crate) fn restrict_self(ruleset: BorrowedFd<'_>) -> nix::Result<()> {
    // SAFETY: takes no pointers.
    let result = unsafe { libc::syscall(libc::SYS_landlock_restrict_self, ruleset.as_raw_fd(), 0 as c_uint) };
    Errno::result(result).map(|_| ())
}

/// Ends the process without running what the parent registered for its own end.
pub(crate) fn exit_now(code: c_int) -> ! {
    // SAFETY: takes no pointers and does not return.
    unsafe { libc::_exit(code) }
}

/// Closes every descriptor but the standard ones and those listed. Only for a freshly forked child, before it opens anything.
pub(crate) fn close_all_except(keep: &[RawFd]) {
    let mut keep: Vec<c_uint> = keep.iter().filter_map(|descriptor| c_uint::try_from(*descriptor).ok()).collect();
    keep.sort_unstable();
    let mut first: c_uint = 3;
    for descriptor in keep.into_iter().filter(|descriptor| *descriptor >= 3) {
        if descriptor > first {
            close_range(first, descriptor - 1, 0);
        }
        first = descriptor + 1;
    }
    close_range(first, c_uint::MAX, 0);
}

/// Marks every descriptor from 3 on as closing on exec.
pub fn close_all_on_exec() {
    close_range(3, c_uint::MAX, libc::CLOSE_RANGE_CLOEXEC);
}

fn close_range(first: c_uint, last: c_uint, flags: c_uint) {
    // SAFETY: takes no pointers. Where descriptors are closed, the caller is a forked child whose inherited owners of them are
    // never used nor dropped: `fork_into` ends it without returning. Fails on Linux before 5.9 only, which has no Landlock either.
    unsafe { libc::syscall(libc::SYS_close_range, first, last, flags) };
}

/// Restores every signal's default action and unblocks all: neither the runtime's ignored SIGPIPE nor a parent's choices
/// reach a command.
pub(crate) fn default_signals() {
    for number in 1..=64 {
        // SAFETY: SIG_DFL installs no handler. Numbers that cannot be changed are refused, which changes nothing.
        unsafe { libc::signal(number, libc::SIG_DFL) };
    }
    let _ = sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None);
}

/// Lets the kernel reap this process's children.
pub(crate) fn ignore_children() -> nix::Result<()> {
    // SAFETY: SIG_IGN installs no handler.
    unsafe { nix::sys::signal::signal(Signal::SIGCHLD, SigHandler::SigIgn) }.map(|_| ())
}

/// How long to wait for a child's end.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wait {
    No,
    ForAll,
}

/// Collects one dead child; `None` when none is dead yet. (The library's own has no words for an end by a real-time signal.)
pub(crate) fn wait_for_any(wait: Wait) -> nix::Result<Option<(Pid, Status)>> {
    let flags = match wait {
        Wait::No => libc::WNOHANG,
        Wait::ForAll => 0,
    };
    let mut status: c_int = 0;
    // SAFETY: the kernel writes one integer, which is what the pointer points to.
    let pid = Errno::result(unsafe { libc::waitpid(-1, &raw mut status, flags) })?;
    let ended = if libc::WIFEXITED(status) {
        Status::Exited(libc::WEXITSTATUS(status))
    } else {
        Status::Signalled(libc::WTERMSIG(status))
    };
    Ok((pid > 0).then(|| (Pid::from_raw(pid), ended)))
}

/// Receives one message with its descriptors; `None` when the other end is closed.
pub(crate) fn receive_descriptors(socket: BorrowedFd<'_>) -> nix::Result<Option<([u8; 9], Vec<OwnedFd>)>> {
    let mut bytes = [0_u8; 9];
    let mut parts = [IoSliceMut::new(&mut bytes)];
    let mut space = cmsg_space!([RawFd; 8]);
    let message = recvmsg::<()>(socket.as_raw_fd(), &mut parts, Some(&mut space), MsgFlags::MSG_CMSG_CLOEXEC)?;
    if message.bytes == 0 {
        return Ok(None);
    }
    let mut descriptors = Vec::new();
    for control in message.cmsgs()? {
        if let ControlMessageOwned::ScmRights(received) = control {
            // SAFETY: the kernel has just made these descriptors for this process; nothing else knows them.
            descriptors.extend(received.into_iter().map(|raw| unsafe { OwnedFd::from_raw_fd(raw) }));
        }
    }
    Ok(Some((bytes, descriptors)))
}

/// Removes all capabilities from the bounding set, so that no exec can bring one back.
pub(crate) fn drop_bounding_set() -> nix::Result<()> {
    for capability in 0..64 {
        // SAFETY: takes no pointers.
        match Errno::result(unsafe { libc::prctl(libc::PR_CAPBSET_DROP, capability as c_ulong, 0, 0, 0) }) {
            Ok(_) => {}
            // The first number that the kernel does not know ends the list.
            Err(Errno::EINVAL) => break,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[repr(C)]
struct CapabilityHeader {
    version: u32,
    pid: c_int,
}

#[repr(C)]
#[derive(Clone, Copy)]
struct CapabilitySet {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

/// Gives up all capabilities, the ambient ones included.
pub(crate) fn clear_capabilities() -> nix::Result<()> {
    const VERSION_3: u32 = 0x2008_0522;
    let header = CapabilityHeader { version: VERSION_3, pid: 0 };
    let none = [CapabilitySet { effective: 0, permitted: 0, inheritable: 0 }; 2];
    // SAFETY: version 3 of the interface reads one header and two sets, which is what these references point to.
    unsafe {
        Errno::result(libc::prctl(libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_CLEAR_ALL as c_ulong, 0, 0, 0))?;
        Errno::result(libc::syscall(libc::SYS_capset, &raw const header, none.as_ptr()))?;
    }
    Ok(())
}

/// A detached copy of the mount tree at `path`.
pub(crate) fn open_tree(path: &CString) -> nix::Result<OwnedFd> {
    let flags = libc::OPEN_TREE_CLONE | libc::OPEN_TREE_CLOEXEC | libc::AT_RECURSIVE as c_uint;
    // SAFETY: `path` is NUL-terminated and outlives the call; the result is a descriptor that nothing else owns.
    unsafe {
        let tree = Errno::result(libc::syscall(libc::SYS_open_tree, libc::AT_FDCWD, path.as_ptr(), flags))?;
        Ok(OwnedFd::from_raw_fd(tree as RawFd))
    }
}

/// Sets attributes (`MOUNT_ATTR_*`) on a mount tree.
pub(crate) fn set_mount_attributes(tree: BorrowedFd<'_>, attributes: u64, recursion: c_int) -> nix::Result<()> {
    let change = libc::mount_attr { attr_set: attributes, attr_clr: 0, propagation: 0, userns_fd: 0 };
    let flags = libc::AT_EMPTY_PATH | recursion;
    // SAFETY: the empty path is NUL-terminated; the structure is passed with its size.
    let result = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            tree.as_raw_fd(),
            c"".as_ptr(),
            flags,
            &raw const change,
            size_of::<libc::mount_attr>(),
        )
    };
    Errno::result(result).map(|_| ())
}

/// Attaches a detached mount tree.
pub(crate) fn attach_tree(tree: BorrowedFd<'_>, target: &CString) -> nix::Result<()> {
    const MOVE_MOUNT_F_EMPTY_PATH: c_uint = 4;
    // SAFETY: both paths are NUL-terminated and outlive the call.
    let result = unsafe {
        libc::syscall(
            libc::SYS_move_mount,
            tree.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_FDCWD,
            target.as_ptr(),
            MOVE_MOUNT_F_EMPTY_PATH,
        )
    };
    Errno::result(result).map(|_| ())
}

/// Brings up the loopback of the network namespace.
pub(crate) fn loopback_up(socket: BorrowedFd<'_>) -> nix::Result<()> {
    // SAFETY: all-zero bytes are a valid `ifreq`, which is plain data.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(b"lo") {
        *to = *from as libc::c_char;
    }
    request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as libc::c_short;
    // SAFETY: the request reads one `ifreq`, which is what the pointer points to.
    let result = unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS, &raw const request) };
    Errno::result(result).map(|_| ())
}

/// The version of Landlock's interface; 0 without Landlock.
pub fn landlock_version() -> u32 {
    const CREATE_RULESET_VERSION: c_uint = 1;
    // SAFETY: this flag asks for a null pointer and a size of 0.
    let version = unsafe {
        libc::syscall(libc::SYS_landlock_create_ruleset, std::ptr::null::<u8>(), 0_usize, CREATE_RULESET_VERSION)
    };
    u32::try_from(version).unwrap_or(0)
}
