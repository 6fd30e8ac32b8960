use std::collections::BTreeMap;

use libc::c_long;
use seccompiler::{
    BpfProgram, Error, SeccompAction, SeccompCmpArgLen as Width, SeccompCmpOp as Compare, SeccompCondition,
    SeccompFilter, SeccompRule, sock_filter,
};

use super::Unmapped;
use crate::specification::Mode;

/// The system calls of the architecture's own table; x86-64 numbers what came after 334 like everybody else.
#[cfg(target_arch = "x86_64")]
const FIRST_TABLE: c_long = 334;
#[cfg(target_arch = "aarch64")]
const FIRST_TABLE: c_long = 294;
/// The common numbers, up to Linux 6.10: a later call is unknown until somebody has looked at it.
const COMMON_TABLE: std::ops::RangeInclusive<c_long> = 424..=462;

/// Calls with no use in a build or a test and a record, or a plain purpose, of reaching the kernel or other processes.
const DENIED: &[c_long] = &[
    libc::SYS_acct,
    libc::SYS_add_key,
    libc::SYS_adjtimex,
    libc::SYS_bpf,
    libc::SYS_chroot,
    libc::SYS_clock_adjtime,
    libc::SYS_clock_settime,
    libc::SYS_clone3, // its flags are in memory, where a filter cannot see them; libraries fall back to clone
    libc::SYS_delete_module,
    libc::SYS_fanotify_init,
    libc::SYS_fanotify_mark,
    libc::SYS_finit_module,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fsopen,
    libc::SYS_fspick,
    libc::SYS_get_mempolicy,
    libc::SYS_init_module,
    libc::SYS_io_setup, // its contexts are counted for the whole machine
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_io_uring_setup,
    libc::SYS_kcmp,
    libc::SYS_kexec_file_load,
    libc::SYS_kexec_load,
    libc::SYS_keyctl,
    libc::SYS_lookup_dcookie,
    libc::SYS_mbind,
    libc::SYS_memfd_secret,
    libc::SYS_migrate_pages,
    libc::SYS_mount,
    libc::SYS_mount_setattr,
    libc::SYS_move_mount,
    libc::SYS_move_pages,
    libc::SYS_name_to_handle_at,
    libc::SYS_nfsservctl,
    libc::SYS_open_by_handle_at,
    libc::SYS_open_tree,
    libc::SYS_perf_event_open,
    libc::SYS_personality,
    libc::SYS_pidfd_getfd,
    libc::SYS_pivot_root,
    libc::SYS_process_madvise,
    libc::SYS_process_mrelease,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_ptrace,
    libc::SYS_quotactl,
    libc::SYS_quotactl_fd,
    libc::SYS_reboot,
    libc::SYS_request_key,
    libc::SYS_set_mempolicy,
    libc::SYS_set_mempolicy_home_node,
    libc::SYS_setdomainname,
    libc::SYS_sethostname,
    libc::SYS_setns,
    libc::SYS_settimeofday,
    libc::SYS_swapoff,
    libc::SYS_swapon,
    libc::SYS_syslog,
    libc::SYS_umount2,
    libc::SYS_unshare,
    libc::SYS_userfaultfd,
    libc::SYS_vhangup,
    457, // statmount
    458, // listmount
    459, // lsm_get_self_attr
    460, // lsm_set_self_attr
    461, // lsm_list_modules
];

/// Calls of the first x86 kernels.
#[cfg(target_arch = "x86_64")]
const DENIED_HERE: &[c_long] = &[
    libc::SYS__sysctl,
    libc::SYS_afs_syscall,
    libc::SYS_epoll_ctl_old,
    libc::SYS_epoll_wait_old,
    174, // create_module
    177, // get_kernel_syms
    178, // query_module
    libc::SYS_getpmsg,
    libc::SYS_ioperm,
    libc::SYS_iopl,
    libc::SYS_modify_ldt,
    libc::SYS_putpmsg,
    libc::SYS_security,
    libc::SYS_sysfs,
    libc::SYS_tuxcall,
    libc::SYS_uselib,
    libc::SYS_ustat,
    libc::SYS_vserver,
];
#[cfg(target_arch = "aarch64")]
const DENIED_HERE: &[c_long] = &[];

