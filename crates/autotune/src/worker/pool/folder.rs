//! The folder of a pool's files: in memory where there is such a thing, and removed with the pool; that of a pool whose
//! process was killed is removed by the next one.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use tempfile::TempDir;

/// Where files lie in memory.
const IN_MEMORY: &str = "/dev/shm";
/// How names begin.
const PREFIX: &str = "cnnc-tune-";
/// A file that the pool holds locked, as long as it lives.
const LOCK: &str = "lock";

/// The folder.
#[derive(Debug)]
pub(super) struct Folder {
    folder: TempDir,
    _lock: File,
}

impl Folder {
    /// A new folder in another, or in memory.
    pub(super) fn new(within: Option<&Path>) -> io::Result<Folder> {
        match within {
            Some(parent) => Folder::within(parent),
            None => Folder::within(Path::new(IN_MEMORY)).or_else(|_| Folder::within(&std::env::temp_dir())),
        }
    }

    fn within(parent: &Path) -> io::Result<Folder> {
        for entry in fs::read_dir(parent)?.flatten() {
            if entry.file_name().to_string_lossy().starts_with(PREFIX) && is_abandoned(&entry.path()) {
                // Whoever else may not be allowed to remove it lives with it.
                let _ = fs::remove_dir_all(entry.path());
            }
        }
        let folder = tempfile::Builder::new().prefix(PREFIX).tempdir_in(parent)?;
        // It has its name only once it is locked: nobody ever finds the lock of a living pool open.
        let unnamed = folder.path().join("unlocked");
        let lock = File::create(&unnamed)?;
        lock.lock()?;
        fs::rename(&unnamed, folder.path().join(LOCK))?;
        Ok(Folder { folder, _lock: lock })
    }

    pub(super) fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// Whether the process that made a folder is gone.
fn is_abandoned(folder: &Path) -> bool {
    File::open(folder.join(LOCK)).is_ok_and(|lock| lock.try_lock().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_killed_process_left_goes_with_the_next_and_nothing_else() {
        let parent = tempfile::tempdir().unwrap();
        let make = |name: &str, file: &str| {
            fs::create_dir(parent.path().join(name)).unwrap();
            File::create(parent.path().join(name).join(file)).unwrap();
        };
        make("cnnc-tune-abandoned", LOCK);
        make("cnnc-tune-begun", "unlocked");
        make("other", LOCK);
        let first = Folder::new(Some(parent.path())).unwrap();
        let second = Folder::new(Some(parent.path())).unwrap();
        let names = || fs::read_dir(parent.path()).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
        assert!(first.path().is_dir() && second.path().is_dir());
        assert!(!names().any(|name| name == "cnnc-tune-abandoned"));
        drop((first, second));
        let mut left: Vec<String> = names().collect();
        left.sort();
        assert_eq!(left, ["cnnc-tune-begun", "other"]);
    }
}
