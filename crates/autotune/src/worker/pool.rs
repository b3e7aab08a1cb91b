//! A pool of worker processes: some that compile, one that measures.
//!
//! Each process has a thread that feeds it, and one that reads its answers. Jobs wait in two queues; what becomes of
//! each is an [`Event`]. When the pool is dropped, processes, threads and files are gone.

mod driver;
mod event;
mod folder;
mod job;
mod process;
mod queue;

pub use event::{End, Event};
pub use job::{ArtifactFile, CompileJob, MeasureJob};
pub use queue::Queue;

use super::limits::{Confinement, own_cores};
use driver::Driver;
use folder::Folder;
use job::Work;
use process::Slot;
use queue::Jobs;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver};
use std::thread::JoinHandle;
use std::time::Duration;

/// How long a job may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Beyond this, the event says that it was slow.
    pub soft: Duration,
    /// Beyond this, the worker is killed.
    pub hard: Duration,
}

/// How a pool works.
#[derive(Clone, Debug)]
pub struct PoolOptions {
    /// The program that has the command `worker`.
    pub program: PathBuf,
    /// Environment variables that workers get besides the pool's own.
    pub environment: Vec<(OsString, OsString)>,
    /// Processes that compile.
    pub compilers: usize,
    /// Cores that measuring takes; the other processes keep off them, where there are more.
    pub measuring_cores: usize,
    /// Bytes of memory of its own that each process may take.
    pub memory: Option<u64>,
    /// Limits of a compilation.
    pub compile: Limits,
    /// Limits of a measurement.
    pub measure: Limits,
    /// Folder for the pool's files; without it, one in memory where there is such a thing.
    pub folder: Option<PathBuf>,
}

impl PoolOptions {
    /// What suits layers of usual networks on one thread.
    pub fn new(program: &Path) -> PoolOptions {
        let limits = |soft, hard| Limits { soft: Duration::from_secs(soft), hard: Duration::from_secs(hard) };
        PoolOptions {
            program: program.to_path_buf(),
            environment: vec![],
            compilers: own_cores().len().saturating_sub(1).max(1),
            measuring_cores: 1,
            memory: Some(4 << 30),
            compile: limits(5, 30),
            measure: limits(5, 30),
            folder: None,
        }
    }
}

/// Why a pool could not be started.
#[derive(Debug, thiserror::Error)]
pub enum PoolError {
    /// The program is not there.
    #[error("there is no program {0}")]
    NoProgram(PathBuf),
    /// There is no folder for files.
    #[error("cannot make a temporary folder: {0}")]
    Folder(std::io::Error),
    /// A thread cannot be started.
    #[error("cannot start a thread: {0}")]
    Thread(std::io::Error),
}

/// The pool.
#[derive(Debug)]
pub struct Pool {
    compiling: Arc<Jobs>,
    measuring: Arc<Jobs>,
    events: Receiver<Event>,
    slots: Vec<Arc<Slot>>,
    drivers: Vec<JoinHandle<()>>,
    next_ticket: u64,
    folder: Folder,
}

impl Pool {
    /// A pool with its threads; a process is started with its first job.
    pub fn new(options: PoolOptions) -> Result<Pool, PoolError> {
        if !options.program.is_file() {
            return Err(PoolError::NoProgram(options.program));
        }
        let folder = Folder::new(options.folder.as_deref()).map_err(PoolError::Folder)?;
        let (sender, events) = mpsc::channel();
        let (compiling, measuring) = (Arc::new(Jobs::default()), Arc::new(Jobs::default()));
        let (slots, drivers, next_ticket) = (vec![], vec![], 0);
        let mut pool = Pool { compiling, measuring, events, slots, drivers, next_ticket, folder };
        let (compile_cores, measure_cores) = split_cores(own_cores(), options.measuring_cores);
        let options = Arc::new(options);
        for number in 0..=options.compilers.max(1) {
            let (jobs, cores) = match number {
                0 => (&pool.measuring, &measure_cores),
                _ => (&pool.compiling, &compile_cores),
            };
            let folder = pool.folder.path().join(number.to_string());
            std::fs::create_dir(&folder).map_err(PoolError::Folder)?;
            let confinement = Confinement { memory: options.memory, cores: cores.clone() };
            let slot = Arc::new(Slot::default());
            let driver = Driver::new(options.clone(), confinement, folder, jobs.clone(), sender.clone(), slot.clone());
            let thread = std::thread::Builder::new().name(format!("worker-{number}"));
            pool.drivers.push(thread.spawn(move || driver.run()).map_err(PoolError::Thread)?);
            pool.slots.push(slot);
        }
        Ok(pool)
    }

    /// Puts a compilation into the queue; its ticket is in its event.
    pub fn submit_compile(&mut self, job: CompileJob) -> u64 {
        let ticket = self.ticket();
        self.compiling.put(ticket, Work::Compile(job));
        ticket
    }

    /// Puts a measurement into the queue; its ticket is in its event.
    pub fn submit_measure(&mut self, job: MeasureJob) -> u64 {
        let ticket = self.ticket();
        self.measuring.put(ticket, Work::Measure(job));
        ticket
    }

    /// What has become of a job; `None` where nothing has within the time. Each job has one event, in the order in
    /// which they end.
    pub fn next_event(&self, timeout: Duration) -> Option<Event> {
        self.events.recv_timeout(timeout).ok()
    }

    /// Gives up the jobs that no process has begun; their tickets. They have no event.
    pub fn give_up_waiting(&mut self) -> Vec<u64> {
        [self.compiling.clear(), self.measuring.clear()].concat()
    }

    /// The queue of compilations.
    pub fn compiling(&self) -> Queue {
        self.compiling.length()
    }

    /// The queue of measurements.
    pub fn measuring(&self) -> Queue {
        self.measuring.length()
    }

    /// The folder of the pool's files, to be removed by who ends the process without dropping the pool.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn ticket(&mut self) -> u64 {
        self.next_ticket += 1;
        self.next_ticket
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.compiling.close();
        self.measuring.close();
        self.slots.iter().for_each(|slot| slot.close());
        for driver in self.drivers.drain(..) {
            // A driver that has panicked has nothing to tell; its process was killed above.
            let _ = driver.join();
        }
    }
}

/// The cores that compile and those that measure: the last ones; none, that is all, where there are too few.
fn split_cores(all: Vec<usize>, measuring: usize) -> (Vec<usize>, Vec<usize>) {
    let measuring = measuring.max(1);
    if all.len() <= measuring {
        return (vec![], vec![]);
    }
    let (compile, measure) = all.split_at(all.len() - measuring);
    (compile.to_vec(), measure.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn measuring_has_its_cores_where_there_are_more() {
        assert_eq!(split_cores(vec![0, 2, 3], 1), (vec![0, 2], vec![3]));
        assert_eq!(split_cores(vec![0, 2, 3], 2), (vec![0], vec![2, 3]));
        assert_eq!(split_cores(vec![5], 1), (vec![], vec![]));
        assert_eq!(split_cores(vec![0, 1], 2), (vec![], vec![]));
    }

    #[test]
    fn a_program_that_is_missing_is_an_error() {
        assert!(matches!(Pool::new(PoolOptions::new(Path::new("/nonexistent/cnnc"))), Err(PoolError::NoProgram(_))));
    }
}
