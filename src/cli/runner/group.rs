//! Processes that belong together: a process group, as `/proc` shows it, and those that left it but stayed in their folder.

use std::path::Path;

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

/// What a group is at the moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Census {
    /// Processes that run; those that have ended and wait for their parent do not count.
    pub alive: usize,
    /// Their resident memory, in KiB.
    pub memory_kib: u64,
}

/// Counts a group; none where there is no `/proc`.
pub fn census(group: Pid) -> Option<Census> {
    let mut census = Census::default();
    for process in members(group)? {
        let status = std::fs::read_to_string(format!("/proc/{}/status", process.as_raw_nonzero())).unwrap_or_default();
        census.alive += 1;
        census.memory_kib += resident(&status);
    }
    Some(census)
}

/// Bounds the files that the group writes, and all that it starts from now on: it inherits this. What was started while this went through
/// the group is found the next time round; nobody stays without a bound whose parent has one.
#[cfg(target_os = "linux")]
pub fn bound_files(group: Pid, most: u64) {
    use rustix::process::{Resource, Rlimit, prlimit};
    let bound = || Rlimit {
        current: Some(most),
        maximum: Some(most),
    };
    let set = |process: Pid| prlimit(Some(process), Resource::Fsize, bound()).is_ok_and(|before| before != bound());
    set(group);
    // More rounds than it takes: a group that grows as fast as this is ended by its other limits.
    for _ in 0..100 {
        if !members(group)
            .unwrap_or_default()
            .into_iter()
            .fold(false, |found, process| set(process) | found)
        {
            return;
        }
    }
}

/// Processes of a group that run.
fn members(group: Pid) -> Option<Vec<Pid>> {
    let mut members = Vec::new();
    for process in std::fs::read_dir("/proc").ok()?.flatten() {
        let Some(pid) = number(&process).and_then(Pid::from_raw) else {
            continue;
        };
        // Others come and go while this reads; who has gone counts no more.
        let stat = std::fs::read_to_string(process.path().join("stat")).unwrap_or_default();
        if is_of(&stat, group.as_raw_nonzero().get()) {
            members.push(pid);
        }
    }
    Some(members)
}

fn number(process: &std::fs::DirEntry) -> Option<i32> {
    process.file_name().to_str()?.parse().ok()
}

/// Whether a line of `/proc/N/stat` is of a process of the group that runs. The program's name, which may hold anything, ends at the last bracket.
fn is_of(stat: &str, group: i32) -> bool {
    let mut fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace();
    let state = fields.next().unwrap_or_default();
    let of = fields.nth(1).and_then(|field| field.parse::<i32>().ok());
    of == Some(group) && !matches!(state, "Z" | "X")
}

fn resident(status: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

/// Asks the group to end.
pub fn terminate(group: Pid) {
    let _ = kill_process_group(group, Signal::TERM);
}

/// Ends the group.
pub fn kill(group: Pid) {
    let _ = kill_process_group(group, Signal::KILL);
}

/// Ends whoever works in a folder or below it, in whatever group: what a command left behind. How many there were.
pub fn evict(folder: &Path) -> usize {
    let Ok(folder) = folder.canonicalize() else { return 0 };
    let mut ended = 0;
    // Again after those that were found: one may have started another meanwhile.
    for _ in 0..3 {
        let before = ended;
        let Ok(processes) = std::fs::read_dir("/proc") else { break };
        for process in processes.flatten() {
            let Some(pid) = number(&process).and_then(Pid::from_raw) else {
                continue;
            };
            let inside = std::fs::read_link(process.path().join("cwd")).is_ok_and(|cwd| cwd.starts_with(&folder));
            if inside && pid != rustix::process::getpid() && kill_process(pid, Signal::KILL).is_ok() {
                ended += 1;
            }
        }
        if ended == before {
            break;
        }
    }
    ended
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_programs_mislead_nobody() {
        for (stat, expected) in [
            ("7 (sh) S 1 42 42 0", true),
            ("7 (a) Z 1 42 (b) R 1 42 42 0", true),
            ("7 (a b) c) S 1 42 42 0", true),
            ("7 (sh) S 42 1 1 0", false),
            ("7 (sh) Z 1 42 42 0", false),
            ("7 (S 1 42) S 1 43 42", false),
            ("", false),
        ] {
            assert_eq!(is_of(stat, 42), expected, "{stat}");
        }
        assert_eq!(resident("Name:\tx\nVmRSS:\t  1234 kB\n"), 1234);
        assert_eq!(resident("Name:\tx\n"), 0);
    }
}
