//! One worker process: its life and its death.

use crate::worker::limits::Confinement;
use crate::worker::protocol::{Answer, Request};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// Bytes of an answer.
const MOST_BYTES: u64 = 4 << 20;
/// Bytes that are read of what a worker has written to its standard error.
const LAST_WORDS: usize = 4096;

/// Where the process of a driver is, so that the pool can kill it.
#[derive(Debug, Default)]
pub(super) struct Slot(Mutex<Place>);

#[derive(Debug, Default)]
struct Place {
    child: Option<Child>,
    closed: bool,
}

impl Slot {
    fn lock(&self) -> MutexGuard<'_, Place> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Kills the process, and each that would come after it.
    pub(super) fn close(&self) {
        let mut place = self.lock();
        place.closed = true;
        if let Some(child) = &mut place.child {
            // It may be dead already.
            let _ = child.kill();
        }
    }

    /// Takes a new process in; kills it if the pool is to end.
    fn put(&self, mut child: Child) {
        let mut place = self.lock();
        if place.closed {
            let _ = child.kill();
        }
        place.child = Some(child);
    }

    /// Kills the process and waits for its end.
    fn end(&self) -> io::Result<ExitStatus> {
        let mut child = self.lock().child.take().ok_or(io::ErrorKind::NotFound)?;
        // Of a process that has died by itself, the status stays as it is.
        let _ = child.kill();
        child.wait()
    }
}

/// Why a request has no answer.
pub(super) enum Silence {
    /// It took too long.
    TimedOut,
    /// The process is gone.
    Died,
    /// What came is no answer.
    Garbled,
}

/// A process that takes requests. To be ended by [`end`](Process::end).
pub(super) struct Process {
    requests: ChildStdin,
    answers: Receiver<Vec<u8>>,
    reader: JoinHandle<()>,
    errors: PathBuf,
}

impl Process {
    /// Starts a process, which the slot takes in.
    pub(super) fn start(
        program: &Path,
        environment: &[(std::ffi::OsString, std::ffi::OsString)],
        confinement: &Confinement,
        folder: &Path,
        slot: &Slot,
    ) -> io::Result<Process> {
        let errors = folder.join("stderr");
        let mut command = Command::new(program);
        command.arg("worker");
        if let Some(bytes) = confinement.memory {
            command.arg(format!("--memory={bytes}"));
        }
        if !confinement.cores.is_empty() {
            let cores: Vec<String> = confinement.cores.iter().map(usize::to_string).collect();
            command.arg(format!("--cores={}", cores.join(",")));
        }
        command.envs(environment.iter().map(|(key, value)| (key, value)));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(File::create(&errors)?);
        // What a terminal tells the program is not for its workers: the pool ends them.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let mut child = command.spawn()?;
        let pipes = child.stdin.take().zip(child.stdout.take());
        slot.put(child);
        let started = pipes.ok_or_else(|| io::Error::other("no pipes")).and_then(|(requests, answers)| {
            let (sender, receiver) = channel();
            let thread = std::thread::Builder::new().name("answers".into());
            let reader = thread.spawn(move || read(answers, &sender))?;
            Ok(Process { requests, answers: receiver, reader, errors })
        });
        if started.is_err() {
            let _ = slot.end();
        }
        started
    }

    /// Sends a request; fails where the process is dead already.
    pub(super) fn send(&mut self, request: &Request) -> io::Result<()> {
        let mut line = serde_json::to_vec(request)?;
        line.push(b'\n');
        self.requests.write_all(&line)
    }

    /// Waits for the answer.
    pub(super) fn answer(&self, limit: Duration) -> Result<Answer, Silence> {
        match self.answers.recv_timeout(limit) {
            Ok(line) => serde_json::from_slice(&line).map_err(|_| Silence::Garbled),
            Err(RecvTimeoutError::Timeout) => Err(Silence::TimedOut),
            Err(RecvTimeoutError::Disconnected) => Err(Silence::Died),
        }
    }

    /// Kills the process and waits until it is gone: how it ended, and what it said last.
    pub(super) fn end(self, slot: &Slot) -> (io::Result<ExitStatus>, String) {
        drop(self.requests);
        let status = slot.end();
        // It ends with the pipe, which the process was the only one to write to.
        let _ = self.reader.join();
        (status, last_words(&self.errors).unwrap_or_default())
    }
}

/// Passes answers on, until there are no more.
fn read(answers: ChildStdout, to: &Sender<Vec<u8>>) {
    let mut answers = BufReader::new(answers);
    loop {
        let mut line = vec![];
        match answers.by_ref().take(MOST_BYTES).read_until(b'\n', &mut line) {
            Ok(1..) if line.ends_with(b"\n") && to.send(line).is_ok() => {}
            _ => return,
        }
    }
}

/// The end of a file.
fn last_words(path: &Path) -> io::Result<String> {
    let bytes = std::fs::read(path)?;
    Ok(String::from_utf8_lossy(&bytes[bytes.len().saturating_sub(LAST_WORDS)..]).into_owned())
}
