//! The process itself, as Linux tells of it; nothing elsewhere.

/// What the system says of this process.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Process {
    /// Processor time, in seconds.
    pub cpu_seconds: Option<f64>,
    /// Memory that is held, in bytes.
    pub resident_bytes: Option<u64>,
    /// Files and connections that are open.
    pub open_fds: Option<u64>,
}

/// Ticks in a second, which Linux has told its programs for ever, whatever it counts by.
const TICKS: f64 = 100.0;

impl Process {
    /// How it is now.
    #[must_use]
    pub fn read() -> Self {
        let text = |name: &str| std::fs::read_to_string(format!("/proc/self/{name}")).ok();
        let open_fds = std::fs::read_dir("/proc/self/fd").ok().map(|files| files.count() as u64);
        Self {
            cpu_seconds: text("stat").as_deref().and_then(cpu_seconds),
            resident_bytes: text("status").as_deref().and_then(resident_bytes),
            open_fds,
        }
    }
}

/// Fields 14 and 15 of `stat`, counted after the name, which may hold anything (proc_pid_stat(5)).
fn cpu_seconds(stat: &str) -> Option<f64> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace().skip(11);
    let (user, system): (f64, f64) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    Some((user + system) / TICKS)
}

/// `VmRSS` of `status`, which is in KiB (proc_pid_status(5)).
fn resident_bytes(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_linux_tells_is_read() {
        let stat = "12 (a ) name) S 1 2 3 4 5 6 7 8 9 10 250 50 0 0 20 0 7 0 100 1 2";
        assert_eq!(cpu_seconds(stat), Some(3.0));
        assert_eq!(resident_bytes("VmPeak:\t 9 kB\nVmRSS:\t  2048 kB\n"), Some(2 << 20));
        assert_eq!((cpu_seconds("12 (x) S 1"), resident_bytes("VmRSS:")), (None, None));
        if cfg!(target_os = "linux") {
            let read = Process::read();
            assert!(read.resident_bytes.unwrap() > 1 << 20 && read.open_fds.unwrap() > 2 && read.cpu_seconds.is_some());
        }
    }
}
