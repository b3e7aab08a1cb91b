//! A pool of worker processes: some that compile, one that measures; and those of other ranks.
//!
//! Each process has a thread that feeds it, and one that reads its answers; so has each process of another rank, which
//! its rank feeds. The one that measures may compile while nothing is to be measured. Jobs wait in two queues; what
//! becomes of each is an [`Event`]. When the pool is dropped, processes, threads and files are gone.

mod driver;
mod event;
mod folder;
mod job;
mod lane;
mod process;
mod queue;
mod tally;

pub use event::{End, Event};
pub use job::{ArtifactFile, CompileJob, MeasureJob};
pub use queue::Queue;
pub use tally::Tally;

use super::limits::{Confinement, own_cores, part_of, split_cores};
use super::ranks::{Place, Rank};
use driver::Driver;
use folder::Folder;
use job::{Kind, Work};
use lane::Lane;
use process::Slot;
use queue::{Duties, Jobs};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
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
    /// Cores that the processes run on; all where there are none.
    pub cores: Vec<usize>,
    /// Processes that compile.
    pub compilers: usize,
    /// Cores that measuring takes; the other processes keep off them, where there are more.
    pub measuring_cores: usize,
    /// Whether the process that measures compiles while nothing is to be measured, where it has cores of its own.
    pub compile_when_idle: bool,
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
        let cores = own_cores();
        PoolOptions {
            program: program.to_path_buf(),
            environment: vec![],
            compilers: cores.len().saturating_sub(1).max(1),
            cores,
            measuring_cores: 1,
            compile_when_idle: true,
            memory: Some(4 << 30),
            compile: limits(5, 30),
            measure: limits(5, 30),
            folder: None,
        }
    }

    /// Leaves the other ranks of this machine their cores; whether there are enough for all to measure at once. Where
    /// there are not, they share all cores.
    pub fn make_room(&mut self, place: &Place) -> bool {
        let part = part_of(&self.cores, place.index, place.of);
        let enough = part.len() >= self.measuring_cores || place.of <= 1;
        if enough {
            self.cores = part.to_vec();
        }
        enough
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
    jobs: Arc<Jobs>,
    events: Receiver<Event>,
    sender: Sender<Event>,
    options: Arc<PoolOptions>,
    slots: Vec<Arc<Slot>>,
    drivers: Vec<JoinHandle<()>>,
    tally: Arc<Tally>,
    ranks: Vec<(Arc<Rank>, Arc<Tally>)>,
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
        let (compile_cores, measure_cores) = split_cores(&options.cores, options.measuring_cores);
        let options = Arc::new(options);
        let mut pool = Pool {
            jobs: Arc::default(),
            events,
            sender,
            options: options.clone(),
            slots: vec![],
            drivers: vec![],
            tally: Arc::default(),
            ranks: vec![],
            next_ticket: 0,
            folder,
        };
        for number in 0..=options.compilers.max(1) {
            let cores = if number == 0 { &measure_cores } else { &compile_cores };
            let idle_compiles = options.compile_when_idle && !measure_cores.is_empty();
            let jobs = (pool.jobs.clone(), duties(number, idle_compiles));
            let folder = pool.folder.path().join(number.to_string());
            std::fs::create_dir(&folder).map_err(PoolError::Folder)?;
            let confinement = Confinement { memory: options.memory, cores: cores.clone() };
            let slot = Arc::new(Slot::default());
            let (events, tally) = (pool.sender.clone(), pool.tally.clone());
            let driver = Driver::new(options.clone(), confinement, folder, jobs, events, slot.clone(), tally);
            let thread = std::thread::Builder::new().name(format!("worker-{number}"));
            pool.drivers.push(thread.spawn(move || driver.run()).map_err(PoolError::Thread)?);
            pool.slots.push(slot);
        }
        Ok(pool)
    }

    /// Takes in another rank, whose processes get jobs as this pool's own do.
    pub fn enlist(&mut self, rank: &Arc<Rank>) -> Result<(), PoolError> {
        let tally = Arc::new(Tally::default());
        for number in 0..=rank.compilers() {
            let (options, events) = (self.options.clone(), self.sender.clone());
            // Which of its processes compiles is the rank's affair; it is given as many jobs as may be at work.
            let able = rank.able();
            let duties = duties(number, self.options.compile_when_idle && !able.alone && !able.crowded);
            let jobs = self.jobs.clone();
            let lane = Lane { rank: rank.clone(), options, jobs, duties, events, tally: tally.clone() };
            let thread = std::thread::Builder::new().name(format!("rank-{}-{number}", rank.number()));
            self.drivers.push(thread.spawn(move || lane.run()).map_err(PoolError::Thread)?);
        }
        self.ranks.push((rank.clone(), tally));
        Ok(())
    }

    /// Processes that measure, this pool's and those of ranks that are still there.
    pub fn measurers(&self) -> usize {
        1 + self.ranks.iter().filter(|(rank, _)| rank.is_there()).count()
    }

    /// Jobs that were done here, and by each other rank.
    pub fn tallies(&self) -> (&Tally, impl Iterator<Item = (&Rank, &Tally)>) {
        (&self.tally, self.ranks.iter().map(|(rank, tally)| (&**rank, &**tally)))
    }

    /// Puts a compilation into the queue; its ticket is in its event.
    pub fn submit_compile(&mut self, job: CompileJob) -> u64 {
        let ticket = self.ticket();
        self.jobs.put(ticket, Work::Compile(job));
        ticket
    }

    /// Puts a measurement into the queue; its ticket is in its event.
    pub fn submit_measure(&mut self, job: MeasureJob) -> u64 {
        let ticket = self.ticket();
        self.jobs.put(ticket, Work::Measure(job));
        ticket
    }

    /// What has become of a job; `None` where nothing has within the time. Each job has one event, in the order in
    /// which they end.
    pub fn next_event(&self, timeout: Duration) -> Option<Event> {
        self.events.recv_timeout(timeout).ok()
    }

    /// Gives up the jobs that no process has begun; their tickets. They have no event.
    pub fn give_up_waiting(&mut self) -> Vec<u64> {
        self.jobs.clear()
    }

    /// The queue of compilations.
    pub fn compiling(&self) -> Queue {
        self.jobs.length(Kind::Compile)
    }

    /// The queue of measurements.
    pub fn measuring(&self) -> Queue {
        self.jobs.length(Kind::Measure)
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
        self.jobs.close();
        self.slots.iter().for_each(|slot| slot.close());
        self.ranks.iter().for_each(|(rank, _)| rank.dismiss());
        for driver in self.drivers.drain(..) {
            // A driver that has panicked has nothing to tell; its process was killed above.
            let _ = driver.join();
        }
    }
}

/// What processes do: the first measures, and may compile while it has nothing to measure; the others compile.
fn duties(number: usize, idle_compiles: bool) -> Duties {
    match number {
        0 if idle_compiles => &[Kind::Measure, Kind::Compile],
        0 => &[Kind::Measure],
        _ => &[Kind::Compile],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_is_missing_is_an_error() {
        assert!(matches!(Pool::new(PoolOptions::new(Path::new("/nonexistent/cnnc"))), Err(PoolError::NoProgram(_))));
    }
}
