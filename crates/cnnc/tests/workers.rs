//! The autotuner's worker processes: what they answer, and that each way to fail costs one candidate.
#![allow(clippy::unwrap_used)]

use cnnc_autotune::Outcome;
use cnnc_autotune::worker::{
    CompileJob, Compiled, End, Event, Limits, MeasureJob, Measured, PLANT, Pool, PoolOptions, Queue,
};
use serde_json::Value;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const LAYER: &str = "conv 1x16x10x10 24x16x3x3 pad=1 tail=bias+relu";
const PROGRAM: &str = env!("CARGO_BIN_EXE_cnnc-compile");

/// A pool whose workers have planted faults, in a folder of its own.
struct Planted {
    pool: Pool,
    folder: tempfile::TempDir,
}

impl Planted {
    fn new(faults: &str, change: impl FnOnce(&mut PoolOptions)) -> Planted {
        let folder = tempfile::tempdir().unwrap();
        let mut options = PoolOptions::new(Path::new(PROGRAM));
        options.environment = vec![(PLANT.into(), faults.into())];
        options.folder = Some(folder.path().to_path_buf());
        options.compilers = 1;
        options.compile_when_idle = false;
        change(&mut options);
        Planted { pool: Pool::new(options).unwrap(), folder }
    }

    fn next(&self) -> Event {
        self.pool.next_event(Duration::from_secs(120)).expect("an event")
    }

    /// Compiles a candidate, with nothing else in the queue.
    fn compile(&mut self, candidate: &str) -> Event {
        let ticket = self.pool.submit_compile(compile_job(candidate));
        let event = self.next();
        assert_eq!(event.ticket, ticket);
        event
    }

    /// Compiles and measures a candidate.
    fn measure(&mut self, candidate: &str, change: impl FnOnce(&mut MeasureJob)) -> Event {
        let End::Compiled(_, artifact) = self.compile(candidate).end else { panic!("{candidate} does not compile") };
        let mut job =
            MeasureJob { artifact, incumbent: None, threads: 1, seconds: 0.001, stop_above: None, max_error: 1e-4 };
        change(&mut job);
        let ticket = self.pool.submit_measure(job);
        let event = self.next();
        assert_eq!(event.ticket, ticket);
        event
    }
}

