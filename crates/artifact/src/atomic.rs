//! Files that are there whole or not at all.

use crate::ArtifactError;
use std::fs::{File, Permissions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// Files that are being written.
static UNFINISHED: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

/// Writes a file through a temporary one beside it, which takes its place when all is on disk. Where anything fails,
/// what stood at `path` before stays. A device (`/dev/null`) is written to directly.
pub fn write_atomically(
    path: &Path,
    content: impl FnOnce(&mut BufWriter<&File>) -> io::Result<()>,
) -> Result<(), ArtifactError> {
    try_write(path, content).map_err(|source| ArtifactError::Write { path: path.to_path_buf(), source })
}

fn try_write(path: &Path, content: impl FnOnce(&mut BufWriter<&File>) -> io::Result<()>) -> io::Result<()> {
    match path.metadata() {
        Ok(there) if there.is_dir() => return Err(io::Error::other("it is a folder")),
        Ok(there) if !there.is_file() => {
            let file = File::options().write(true).open(path)?;
            let mut writer = BufWriter::new(&file);
            content(&mut writer)?;
            return writer.flush();
        }
        _ => {}
    }
    // A symbolic link stays one: the file that it leads to is replaced.
    let target = path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
    let folder = match target.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    if !folder.is_dir() {
        return Err(io::Error::new(io::ErrorKind::NotFound, format!("there is no folder {}", folder.display())));
    }
    let mut builder = tempfile::Builder::new();
    builder.prefix(".cnnc-").suffix(".tmp");
    #[cfg(unix)]
    builder.permissions(<Permissions as std::os::unix::fs::PermissionsExt>::from_mode(0o666));
    let mut unfinished = lock();
    // Without the temporary file's name, which is nobody's concern.
    let plain = |error: io::Error| io::Error::from(error.kind());
    let temporary = builder.tempfile_in(folder).map_err(plain)?;
    unfinished.push(temporary.path().to_path_buf());
    drop(unfinished);
    let _registered = Registered(temporary.path().to_path_buf());
    let mut writer = BufWriter::with_capacity(1 << 16, temporary.as_file());
    content(&mut writer)?;
    writer.flush()?;
    drop(writer);
    temporary.as_file().sync_all()?;
    temporary.persist(&target).map_err(|error| error.error)?;
    // The new name is on disk once its folder is; not every file system can do that, and the content is safe.
    let _ = File::open(folder).and_then(|folder| folder.sync_all());
    Ok(())
}

/// Removes the temporary files of writers that will not finish, because the process is about to end.
pub fn remove_unfinished() {
    for path in lock().drain(..) {
        let _ = std::fs::remove_file(path);
    }
}

fn lock() -> std::sync::MutexGuard<'static, Vec<PathBuf>> {
    UNFINISHED.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// A path in the list of unfinished files.
struct Registered(PathBuf);

impl Drop for Registered {
    fn drop(&mut self) {
        lock().retain(|path| *path != self.0);
    }
}
