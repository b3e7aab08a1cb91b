//! Ranks that share a pool's work, over channels in place of MPI: who does what, and what becomes of failures and losses.
#![allow(clippy::unwrap_used)]

use cnnc_autotune::worker::ranks::{Able, Place, Post, Transport, attend};
use cnnc_autotune::worker::{
    ArtifactFile, CompileJob, End, Event, Limits, MeasureJob, Measured, PLANT, Pool, PoolOptions,
};
use cnnc_autotune::{Outcome, Setting};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tempfile::TempDir;

const LAYER: &str = "conv 1x16x10x10 24x16x3x3 pad=1 tail=bias+relu";
const FIRST: &str = "direct_plain(mr=4, nv=1, run=1)";
const OTHER: &str = "direct_plain(mr=2, nv=1, run=1)";
/// What a process of the first rank never ends to compile.
const HANGS: &str = "conv_loops()";

/// A rank's end of channels between all ranks.
struct Wire {
    own: usize,
    to: Vec<Sender<(usize, Vec<u8>)>>,
    from: Receiver<(usize, Vec<u8>)>,
    cut: Arc<AtomicBool>,
}

fn wires(ranks: usize, cut: &Arc<AtomicBool>) -> Vec<Wire> {
    let (to, from): (Vec<_>, Vec<_>) = (0..ranks).map(|_| channel()).unzip();
    let wire = |(own, from)| Wire { own, to: to.clone(), from, cut: cut.clone() };
    from.into_iter().enumerate().map(wire).collect()
}

impl Wire {
    fn whole(&self) -> io::Result<()> {
        if self.cut.load(Ordering::SeqCst) { Err(io::ErrorKind::BrokenPipe.into()) } else { Ok(()) }
    }
}

impl Transport for Wire {
    fn place(&self) -> Place {
        Place { ranks: self.to.len(), host: format!("host{}", self.own), of: 1, index: 0 }
    }

    fn send(&mut self, to: usize, line: &[u8]) -> io::Result<()> {
        self.whole()?;
        self.to[to].send((self.own, line.to_vec())).map_err(io::Error::other)
    }

    fn receive(&mut self) -> io::Result<Option<(usize, Vec<u8>)>> {
        self.whole()?;
        Ok(self.from.try_recv().ok())
    }
}

fn setting(processors: usize) -> Setting {
    Setting {
        isa: "x86-64-v2".into(),
        threads: 1,
        backend: "cranelift".into(),
        revision: "0".into(),
        machine: format!("A; 1/2/3; {processors} processors; fma"),
    }
}

fn options(folder: &TempDir, faults: &str) -> PoolOptions {
    let mut options = PoolOptions::new(Path::new(env!("CARGO_BIN_EXE_cnnc-compile")));
    options.environment = vec![(PLANT.into(), faults.into())];
    options.folder = Some(folder.path().to_path_buf());
    options.compilers = 1;
    options.compile_when_idle = false;
    options
}

fn job(candidate: &str) -> CompileJob {
    CompileJob {
        layer: LAYER.into(),
        input: "plain".into(),
        output: "plain".into(),
        candidate: candidate.into(),
        isa: "x86-64-v2".into(),
        backend: "cranelift".into(),
        threads: 1,
    }
}

fn next(pool: &Pool) -> Event {
    pool.next_event(Duration::from_secs(120)).expect("an event")
}

fn compile(pool: &mut Pool, candidate: &str) -> Result<Arc<ArtifactFile>, Outcome> {
    let ticket = pool.submit_compile(job(candidate));
    let event = next(pool);
    assert_eq!(event.ticket, ticket);
    match event.end {
        End::Compiled(_, artifact) => Ok(artifact),
        End::Failed(outcome) => Err(outcome),
        end => panic!("{end:?}"),
    }
}