fn compile_job(candidate: &str) -> CompileJob {
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

fn compiled(event: Event) -> Compiled {
    match event.end {
        End::Compiled(compiled, file) => {
            assert!(file.path().is_some_and(Path::is_file));
            compiled
        }
        end => panic!("{end:?}"),
    }
}

fn measured(event: Event) -> Measured {
    match event.end {
        End::Measured(measured) => measured,
        end => panic!("{end:?}"),
    }
}

fn failed(event: Event) -> Outcome {
    match event.end {
        End::Failed(outcome) => outcome,
        end => panic!("{end:?}"),
    }
}

/// Candidates of the layer in plain layouts.
const DIRECT: &str = "direct_plain(mr=4, nv=1, run=1)";
const LOOPS: &str = "conv_loops()";

#[test]
fn candidates_are_compiled_checked_and_timed() {
    let mut workers = Planted::new("", |_| {});
    let direct = compiled(workers.compile(DIRECT));
    assert!(direct.code.len() == 32 && direct.code_bytes > 100 && direct.seconds > 0.0, "{direct:?}");
    assert!(direct.packed >= 24 * 16 * 9 * 4 && (1e-9..1e-5).contains(&direct.error), "{direct:?}");
    assert_eq!(compiled(workers.compile(DIRECT)).code, direct.code);
    assert_ne!(compiled(workers.compile(LOOPS)).code, direct.code);
    let Outcome::NotCompiled(why) = failed(workers.compile("direct_plain(mr=4)")) else { panic!() };
    assert!(why.contains("is not legal here"), "{why}");
    let timed = measured(workers.measure(DIRECT, |_| {}));
    assert_eq!(timed.outcome(), Outcome::Timed);
    assert!(timed.error > 0.0 && timed.error < 1e-5, "{timed:?}");
    assert!(timed.samples.cold.len() >= 3 && timed.samples.warm.len() >= 3 && timed.samples.incumbent.is_empty());
    assert_eq!(measured(workers.measure(DIRECT, |job| job.max_error = 0.0)).outcome(), Outcome::Wrong);
    assert_eq!((workers.pool.compiling(), workers.pool.measuring()), (Queue::default(), Queue::default()));
}

#[test]
fn a_slow_candidate_is_given_up_against_the_incumbent() {
    let mut workers = Planted::new("", |_| {});
    let End::Compiled(_, incumbent) = workers.compile(DIRECT).end else { panic!() };
    let even = measured(workers.measure(DIRECT, |job| {
        job.incumbent = Some(incumbent.clone());
        job.stop_above = Some(1000.0);
    }));
    assert_eq!((even.stopped, even.samples.incumbent.len()), (false, even.samples.cold.len()));
    let behind = measured(workers.measure(LOOPS, |job| {
        job.incumbent = Some(incumbent);
        job.stop_above = Some(1e-3);
    }));
    assert_eq!(behind.outcome(), Outcome::StoppedEarly);
    assert!(behind.samples.cold.len() <= 2, "{behind:?}");
}

#[test]
fn a_crash_costs_one_candidate() {
    let faults = "compile:abort:mr=3;compile:segv:mr=5;measure:segv:loops;measure:wrong:mr=2";
    let mut workers = Planted::new(faults, |_| {});
    for (candidate, signal) in [("mr=3", "SIGABRT"), ("mr=5", "SIGSEGV")] {
        let candidate = format!("direct_plain({candidate}, nv=1, run=1)");
        assert_eq!(failed(workers.compile(&candidate)), Outcome::Crashed(signal.into()));
        compiled(workers.compile(DIRECT));
    }
    assert_eq!(failed(workers.measure(LOOPS, |_| {})), Outcome::Crashed("SIGSEGV".into()));
    let wrong = measured(workers.measure("direct_plain(mr=2, nv=1, run=1)", |_| {}));
    assert_eq!(wrong.outcome(), Outcome::Wrong);
    assert!(wrong.error > 0.1 && wrong.samples.cold.is_empty(), "{wrong:?}");
    assert_eq!(measured(workers.measure(DIRECT, |_| {})).outcome(), Outcome::Timed);
}

#[test]
fn what_never_ends_is_killed() {
    let mut workers = Planted::new("compile:loop:mr=3;measure:loop:loops", |options| {
        options.compile = Limits { soft: Duration::ZERO, hard: Duration::from_secs(4) };
        options.measure = options.compile;
    });
    let start = Instant::now();
    let event = workers.compile("direct_plain(mr=3, nv=1, run=1)");
    assert!(event.slow && (4.0..30.0).contains(&event.seconds), "{event:?}");
    assert_eq!(failed(event), Outcome::TimedOut);
    let event = workers.compile(DIRECT);
    assert!(event.slow, "noted, and waited for");
    compiled(event);
    assert_eq!(failed(workers.measure(LOOPS, |_| {})), Outcome::TimedOut);
    assert_eq!(measured(workers.measure(DIRECT, |_| {})).outcome(), Outcome::Timed);
    assert!(start.elapsed() < Duration::from_secs(60));
}

/// A program that takes requests and answers as a line of shell says. A shell writes it: what this process, or one that
/// it forks meanwhile, has open for writing cannot be started.
#[cfg(unix)]
fn script(folder: &Path, answer: &str) -> std::path::PathBuf {
    let path = folder.join("worker.sh");
    let mut shell = Command::new("sh");
    shell.args(["-c", "printf '%s' \"$TEXT\" > \"$FILE\" && chmod +x \"$FILE\""]);
    shell.env("TEXT", format!("#!/bin/sh\nwhile read -r request; do {answer}; done\n")).env("FILE", &path);
    assert!(shell.status().unwrap().success());
    path
}

#[test]
#[cfg(unix)]
fn a_worker_that_talks_nonsense_or_leaves_is_replaced() {
    let measured = r#"{"measured":{"error":0,"wrong":false,"stopped":false,"samples":{"warm":[],"cold":[],"incumbent":[]},"spent":{"load":0,"check":0,"timing":0}}}"#;
    for (answer, outcome) in [
        ("echo nonsense".to_string(), Outcome::Crashed("broken answer".into())),
        (format!("echo '{measured}'"), Outcome::Crashed("broken answer".into())),
        ("printf half; exit 0".into(), Outcome::Crashed("exit code 0".into())),
        ("echo sorry >&2; exit 3".into(), Outcome::Crashed("exit code 3".into())),
        ("echo LLVM ERROR: out of memory >&2; kill -ABRT $$".into(), Outcome::OutOfMemory),
        ("kill -KILL $$".into(), Outcome::OutOfMemory),
    ] {
        let scripts = tempfile::tempdir().unwrap();
        let program = script(scripts.path(), &answer);
        let mut workers = Planted::new("", |options| options.program = program);
        for _ in 0..2 {
            let event = workers.compile(LOOPS);
            assert!(!answer.contains("sorry") || event.said == "sorry", "{event:?}");
            assert_eq!(failed(event), outcome, "{answer}");
        }
    }
}

#[test]
#[cfg(unix)]
fn a_worker_that_dies_with_nothing_to_do_costs_nothing() {
    let scripts = tempfile::tempdir().unwrap();
    let failure = r#"{"failed":{"out_of_memory":false,"what":"answered"}}"#;
    let program = script(scripts.path(), &format!("echo '{failure}'; exit 0"));
    let mut workers = Planted::new("", |options| options.program = program);
    for _ in 0..3 {
        assert_eq!(failed(workers.compile(LOOPS)), Outcome::NotCompiled("answered".into()));
        // Until the process is gone.
        std::thread::sleep(Duration::from_millis(200));
    }
}

#[test]
#[cfg(target_os = "linux")]
fn who_measures_compiles_while_nothing_is_to_be_measured() {
    let shared = |options: &mut PoolOptions| {
        options.compile_when_idle = true;
        options.cores = vec![options.cores[0]; 2];
        options.compile.hard = Duration::from_secs(8);
    };
    let mut workers = Planted::new("compile:loop:mr=3", shared);
    let hanging = workers.pool.submit_compile(compile_job("direct_plain(mr=3, nv=1, run=1)"));
    // The first to come takes the candidate that hangs; where that is who measures, nobody does in the meantime.
    compiled(workers.compile(DIRECT));
    let End::Compiled(_, artifact) = workers.compile(LOOPS).end else { panic!("it does not compile") };
    assert_eq!(workers.pool.compiling(), Queue { waiting: 0, running: 1 });
    let job = MeasureJob { artifact, incumbent: None, threads: 1, seconds: 0.001, stop_above: None, max_error: 1e-4 };
    let ticket = workers.pool.submit_measure(job);
    let ends: Vec<Event> = (0..2).map(|_| workers.next()).collect();
    let of = |ticket| ends.iter().find(|event| event.ticket == ticket).map(|event| &event.end);
    assert!(matches!(of(hanging), Some(End::Failed(Outcome::TimedOut))), "{ends:?}");
    assert!(matches!(of(ticket), Some(End::Measured(_))), "{ends:?}");

    let mut workers = Planted::new("compile:loop:mr=3", |options| options.cores = vec![options.cores[0]; 2]);
    workers.pool.submit_compile(compile_job("direct_plain(mr=3, nv=1, run=1)"));
    workers.pool.submit_compile(compile_job(DIRECT));
    assert!(workers.pool.next_event(Duration::from_millis(500)).is_none(), "it is not to compile here");
}

#[test]
#[cfg(target_os = "linux")]
fn hunger_for_memory_is_told_from_a_crash() {
    let mut workers = Planted::new("compile:memory:mr=3;measure:memory:loops", |options| {
        options.memory = Some(512 << 20);
    });
    assert_eq!(failed(workers.compile("direct_plain(mr=3, nv=1, run=1)")), Outcome::OutOfMemory);
    assert_eq!(failed(workers.measure(LOOPS, |_| {})), Outcome::OutOfMemory);
    assert_eq!(measured(workers.measure(DIRECT, |_| {})).outcome(), Outcome::Timed);
}

#[test]
#[cfg(target_os = "linux")]
fn nothing_is_left_when_a_pool_is_dropped() {
    let mut workers = Planted::new("compile:loop:mr=3", |options| options.compilers = 2);
    for candidate in ["direct_plain(mr=3, nv=1, run=1)", "direct_plain(mr=3, nv=2, run=1)", DIRECT, LOOPS] {
        workers.pool.submit_compile(compile_job(candidate));
    }
    let children = || {
        let mine = |entry: std::io::Result<std::fs::DirEntry>| {
            let stat = std::fs::read_to_string(entry.ok()?.path().join("stat")).ok()?;
            let marked = stat.contains("(cnnc-compile)");
            let parent = stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse::<u32>().ok()?;
            (marked && parent == std::process::id()).then(|| stat.split(' ').next().unwrap().to_string())
        };
        std::fs::read_dir("/proc").unwrap().filter_map(mine).collect::<Vec<_>>()
    };
    let arguments = |pid: &str| std::fs::read_to_string(format!("/proc/{pid}/environ")).unwrap_or_default();
    let here = |pid: &String| arguments(pid).contains("compile:loop:mr=3\0");
    let deadline = Instant::now() + Duration::from_secs(60);
    let mut seen = vec![];
    while seen.len() < 2 && Instant::now() < deadline {
        seen = children().into_iter().filter(here).collect();
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(seen.len(), 2, "both compile");
    assert_eq!(workers.pool.compiling(), Queue { waiting: 2, running: 2 });
    let Planted { pool, folder } = workers;
    let start = Instant::now();
    drop(pool);
    assert!(start.elapsed() < Duration::from_secs(10), "nobody is waited for");
    let left = children();
    assert!(seen.iter().all(|pid| !left.contains(pid)), "no process, and no zombie");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "no file");
}

#[test]
fn a_worker_answers_line_by_line() {
    let mut worker = Command::new(PROGRAM).arg("worker").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    worker.stdin.take().unwrap().write_all(b"what\n{\"compile\":1}\n\n{}\n").unwrap();
    let output = worker.wait_with_output().unwrap();
    assert!(output.status.success());
    let answers: Vec<Value> =
        output.stdout.split(|&b| b == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect();
    assert_eq!(answers.len(), 3);
    assert!(answers.iter().all(|a| a["failed"]["what"].as_str().unwrap().starts_with("no request: ")), "{answers:?}");
}
