//! Several processes at one file, and processes that are killed.
//!
//! The other processes are this test program again, told by its environment what to do.

use super::*;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const FILE: &str = "CNNC_TEST_DATABASE";
const COUNT: &str = "CNNC_TEST_TRIALS";

/// What the child says when a trial is in the database, before session and index.
const ACKNOWLEDGED: &str = "acknowledged ";

/// Not a test of its own: appends trials where the environment says so.
#[test]
fn child() {
    let Some(path) = std::env::var_os(FILE) else { return };
    let count: u64 = std::env::var(COUNT).unwrap().parse().unwrap();
    let database = Database::open_or_create(Path::new(&path)).unwrap();
    let mut session = database.begin_session(1, "child").unwrap();
    let mut out = std::io::stdout();
    for k in 0..count {
        let trial = timed(&format!("direct(mr={k})"), &[k as f64; 50]);
        let index = database.append(&mut session, &setting("a", "machine"), &trial).unwrap();
        out.write_all(format!("\n{ACKNOWLEDGED}{} {index}\n", session.id()).as_bytes()).unwrap();
        out.flush().unwrap();
    }
    database.end_session(session).unwrap();
}

fn appending(path: &Path, count: u64) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "processes::child", "--nocapture", "--test-threads=1"]);
    command.env(FILE, path).env(COUNT, count.to_string());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap()
}

/// Session and index of the trials that the child says are there, as it says so.
fn acknowledged(child: &mut Child) -> impl Iterator<Item = (String, u64)> + use<> {
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    lines.filter_map(|line| {
        let (session, index) = line.strip_prefix(ACKNOWLEDGED)?.split_once(' ')?;
        Some((session.to_string(), index.parse().unwrap()))
    })
}

/// Kills a child that appends after it has said so many trials are there and a while more; returns what it said.
fn kill_after(path: &Path, trials: usize, pause: Duration) -> Vec<(String, u64)> {
    let mut child = appending(path, u64::MAX);
    let mut lines = acknowledged(&mut child);
    let mut said: Vec<_> = lines.by_ref().take(trials).collect();
    std::thread::sleep(pause);
    child.kill().unwrap();
    said.extend(lines);
    assert!(!child.wait().unwrap().success());
    said
}

#[test]
fn a_killed_process_loses_the_running_trial_at_most() {
    let folder = tempfile::tempdir().unwrap();
    for round in 0..30 {
        // Ten are killed while they make the file or open it, twenty while they append to what the others have left.
        let starting = round < 10;
        let path = folder.path().join(if starting { format!("{round}.db") } else { "tuning.db".into() });
        let (trials, pause) = if starting { (0, round * 3_000) } else { (round * 7 % 50 + 1, round * 937 % 2_500) };
        let said = kill_after(&path, trials, Duration::from_micros(pause as u64));
        assert!(said.len() >= trials);
        let database = Database::open_or_create(&path).unwrap();
        database.check().unwrap();
        let Some((session, last)) = said.last() else { continue };
        let log = database.session_log(session).unwrap();
        assert!((last + 1..=last + 2).contains(&(log.len() as u64)), "{} trials, {last} was there", log.len());
        for (k, record) in log.iter().enumerate() {
            assert_eq!((record.index, &record.trial.samples.cold), (k as u64, &vec![k as f64; 50]));
        }
    }
}

#[test]
fn processes_append_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tuning.db");
    let mut children: Vec<Child> = (0..3).map(|_| appending(&path, 60)).collect();
    let reader = std::thread::spawn({
        let path = path.clone();
        move || {
            for _ in 0..20 {
                let database = Database::open_or_create(&path).unwrap();
                database.trials(&setting("a", "machine"), &workload()).unwrap();
                std::thread::sleep(Duration::from_millis(5));
            }
        }
    });
    for child in &mut children {
        assert_eq!(acknowledged(child).count(), 60);
        assert!(child.wait().unwrap().success());
    }
    reader.join().unwrap();
    let database = Database::open(&path).unwrap();
    database.check().unwrap();
    assert_eq!(database.trials(&setting("a", "machine"), &workload()).unwrap().len(), 180);
    for session in database.sessions().unwrap() {
        assert!(session.ended.is_some());
        let log = database.session_log(&session.id).unwrap();
        assert!(log.iter().map(|record| record.index).eq(0..60));
    }
}
