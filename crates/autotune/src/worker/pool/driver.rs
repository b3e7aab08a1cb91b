//! The thread of a worker process: starts it, feeds it, watches its time, and says what has become of each job.

use super::event::{End, Event};
use super::job::{ArtifactFile, MeasureJob, Work};
use super::process::{Process, Silence, Slot};
use super::queue::{Duties, Jobs};
use super::{PoolOptions, Tally};
use crate::Outcome;
use crate::worker::limits::{Confinement, outlive_broken_pipes};
use crate::worker::protocol::{Answer, Compiled, Measured, Request};
use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

/// What the standard error of a process says that could not get memory: of Rust, of LLVM and of C++.
const OUT_OF_MEMORY: [&str; 3] = ["memory allocation of", "out of memory", "bad_alloc"];

/// Why a job has no result, and what its worker said last.
type Failed = (Outcome, String);

/// Feeds one worker process after the other.
pub(super) struct Driver {
    options: Arc<PoolOptions>,
    confinement: Confinement,
    /// For the files of this driver's processes.
    folder: PathBuf,
    jobs: Arc<Jobs>,
    duties: Duties,
    events: Sender<Event>,
    slot: Arc<Slot>,
    tally: Arc<Tally>,
    process: Option<Process>,
    files: u64,
}

impl Driver {
    pub(super) fn new(
        options: Arc<PoolOptions>,
        confinement: Confinement,
        folder: PathBuf,
        (jobs, duties): (Arc<Jobs>, Duties),
        events: Sender<Event>,
        slot: Arc<Slot>,
        tally: Arc<Tally>,
    ) -> Driver {
        Driver { options, confinement, folder, jobs, duties, events, slot, tally, process: None, files: 0 }
    }

    /// Does jobs until the queue is closed.
    pub(super) fn run(mut self) {
        outlive_broken_pipes();
        while let Some((ticket, work)) = self.jobs.take(self.duties, None) {
            let event = self.work(ticket, &work);
            let kind = work.kind();
            drop(work);
            self.jobs.done(kind);
            self.tally.count(&event.end);
            if self.events.send(event).is_err() {
                break;
            }
        }
        self.bury();
    }

    fn work(&mut self, ticket: u64, work: &Work) -> Event {
        let start = Instant::now();
        let (end, soft) = match work {
            Work::Compile(job) => {
                let artifact = Arc::new(ArtifactFile::new(ticket, job.clone()));
                let compiled = self.compile(&artifact);
                (compiled.map(|compiled| End::Compiled(compiled, artifact)), self.options.compile.soft)
            }
            Work::Measure(job) => (self.measure(job).map(End::Measured), self.options.measure.soft),
        };
        let (end, said) = match end {
            Ok(end) => (end, String::new()),
            Err((outcome, said)) => (End::Failed(outcome), said),
        };
        let elapsed = start.elapsed();
        Event { ticket, end, seconds: elapsed.as_secs_f64(), slow: elapsed > soft, said }
    }

    fn compile(&mut self, artifact: &ArtifactFile) -> Result<Compiled, Failed> {
        self.files += 1;
        let path = self.folder.join(format!("{}.cnna", self.files));
        let answer = self.ask(&Request::Compile(artifact.job().request(&path)), self.options.compile.hard);
        match answer {
            Ok(Answer::Compiled(compiled)) => {
                artifact.lies_at(path);
                Ok(compiled)
            }
            answer => {
                // It may never have been written.
                let _ = std::fs::remove_file(path);
                Err(answer.map_or_else(|failed| failed, |_| self.died(Silence::Garbled)))
            }
        }
    }

    fn measure(&mut self, job: &MeasureJob) -> Result<Measured, Failed> {
        for artifact in job.artifacts().filter(|artifact| artifact.path().is_none()) {
            self.compile(artifact)?;
        }
        let no_file = || (Outcome::Crashed("no artifact".into()), String::new());
        let request = Request::Measure(job.request().ok_or_else(no_file)?);
        match self.ask(&request, self.options.measure.hard)? {
            Answer::Measured(measured) => Ok(measured),
            _ => Err(self.died(Silence::Garbled)),
        }
    }

    /// The answer of the process, or of a new one.
    fn ask(&mut self, request: &Request, limit: Duration) -> Result<Answer, Failed> {
        // A process that died while it had nothing to do is no fault of the job's.
        let idle = self.process.as_mut().is_none_or(|process| process.send(request).is_err());
        if idle {
            self.bury();
            let sent = self.start().and_then(|process| process.send(request));
            if let Err(error) = sent {
                self.bury();
                return Err((Outcome::Crashed(format!("no worker: {error}")), String::new()));
            }
        }
        match self.process.as_ref().map_or(Err(Silence::Died), |process| process.answer(limit)) {
            Ok(Answer::Failed(failure)) if failure.out_of_memory => Err((Outcome::OutOfMemory, String::new())),
            Ok(Answer::Failed(failure)) => Err((Outcome::NotCompiled(failure.what), String::new())),
            Ok(answer) => Ok(answer),
            Err(silence) => Err(self.died(silence)),
        }
    }

    /// The end of a job whose worker is lost.
    fn died(&mut self, silence: Silence) -> Failed {
        let Some((status, words)) = self.bury() else {
            return (Outcome::Crashed("no worker".into()), String::new());
        };
        let outcome = match silence {
            Silence::TimedOut => Outcome::TimedOut,
            Silence::Garbled => Outcome::Crashed("broken answer".into()),
            Silence::Died => death(status, &words),
        };
        let last = words.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
        (outcome, last.to_string())
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