fn measure(
    pool: &mut Pool,
    artifact: &Arc<ArtifactFile>,
    incumbent: Option<&Arc<ArtifactFile>>,
) -> Result<Measured, Outcome> {
    let (artifact, incumbent) = (artifact.clone(), incumbent.cloned());
    let job = MeasureJob { artifact, incumbent, threads: 1, seconds: 0.001, stop_above: None, max_error: 1e-4 };
    let ticket = pool.submit_measure(job);
    let event = next(pool);
    assert_eq!(event.ticket, ticket);
    match event.end {
        End::Measured(measured) => Ok(measured),
        End::Failed(outcome) => Err(outcome),
        end => panic!("{end:?}"),
    }
}

/// A pool whose own process that compiles is busy for good, so that another rank compiles.
struct Far {
    pool: Pool,
    post: Post,
    rank: JoinHandle<io::Result<()>>,
    folders: [TempDir; 2],
    cut: Arc<AtomicBool>,
}

impl Far {
    /// With faults of the other rank's processes; and what the own one had compiled before.
    fn new(faults: &str) -> (Far, Arc<ArtifactFile>) {
        let (folders, cut) = ([0; 2].map(|_| tempfile::tempdir().unwrap()), Arc::new(AtomicBool::new(false)));
        let mut wires = wires(2, &cut);
        let (mut wire, first) = (wires.pop().unwrap(), wires.pop().unwrap());
        let mut theirs = options(&folders[1], faults);
        theirs.measure = Limits { soft: Duration::ZERO, hard: Duration::from_secs(4) };
        let able = Able { setting: setting(2), compilers: 1, alone: false, crowded: false };
        let rank = std::thread::spawn(move || attend(&mut wire, Ok((able, theirs))));
        let mut own = options(&folders[0], "compile:loop:loops");
        own.compile = Limits { soft: Duration::from_secs(600), hard: Duration::from_secs(600) };
        let mut pool = Pool::new(own).unwrap();
        let near = compile(&mut pool, FIRST).unwrap();
        let busy = pool.submit_compile(job(HANGS));
        while pool.compiling().running == 0 {
            std::thread::yield_now();
        }
        let mut post = Post::start(|| Ok(first)).unwrap();
        let crew = post.crew(&setting(2), Duration::from_secs(60));
        assert_eq!((crew.ranks.len(), crew.refused.len(), crew.absent), (1, 0, 0));
        pool.enlist(&crew.ranks[0]).unwrap();
        assert_eq!((busy, pool.measurers()), (2, 2));
        (Far { pool, post, rank, folders, cut }, near)
    }

    /// Ends all: the other rank as it says, and nothing is left.
    fn end(self) -> io::Result<()> {
        drop((self.pool, self.post));
        let ended = self.rank.join().unwrap();
        let left = self.folders.iter().map(|folder| std::fs::read_dir(folder.path()).unwrap().count());
        assert_eq!(left.sum::<usize>(), 0);
        ended
    }

    /// Candidates compiled and measured by the other rank.
    fn done_there(&self) -> (usize, usize) {
        let (_, mut others) = self.pool.tallies();
        let (rank, tally) = others.next().unwrap();
        assert_eq!((rank.number(), rank.host()), (1, "host1"));
        (tally.compiled(), tally.measured())
    }
}

fn artifacts(folder: &TempDir) -> usize {
    let pools = std::fs::read_dir(folder.path()).unwrap();
    let workers = pools.flat_map(|pool| std::fs::read_dir(pool.unwrap().path()).unwrap());
    let files = workers.filter_map(|worker| std::fs::read_dir(worker.unwrap().path()).ok()).flatten();
    files.filter(|file| file.as_ref().unwrap().path().extension().is_some_and(|e| e == "cnna")).count()
}