/// Also denied where the host's network and IPC namespaces are shared: a connection to a socket of the host (a session bus, a
/// container daemon) would be a way out that Landlock does not see.
const DENIED_REDUCED: &[c_long] = &[
    libc::SYS_connect,
    libc::SYS_mq_open,
    libc::SYS_mq_unlink,
    // By their numbers, those that others have made are in reach without getting them.
    libc::SYS_shmget,
    libc::SYS_shmat,
    libc::SYS_shmctl,
    libc::SYS_semget,
    libc::SYS_semop,
    libc::SYS_semtimedop,
    libc::SYS_semctl,
    libc::SYS_msgget,
    libc::SYS_msgsnd,
    libc::SYS_msgrcv,
    libc::SYS_msgctl,
];

/// Calls that are about the process which this argument names, itself by 0. Where all processes of the user are in sight, they may name no
/// other.
const OWN_PROCESS_REDUCED: &[(c_long, u8)] = &[
    (libc::SYS_prlimit64, 0),
    (libc::SYS_setpriority, 1),
    (libc::SYS_ioprio_set, 1),
    (libc::SYS_sched_setaffinity, 0),
    (libc::SYS_sched_setparam, 0),
    (libc::SYS_sched_setscheduler, 0),
    (libc::SYS_sched_setattr, 0),
];

/// Size of a segment of System V memory where nothing bounds their sum but their number, which is 4,096. Databases need a small one.
const MAX_SEGMENT_BYTES: u64 = 64 << 10;

const NEW_NAMESPACES: [i32; 7] = [
    libc::CLONE_NEWNS,
    libc::CLONE_NEWCGROUP,
    libc::CLONE_NEWUTS,
    libc::CLONE_NEWIPC,
    libc::CLONE_NEWUSER,
    libc::CLONE_NEWPID,
    libc::CLONE_NEWNET,
];

/// Known calls are allowed unless listed; what is refused answers ENOSYS, so that libraries try something older; another
/// architecture's calls kill. One rule per refused call instead of one per allowed call, because the kernel works through the
/// whole program for each number when a command installs it: 0.4 ms instead of 0.9.
pub(crate) fn program(mode: Mode, unmapped: Unmapped) -> Result<BpfProgram, Error> {
    let denied_by_mode: &[c_long] = match mode {
        Mode::Isolated => &[],
        Mode::Reduced => DENIED_REDUCED,
    };
    let denied_by_memory: &[c_long] = match unmapped {
        Unmapped::Allowed => &[],
        Unmapped::Refused => &[libc::SYS_memfd_create],
        Unmapped::RefusedWithSystemV => &[libc::SYS_memfd_create, libc::SYS_msgget],
    };
    let denied = DENIED.iter().chain(DENIED_HERE).chain(denied_by_mode).chain(denied_by_memory);
    let mut rules: BTreeMap<c_long, Vec<SeccompRule>> = denied.map(|number| (*number, Vec::new())).collect();
    rules.insert(libc::SYS_clone, NEW_NAMESPACES.into_iter().map(has_flag).collect::<Result<_, _>>()?);
    // Typing into the terminal of whoever started the program.
    rules.insert(libc::SYS_ioctl, vec![all([is(1, libc::TIOCSTI)?])?, all([is(1, libc::TIOCLINUX)?])?]);
    if let Unmapped::RefusedWithSystemV = unmapped {
        rules.entry(libc::SYS_shmget).or_insert(vec![all([condition(
            1,
            Width::Qword,
            Compare::Gt,
            MAX_SEGMENT_BYTES,
        )?])?]);
    }
    match mode {
        Mode::Isolated => {
            rules.insert(libc::SYS_socket, isolated_sockets()?);
            rules.insert(libc::SYS_socketpair, isolated_sockets()?);
        }
        Mode::Reduced => {
            rules.insert(libc::SYS_socket, reduced_sockets()?);
            rules.insert(libc::SYS_socketpair, reduced_sockets()?);
            for (call, argument) in OWN_PROCESS_REDUCED {
                rules.insert(*call, vec![all([is_not(*argument, 0)?])?]);
            }
        }
    }
    let refuse = SeccompAction::Errno(libc::ENOSYS as u32);
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, refuse, std::env::consts::ARCH.try_into()?)?;
    let rules: BpfProgram = filter.try_into()?;
    Ok(known_numbers().into_iter().chain(rules).collect())
}

