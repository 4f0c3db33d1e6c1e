//! The lock on a home folder, and what it tells those who come second.

use std::fmt;
use std::fs::{File, Permissions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use super::AppError;

/// The most of a lock file that is read, in bytes: a process id, an address, an id and a secret.
const LONGEST_NOTE: u64 = 250;

/// The lock on a home folder, held as long as the value lives; the system frees it when the process ends in
/// whatever way.
#[derive(Debug)]
pub(super) struct HomeLock {
    file: File,
}

/// Who holds a home folder, as far as it told.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Holder {
    /// Its process id.
    pub process: Option<u32>,
    /// Where it serves the library, when it does.
    pub server: Option<ServedAt>,
}

/// Where a library is served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServedAt {
    /// Where the server listens.
    pub address: SocketAddr,
    /// Its id, by which it is told from whatever else may answer there later.
    pub instance: String,
    /// What shows that a command could read the lock file.
    pub secret: Secret,
}

/// A text that is never printed.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Keeps a text.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text.
    #[must_use]
    pub fn told(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

impl ServedAt {
    /// Where it is reached from this machine: one that listens everywhere is asked by loopback.
    #[must_use]
    pub fn from_here(&self) -> SocketAddr {
        let ip = match self.address.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
            ip => ip,
        };
        SocketAddr::new(ip, self.address.port())
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.process, &self.server) {
            (Some(process), Some(server)) => {
                write!(f, " (process {process}, which serves it at http://{})", server.address)
            }
            (Some(process), None) => write!(f, " (process {process})"),
            (None, _) => Ok(()),
        }
    }
}

impl Holder {
    /// Who told last that it holds a home folder; it may not do so any more.
    #[must_use]
    pub fn of(home: &Path) -> Option<Self> {
        let mut note = String::new();
        File::open(home.join("lock")).ok()?.take(LONGEST_NOTE).read_to_string(&mut note).ok()?;
        Some(Self::read(&note))
    }

    /// Reads what [`Holder::note`] wrote; what cannot be read is not known.
    fn read(note: &str) -> Self {
        let mut words = note.split_ascii_whitespace();
        let process = words.next().and_then(|word| word.parse().ok());
        let address = words.next().and_then(|word| word.parse().ok());
        let (instance, secret) = (words.next(), Secret::new(words.next().unwrap_or_default()));
        let server = address.zip(instance);
        let server = server.map(|(address, id)| ServedAt { address, instance: id.to_owned(), secret });
        Self { process, server }
    }

    fn note(&self) -> String {
        let process = self.process.map(|process| process.to_string()).unwrap_or_default();
        match &self.server {
            Some(server) => {
                let ServedAt { address, instance, secret } = server;
                format!("{process} {address} {instance} {}\n", secret.told())
            }
            None => format!("{process}\n"),
        }
    }
}

impl HomeLock {
    /// Takes the lock, and tells that this process has it.
    pub(super) fn take(home: &Path) -> Result<Self, AppError> {
        let failed = |source| AppError::Home { path: home.to_owned(), source };
        std::fs::create_dir_all(home).map_err(failed)?;
        let file = open(&home.join("lock")).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut note = String::new();
                let _ = file.take(LONGEST_NOTE).read_to_string(&mut note);
                return Err(AppError::InUse { path: home.to_owned(), holder: Holder::read(&note) });
            }
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        let lock = Self { file };
        // The lock is what counts; who holds it is a courtesy, which a full disk may keep from being told.
        let _ = lock.tell(None);
        Ok(lock)
    }

    /// Tells who holds the lock, and where the library is served.
    pub(super) fn tell(&self, server: Option<ServedAt>) -> io::Result<()> {
        let note = Holder { process: Some(std::process::id()), server }.note();
        let mut file = &self.file;
        file.set_len(0)?;
        file.rewind()?;
        file.write_all(note.as_bytes())
    }
}

/// Only the operator reads it: who can has the right to all that commands do.
fn open(path: &Path) -> io::Result<File> {
    let file = File::options().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
    if file.metadata()?.is_file() {
        file.set_permissions(Permissions::from_mode(0o600))?;
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn holder(home: &Path) -> Holder {
        match HomeLock::take(home) {
            Err(AppError::InUse { holder, .. }) => holder,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn who_comes_second_is_told_who_holds_it_and_where_it_is_served() {
        let home = tempfile::tempdir().unwrap();
        let lock = HomeLock::take(home.path()).unwrap();
        let process = Some(std::process::id());
        assert_eq!(holder(home.path()), Holder { process, server: None });
        let server = ServedAt {
            address: "0.0.0.0:8080".parse().unwrap(),
            instance: "an-id".to_owned(),
            secret: Secret::new("s3cret"),
        };
        lock.tell(Some(server.clone())).unwrap();
        let told = holder(home.path());
        assert_eq!(told, Holder { process, server: Some(server.clone()) });
        assert_eq!(Holder::of(home.path()), Some(told.clone()), "without a try to take it");
        let shown = format!(" (process {}, which serves it at http://0.0.0.0:8080)", std::process::id());
        assert_eq!((told.to_string(), server.from_here()), (shown, "127.0.0.1:8080".parse().unwrap()));
        assert!(!format!("{told:?} {told}").contains("s3cret"));
        let mode = std::fs::metadata(home.path().join("lock")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "others on this machine cannot read it");
        drop(lock);
        let again = HomeLock::take(home.path()).unwrap();
        assert_eq!(holder(home.path()), Holder { process, server: None }, "an old address is not told on");
        drop(again);
    }

    #[test]
    fn a_server_that_listens_everywhere_is_asked_by_loopback() {
        for (address, reached) in [
            ("0.0.0.0:1", "127.0.0.1:1"),
            ("[::]:1", "[::1]:1"),
            ("127.0.0.1:1", "127.0.0.1:1"),
            ("192.0.2.7:1", "192.0.2.7:1"),
        ] {
            let server =
                ServedAt { address: address.parse().unwrap(), instance: String::new(), secret: Secret::default() };
            assert_eq!(server.from_here(), reached.parse().unwrap());
        }
    }

    proptest! {
        #[test]
        fn what_is_told_is_read_back_and_nothing_panics(process: u32, port: u16, instance in "[a-z0-9-]{1,40}", secret in "[0-9a-f]{0,32}", junk in "\\PC{0,60}") {
            let server = ServedAt { address: SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port), instance, secret: Secret::new(secret) };
            for server in [None, Some(server)] {
                let holder = Holder { process: Some(process), server };
                prop_assert_eq!(Holder::read(&holder.note()), holder);
            }
            let _ = Holder::read(&junk);
        }
    }
}