#[test]
fn another_rank_measures_what_it_has_compiled() {
    let (mut far, near) = Far::new("");
    let artifact = compile(&mut far.pool, OTHER).unwrap();
    assert!(artifact.path().is_none(), "it is there, not here");
    assert!(near.path().is_some_and(Path::is_file));
    assert_eq!((far.done_there(), artifacts(&far.folders[1])), ((1, 0), 1));
    let measured = measure(&mut far.pool, &artifact, Some(&near)).unwrap();
    assert_eq!(measured.outcome(), Outcome::Timed);
    assert_eq!(measured.samples.incumbent.len(), measured.samples.cold.len());
    assert_eq!((far.done_there(), artifacts(&far.folders[1])), ((1, 1), 2), "what it lacks it compiles");
    assert_eq!(measure(&mut far.pool, &near, None).unwrap().outcome(), Outcome::Timed);

    drop((artifact, near));
    let deadline = Instant::now() + Duration::from_secs(60);
    while artifacts(&far.folders[1]) > 0 && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(artifacts(&far.folders[1]), 0, "what nobody needs is removed everywhere");
    far.end().unwrap();
}

#[test]
fn failures_of_another_rank_cost_one_candidate_each() {
    let (mut far, _) = Far::new("compile:abort:mr=3;measure:loop:mr=2;compile:segv:mr=5");
    let crash = compile(&mut far.pool, "direct_plain(mr=3, nv=1, run=1)").unwrap_err();
    assert_eq!(crash, Outcome::Crashed("SIGABRT".into()));
    let illegal = compile(&mut far.pool, "direct_plain(mr=4)").unwrap_err();
    assert!(matches!(illegal, Outcome::NotCompiled(why) if why.contains("is not legal here")));
    let artifact = compile(&mut far.pool, OTHER).unwrap();
    assert_eq!(measure(&mut far.pool, &artifact, None).unwrap_err(), Outcome::TimedOut);
    let artifact = compile(&mut far.pool, FIRST).unwrap();
    assert_eq!(measure(&mut far.pool, &artifact, None).unwrap().outcome(), Outcome::Timed);
    assert_eq!(far.done_there(), (2, 1));
    far.end().unwrap();
}

#[test]
fn what_a_lost_rank_has_others_do() {
    let (mut far, near) = Far::new("measure:loop:mr=2");
    let artifact = compile(&mut far.pool, OTHER).unwrap();
    let job =
        MeasureJob { artifact, incumbent: Some(near), threads: 1, seconds: 0.001, stop_above: None, max_error: 1e-4 };
    let ticket = far.pool.submit_measure(job.clone());
    while far.pool.measuring().running == 0 {
        std::thread::yield_now();
    }
    far.cut.store(true, Ordering::SeqCst);
    let event = next(&far.pool);
    assert!(event.ticket == ticket && matches!(event.end, End::Measured(_)), "{event:?}");
    assert_eq!((far.done_there(), far.pool.measurers()), ((1, 0), 1));
    assert!(job.artifact.path().is_some(), "compiled here, to be measured here");
    drop(job);
    assert!(far.end().is_err(), "the first rank is gone, as the other one sees it");
}

#[test]
fn ranks_of_another_kind_are_refused() {
    let cut = Arc::new(AtomicBool::new(false));
    let folder = tempfile::tempdir().unwrap();
    let mut wires = wires(4, &cut).into_iter();
    let first = wires.next().unwrap();
    let able = |processors| Able { setting: setting(processors), compilers: 1, alone: false, crowded: false };
    let [equal, larger] = [2, 4].map(|processors| Ok((able(processors), options(&folder, ""))));
    let ranks: Vec<_> = [equal, larger, Err("no LLVM here".to_string())]
        .into_iter()
        .zip(wires)
        .map(|(prepared, mut wire)| std::thread::spawn(move || attend(&mut wire, prepared)))
        .collect();
    let mut post = Post::start(|| Ok(first)).unwrap();
    let mut crew = post.crew(&setting(2), Duration::from_secs(60));
    crew.refused.sort_by_key(|refused| refused.number);
    assert_eq!(crew.ranks.iter().map(|rank| rank.number()).collect::<Vec<_>>(), [1]);
    let whys: Vec<&str> = crew.refused.iter().map(|refused| &*refused.why).collect();
    assert_eq!(whys, ["number of processors is 4 processors there, 2 processors here", "no LLVM here"]);
    assert_eq!(crew.absent, 0);
    drop(post);
    ranks.into_iter().for_each(|rank| rank.join().unwrap().unwrap());
}
