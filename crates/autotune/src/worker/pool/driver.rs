//! The thread of a worker process: starts it, feeds it, watches its time, and says what has become of each job.

use super::event::{End, Event};
use super::job::{ArtifactFile, Work};
use super::process::{Process, Silence, Slot};
use super::queue::Jobs;
use super::{Limits, PoolOptions};
use crate::Outcome;
use crate::worker::limits::{Confinement, outlive_broken_pipes};
use crate::worker::protocol::Answer;
use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::Instant;

/// What the standard error of a process says that could not get memory: of Rust, of LLVM and of C++.
const OUT_OF_MEMORY: [&str; 3] = ["memory allocation of", "out of memory", "bad_alloc"];

/// Feeds one worker process after the other.
pub(super) struct Driver {
    options: Arc<PoolOptions>,
    confinement: Confinement,
    /// For the files of this driver's processes.
    folder: PathBuf,
    jobs: Arc<Jobs>,
    events: Sender<Event>,
    slot: Arc<Slot>,
    process: Option<Process>,
    files: u64,
}

impl Driver {
    pub(super) fn new(
        options: Arc<PoolOptions>,
        confinement: Confinement,
        folder: PathBuf,
        jobs: Arc<Jobs>,
        events: Sender<Event>,
        slot: Arc<Slot>,
    ) -> Driver {
        Driver { options, confinement, folder, jobs, events, slot, process: None, files: 0 }
    }

    /// Does jobs until the queue is closed.
    pub(super) fn run(mut self) {
        outlive_broken_pipes();
        while let Some((ticket, work)) = self.jobs.take() {
            let event = self.work(ticket, &work);
            drop(work);
            self.jobs.done();
            if self.events.send(event).is_err() {
                break;
            }
        }
        self.bury();
    }

    fn work(&mut self, ticket: u64, work: &Work) -> Event {
        let start = Instant::now();
        let limits = match work {
            Work::Compile(_) => self.options.compile,
            Work::Measure(_) => self.options.measure,
        };
        self.files += 1;
        let file = ArtifactFile::new(self.folder.join(format!("{}.cnna", self.files)));
        let (end, said) = self.end_of(work, file, limits);
        let elapsed = start.elapsed();
        Event { ticket, end, seconds: elapsed.as_secs_f64(), slow: elapsed > limits.soft, said }
    }

    fn end_of(&mut self, work: &Work, file: ArtifactFile, limits: Limits) -> (End, String) {
        let request = work.request(&file);
        // A process that died while it had nothing to do is no fault of the job's.
        let idle = self.process.as_mut().is_none_or(|process| process.send(&request).is_err());
        if idle {
            self.bury();
            let sent = self.start().and_then(|process| process.send(&request));
            if let Err(error) = sent {
                self.bury();
                return (End::Failed(Outcome::Crashed(format!("no worker: {error}"))), String::new());
            }
        }
        let answer = self.process.as_ref().map_or(Err(Silence::Died), |process| process.answer(limits.hard));
        let end = match (answer, work) {
            (Ok(Answer::Compiled(compiled)), Work::Compile(_)) => End::Compiled(compiled, Arc::new(file)),
            (Ok(Answer::Measured(measured)), Work::Measure(_)) => End::Measured(measured),
            (Ok(Answer::Failed(failure)), _) if failure.out_of_memory => End::Failed(Outcome::OutOfMemory),
            (Ok(Answer::Failed(failure)), _) => End::Failed(Outcome::NotCompiled(failure.what)),
            (Ok(_), _) => return self.died(Silence::Garbled),
            (Err(silence), _) => return self.died(silence),
        };
        (end, String::new())
    }

    /// The end of a job whose worker is lost.
    fn died(&mut self, silence: Silence) -> (End, String) {
        let Some((status, words)) = self.bury() else {
            return (End::Failed(Outcome::Crashed("no worker".into())), String::new());
        };
        let outcome = match silence {
            Silence::TimedOut => Outcome::TimedOut,
            Silence::Garbled => Outcome::Crashed("broken answer".into()),
            Silence::Died => death(status, &words),
        };
        let last = words.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
        (End::Failed(outcome), last.to_string())
    }

    fn start(&mut self) -> io::Result<&mut Process> {
        let options = &self.options;
        let process =
            Process::start(&options.program, &options.environment, &self.confinement, &self.folder, &self.slot)?;
        Ok(self.process.insert(process))
    }

    /// Ends the process, if there is one, and removes what it has left half-written.
    fn bury(&mut self) -> Option<(io::Result<ExitStatus>, String)> {
        let ended = self.process.take()?.end(&self.slot);
        for entry in std::fs::read_dir(&self.folder).into_iter().flatten().flatten() {
            if entry.path().extension().is_some_and(|extension| extension == "tmp") {
                // What cannot be removed now goes with the pool's folder.
                let _ = std::fs::remove_file(entry.path());
            }
        }
        Some(ended)
    }
}

/// What a process that ended by itself died of.
fn death(status: io::Result<ExitStatus>, words: &str) -> Outcome {
    let status = match status {
        Ok(status) => status,
        Err(error) => return Outcome::Crashed(error.to_string()),
    };
    #[cfg(unix)]
    let signal = std::os::unix::process::ExitStatusExt::signal(&status);
    #[cfg(not(unix))]
    let signal: Option<i32> = None;
    // Nobody but the system kills a worker in earnest, and it does when memory runs out.
    if signal == Some(9) || OUT_OF_MEMORY.iter().any(|text| words.contains(text)) {
        return Outcome::OutOfMemory;
    }
    Outcome::Crashed(match (signal, status.code()) {
        (Some(4), _) => "SIGILL".into(),
        (Some(6), _) => "SIGABRT".into(),
        (Some(7), _) => "SIGBUS".into(),
        (Some(8), _) => "SIGFPE".into(),
        (Some(11), _) => "SIGSEGV".into(),
        (Some(signal), _) => format!("signal {signal}"),
        (None, Some(code)) => format!("exit code {code}"),
        (None, None) => status.to_string(),
    })
}
