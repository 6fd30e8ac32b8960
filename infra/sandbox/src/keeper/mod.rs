//! The process that keeps a sandbox's namespaces: pid 1 of its PID namespace, so that with it everything inside ends. It
//! forks the first process of each exec into a PID, mount and IPC namespace of its own, that of a command ahead.

use std::ffi::c_int;
use std::fs::{self, File};
use std::net::TcpListener;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;

use nix::errno::Errno;
use nix::mount::{MntFlags, umount2};
use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::prctl::{set_dumpable, set_pdeathsig};
use nix::sys::signal::{Signal, kill};
use nix::sys::socket::{
    AddressFamily, ControlMessage, MsgFlags, SockFlag, SockType, recv, send, sendmsg, socket, socketpair,
};
use nix::sys::wait::waitpid;
use nix::unistd::{Gid, Pid, Uid, setgroups, sethostname};

use crate::accounting::Accounting;
use crate::command::Standard;
use crate::ground::Guest;
use crate::init::{self, Kingdom, Kit};
use crate::layout::Layout;
use crate::part::{Failure, Part};
use crate::restrictions::{self, NOBODY, Restrictions, Unmapped};
use crate::specification::{Mode, Network, PROXY, Specification};
use crate::system;
use crate::wire::{self, Launch, Report};
use spare::Spare;

mod etc;
mod kernel_limits;
mod root;
mod spare;

/// The supervisor's side of a keeper.
pub(crate) struct Keeper {
    process: Pid,
    socket: OwnedFd,
}

impl Keeper {
    /// Makes the namespaces and the root. The lock stays held until the keeper is gone too.
    pub(crate) fn start(
        specification: &Specification,
        layout: &Layout,
        lock: &File,
        accounting: &Accounting,
        worker: fn() -> c_int,
    ) -> Result<(Self, Option<OwnedFd>), Failure> {
        let unmapped = Unmapped::of(accounting);
        let (ours, theirs) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC)
            .map_err(Failure::other("making a socket"))?;
        let namespaces = CloneFlags::CLONE_NEWUSER
            | CloneFlags::CLONE_NEWNS
            | CloneFlags::CLONE_NEWPID
            | CloneFlags::CLONE_NEWNET
            | CloneFlags::CLONE_NEWIPC
            | CloneFlags::CLONE_NEWUTS
            | CloneFlags::CLONE_NEWCGROUP;
        let (process, _) = system::fork_into(namespaces, || {
            system::close_all_except(&[theirs.as_raw_fd(), lock.as_raw_fd()]);
            keep(&theirs, || prepare(specification, layout, unmapped, worker))
        })
        .map_err(Failure::of(Part::Namespaces, "making namespaces"))?;
        drop(theirs);
        let keeper = Self { process, socket: ours };
        // Before it goes on: everything that it forks is counted with it.
        let counted = accounting.add(process).map_err(Failure::other("joining the control group"));
        match counted.and_then(|()| keeper.settle(specification.network)) {
            Ok(listener) => Ok((keeper, listener)),
            Err(failure) => {
                keeper.end();
                Err(failure)
            }
        }
    }

    /// Answers the listener of the sandbox's network.
    fn settle(&self, network: Network) -> Result<Option<OwnedFd>, Failure> {
        map_identities(self.process)
            .map_err(Failure::of(Part::IdentityMaps, "mapping the ids of the user namespace"))?;
        send(self.socket.as_raw_fd(), b"m", MsgFlags::MSG_NOSIGNAL)
            .map_err(Failure::other("speaking to the keeper"))?;
        let mut answer = vec![0_u8; 64 << 10];
        let length = recv(self.socket.as_raw_fd(), &mut answer, MsgFlags::empty())
            .map_err(Failure::other("listening to the keeper"))?;
        serde_json::from_slice::<Result<(), Failure>>(&answer[..length])
            .map_err(Failure::other("the keeper ended while it set up"))??;
        match network {
            Network::None => Ok(None),
            Network::Proxy => {
                let received = receive_run(&self.socket).ok().flatten();
                let listener = received.and_then(|(_, _, mut descriptors)| descriptors.pop());
                listener.map(Some).ok_or_else(|| Failure::other("the keeper ended while it set up")("no listener"))
            }
        }
    }

    /// Has a first process forked that finds its order on `control`.
    pub(crate) fn launch(&self, guest: Guest, run: u64, control: &UnixStream, standard: &Standard) -> nix::Result<()> {
        let descriptors: [RawFd; 4] =
            [control.as_raw_fd(), standard.input.as_raw_fd(), standard.output.as_raw_fd(), standard.error.as_raw_fd()];
        let rights = [ControlMessage::ScmRights(&descriptors)];
        send_run(&self.socket, guest, run, &rights, MsgFlags::empty())
    }

    /// Readable when the keeper has forked, and when it is gone.
    pub(crate) fn source(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// The handle of the first process of a run; `None` when the keeper is gone.
    pub(crate) fn hear(&self) -> Option<(u64, OwnedFd)> {
        let (_, run, mut descriptors) = receive_run(&self.socket).ok()??;
        Some((run, descriptors.pop()?))
    }

    /// Returns when nothing inside is left: the death of a namespace's first process waits for all others.
    pub(crate) fn end(&self) {
        let _ = kill(self.process, Signal::SIGKILL);
        while waitpid(self.process, None) == Err(Errno::EINTR) {}
    }
}