/// Goes on behind its last instruction for a number in one of the two tables and refuses any other; the x32 numbers are among
/// the others.
fn known_numbers() -> [sock_filter; 5] {
    const LOAD: u32 = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
    const AT_LEAST: u32 = libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K;
    const RETURN: u32 = libc::BPF_RET | libc::BPF_K;
    let step = |code: u32, if_true: u8, if_false: u8, value: c_long| sock_filter {
        code: code as u16,
        jt: if_true,
        jf: if_false,
        k: value as u32,
    };
    let refuse = c_long::from(libc::SECCOMP_RET_ERRNO) | c_long::from(libc::ENOSYS);
    [
        step(LOAD, 0, 0, 0), // the number is the first word of what a filter sees
        step(AT_LEAST, 2, 0, COMMON_TABLE.end() + 1),
        step(AT_LEAST, 2, 0, *COMMON_TABLE.start()),
        step(AT_LEAST, 0, 1, FIRST_TABLE + 1),
        step(RETURN, 0, 0, refuse),
    ]
}

/// Refuses all but local and Internet sockets, and routing netlink, without which address look-ups fail.
fn isolated_sockets() -> Result<Vec<SeccompRule>, Error> {
    let families = [libc::AF_UNIX, libc::AF_INET, libc::AF_INET6, libc::AF_NETLINK];
    let others: Vec<SeccompCondition> =
        families.into_iter().map(|family| is_not(0, family as u64)).collect::<Result<_, _>>()?;
    Ok(vec![all(others)?, all([is(0, libc::AF_NETLINK as u64)?, is_not(2, libc::NETLINK_ROUTE as u64)?])?])
}

/// Refuses all but local sockets that speak to one peer: a datagram socket (a raw one is the same) could be pointed at any
/// path with `sendmsg`. The family has no further kinds.
fn reduced_sockets() -> Result<Vec<SeccompRule>, Error> {
    const TYPE: u64 = 0xf;
    let kind = |kind: i32| condition(1, Width::Dword, Compare::MaskedEq(TYPE), kind as u64);
    Ok(vec![all([is_not(0, libc::AF_UNIX as u64)?])?, all([kind(libc::SOCK_DGRAM)?])?, all([kind(libc::SOCK_RAW)?])?])
}

fn has_flag(flag: i32) -> Result<SeccompRule, Error> {
    let flag = flag as u32 as u64;
    all([condition(0, Width::Qword, Compare::MaskedEq(flag), flag)?])
}

fn is(argument: u8, value: u64) -> Result<SeccompCondition, Error> {
    condition(argument, Width::Dword, Compare::Eq, value)
}

fn is_not(argument: u8, value: u64) -> Result<SeccompCondition, Error> {
    condition(argument, Width::Dword, Compare::Ne, value)
}

fn condition(argument: u8, width: Width, compare: Compare, value: u64) -> Result<SeccompCondition, Error> {
    Ok(SeccompCondition::new(argument, width, compare, value)?)
}

fn all(conditions: impl IntoIterator<Item = SeccompCondition>) -> Result<SeccompRule, Error> {
    Ok(SeccompRule::new(conditions.into_iter().collect())?)
}
