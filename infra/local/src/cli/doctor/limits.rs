//! What commands may use, and who sees to it.

use sandbox::MemoryAccountant;
use serde_json::json;

use super::{Mark, line};
use crate::cli::output::Output;
use crate::settings::Settings;

const MEGABYTE: u64 = 1 << 20;

pub(super) fn report(settings: &Settings, output: &Output) {
    let (each, together) = (&settings.limits.each, &settings.limits.together);
    let accountant = match MemoryAccountant::of_this_machine() {
        MemoryAccountant::ControlGroup2 => "by the kernel, in a control group",
        MemoryAccountant::ControlGroup1 => "by the kernel, in a control group of the first version",
        MemoryAccountant::Supervisor => {
            "by the supervisor, which adds up ten times a second: no control group can be made here (with systemd, \
             `systemd-run --user --scope -p Delegate=yes backspace serve` gives the program one)"
        }
    };
    let megabytes =
        |bytes: Option<u64>| bytes.map_or("no limit".to_owned(), |bytes| format!("{} MB", bytes / MEGABYTE));
    let cpu = each.cpu.map_or("no limit".to_owned(), |cpu| format!("{} s", cpu.as_secs()));
    let files = together.disk_files.unwrap_or_default();
    let limits = [
        ("memory of a sandbox", format!("{}, {accountant}", megabytes(together.memory_bytes))),
        ("disk of a sandbox", format!("{}, {files} files, counted by the supervisor", megabytes(together.disk_bytes))),
        ("processes of a sandbox", each.processes.to_string()),
        ("open files of a process", each.open_files.to_string()),
        ("size of a file", megabytes(Some(each.file_bytes))),
        ("processor time of a process", cpu),
        ("time of a command", format!("{} s", settings.command_seconds.unwrap_or(300))),
    ];
    for (name, detail) in limits {
        line(output, &Mark::Note, name, &detail);
        output.json(&json!({ "name": name, "detail": detail }));
    }
}