/// Root gives the namespace itself, for mounts only, and nobody; an ordinary user has but itself to give.
fn map_identities(process: Pid) -> std::io::Result<()> {
    let file = |name: &str| format!("/proc/{process}/{name}");
    let (user, group) = (Uid::effective(), Gid::effective());
    if user.is_root() {
        let map = format!("0 0 1\n1000 {NOBODY} 1\n");
        fs::write(file("uid_map"), &map)?;
        return fs::write(file("gid_map"), &map);
    }
    fs::write(file("uid_map"), format!("1000 {user} 1\n"))?;
    fs::write(file("setgroups"), "deny")?;
    fs::write(file("gid_map"), format!("1000 {group} 1\n"))
}

/// The keeper's life.
fn keep(socket: &OwnedFd, prepare: impl FnOnce() -> Result<Prepared, Failure>) -> c_int {
    let mut go = [0_u8; 1];
    // Before the maps are written nothing here has a user.
    if set_pdeathsig(Signal::SIGKILL).is_err() || recv(socket.as_raw_fd(), &mut go, MsgFlags::empty()) != Ok(1) {
        return libc::EXIT_FAILURE;
    }
    let mut prepared = prepare();
    let answer = serde_json::to_vec(&prepared.as_ref().map(|_| ()).map_err(Clone::clone)).unwrap_or_default();
    let mut answered = send(socket.as_raw_fd(), &answer, MsgFlags::MSG_NOSIGNAL).map(|_| ());
    // It must not stay here: nobody could connect to it then, and everybody would wait.
    if let Ok(prepared) = &mut prepared
        && let Some(listener) = prepared.listener.take()
    {
        let rights = [listener.as_raw_fd()];
        let rights = [ControlMessage::ScmRights(&rights)];
        answered = answered.and_then(|()| send_run(socket, Guest::Command, 0, &rights, MsgFlags::empty()));
    }
    match (prepared, answered) {
        (Ok(prepared), Ok(_)) => serve(socket, &prepared),
        (Err(_), _) | (_, Err(_)) => libc::EXIT_FAILURE,
    }
}

const COMMAND: u8 = b'c';
const WORKER: u8 = b'w';

fn send_run(
    socket: &OwnedFd,
    guest: Guest,
    run: u64,
    rights: &[ControlMessage<'_>],
    flags: MsgFlags,
) -> nix::Result<()> {
    let kind = match guest {
        Guest::Command => COMMAND,
        Guest::Worker => WORKER,
    };
    let bytes = [&[kind], run.to_le_bytes().as_slice()].concat();
    let parts = [std::io::IoSlice::new(&bytes)];
    sendmsg::<()>(socket.as_raw_fd(), &parts, rights, flags | MsgFlags::MSG_NOSIGNAL, None).map(|_| ())
}

/// `None` when the other side is gone.
fn receive_run(socket: &OwnedFd) -> nix::Result<Option<(Guest, u64, Vec<OwnedFd>)>> {
    loop {
        match system::receive_descriptors(socket.as_fd()) {
            Ok(Some(([kind, run @ ..], descriptors))) => {
                let guest = if kind == WORKER { Guest::Worker } else { Guest::Command };
                return Ok(Some((guest, u64::from_le_bytes(run), descriptors)));
            }
            Ok(None) => return Ok(None),
            Err(Errno::EINTR) => {}
            Err(error) => return Err(error),
        }
    }
}

struct Prepared {
    commands: Kit,
    worker: Kit,
    /// A mount namespace in which the worker's state is mounted. The keeper's own, which commands get copies of, has it not.
    vault: OwnedFd,
    listener: Option<OwnedFd>,
}

fn prepare(
    specification: &Specification,
    layout: &Layout,
    unmapped: Unmapped,
    worker: fn() -> c_int,
) -> Result<Prepared, Failure> {
    let privileges = || Failure::of(Part::Privileges, "becoming root of the namespace");
    // An ordinary user may not, which is why its map denies it: the groups it has stay, and name nothing inside.
    if Uid::effective().is_root() {
        setgroups(&[]).map_err(privileges())?;
    }
    set_dumpable(false).map_err(privileges())?;
    sethostname("sandbox").map_err(Failure::of(Part::Namespaces, "naming the host"))?;
    let any = socket(AddressFamily::Inet, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None)
        .map_err(Failure::of(Part::Loopback, "making a socket"))?;
    system::loopback_up(any.as_fd()).map_err(Failure::of(Part::Loopback, "bringing it up"))?;
    let listener = match specification.network {
        Network::None => None,
        Network::Proxy => {
            Some(TcpListener::bind(PROXY).map_err(Failure::of(Part::Loopback, "listening on it"))?.into())
        }
    };
    root::build(specification)?;
    kernel_limits::limit_user();
    let is_bounded = kernel_limits::limit_ipc(specification.limits.shared_memory_bytes).is_ok();
    let unmapped = if is_bounded { unmapped } else { unmapped.with_system_v() };
    let program = restrictions::program(Mode::Isolated, unmapped)?;
    let commands = Kit { restrictions: Restrictions::isolated(layout, program.clone(), Guest::Command)?, worker };
    let worker = Kit { restrictions: Restrictions::isolated(layout, program, Guest::Worker)?, worker };
    let vault = leave_vault(layout)?;
    system::ignore_children().map_err(privileges())?;
    Ok(Prepared { commands, worker, vault, listener })
}

/// Moves on to a copy of the mount namespace and takes the state away from it.
fn leave_vault(layout: &Layout) -> Result<OwnedFd, Failure> {
    let failed = || Failure::of(Part::PrivateMounts, "putting the state away");
    let vault = File::open("/proc/self/ns/mnt").map_err(Failure::of(Part::Proc, "opening the mount namespace"))?;
    unshare(CloneFlags::CLONE_NEWNS).map_err(failed())?;
    umount2(&layout.state, MntFlags::MNT_DETACH).map_err(failed())?;
    Ok(vault.into())
}

/// Forks first processes until the supervisor is gone.
fn serve(socket: &OwnedFd, prepared: &Prepared) -> c_int {
    let mut spare = None;
    while let Ok(Some((guest, run, descriptors))) = receive_run(socket) {
        let Ok(descriptors) = <[OwnedFd; 4]>::try_from(descriptors) else { continue };
        let handle = match guest {
            Guest::Command => start_command(spare.take(), run, &descriptors, prepared),
            Guest::Worker => fork_worker(&descriptors, prepared),
        };
        match handle {
            Ok(handle) => {
                let handle = [handle.as_raw_fd()];
                // A supervisor that does not listen ends its first processes without.
                let _ = send_run(socket, guest, run, &[ControlMessage::ScmRights(&handle)], MsgFlags::MSG_DONTWAIT);
            }
            Err(error) => {
                let failure = Failure::of(Part::Namespaces, "forking an exec")(error);
                let [control, ..] = descriptors;
                let _ = wire::send(&mut UnixStream::from(control), &Report::NotStarted(failure));
                continue;
            }
        }
        // While the command runs. One that cannot be forked now is tried again when it is needed.
        if guest == Guest::Command {
            drop(descriptors);
            spare = Spare::fork(&prepared.commands).ok();
        }
    }
    libc::EXIT_SUCCESS
}

/// Makes a process the first one of a run, and answers its handle.
fn start_command(
    spare: Option<Spare>,
    run: u64,
    descriptors: &[OwnedFd; 4],
    prepared: &Prepared,
) -> nix::Result<OwnedFd> {
    // One that waited may have been killed meanwhile.
    if let Some(handle) = spare.and_then(|spare| spare.give(run, descriptors).ok()) {
        return Ok(handle);
    }
    Spare::fork(&prepared.commands)?.give(run, descriptors)
}

fn fork_worker([control, input, output, error]: &[OwnedFd; 4], prepared: &Prepared) -> nix::Result<OwnedFd> {
    let control = UnixStream::from(control.try_clone().map_err(|_| Errno::EMFILE)?);
    let copy = |descriptor: &OwnedFd| descriptor.try_clone().map_err(|_| Errno::EMFILE);
    let standard = Standard { input: copy(input)?, output: copy(output)?, error: copy(error)? };
    let (_, handle) = system::fork_into(CloneFlags::CLONE_NEWPID | CloneFlags::CLONE_NEWIPC, || {
        init::hold_only(&control, &standard, &prepared.worker, &[prepared.vault.as_raw_fd()]);
        let enter = |launch: &Launch| {
            enter_vault(&prepared.vault)?;
            spare::settle_worker(launch)
        };
        init::run(Kingdom::Namespace, control, standard, &prepared.worker, enter)
    })?;
    Ok(handle)
}

/// Into a mount namespace of its own, copied from the vault.
fn enter_vault(vault: &OwnedFd) -> Result<(), Failure> {
    let failed = || Failure::of(Part::PrivateMounts, "reaching the state");
    setns(vault, CloneFlags::CLONE_NEWNS).map_err(failed())?;
    unshare(CloneFlags::CLONE_NEWNS).map_err(failed())
}
