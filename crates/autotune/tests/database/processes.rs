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

/// Session and index of all trials that the child has said are there.
fn acknowledged(child: &mut Child) -> Vec<(String, u64)> {
    let lines = BufReader::new(child.stdout.take().unwrap()).split(b'\n').map_while(Result::ok);
    let lines = lines.filter_map(|line| String::from_utf8(line).ok());
    let pairs = lines.filter_map(|line| {
        let (session, index) = line.strip_prefix(ACKNOWLEDGED)?.split_once(' ')?;
        // The last line may be cut.
        index.parse().ok().map(|index| (session.to_string(), index))
    });
    pairs.collect()
}

#[test]
fn a_killed_process_loses_the_running_trial_at_most() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tuning.db");
    let mut all = 0;
    for round in 0..20u64 {
        let mut child = appending(&path, u64::MAX);
        let pid = child.id();
        let killer = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_micros(20_000 + round * round * 937 % 180_000));
            Command::new("kill").args(["-9", &pid.to_string()]).status().unwrap()
        });
        let said = acknowledged(&mut child);
        assert!(killer.join().unwrap().success() && !child.wait().unwrap().success());
        all += said.len();
        if !path.exists() {
            continue;
        }
        let database = Database::open_or_create(&path).unwrap();
        database.check().unwrap();
        if let Some((session, last)) = said.last() {
            let log = database.session_log(session).unwrap();
            assert!(log.len() as u64 > *last && log.len() as u64 <= last + 3, "{} of {last}", log.len());
            for (k, record) in log.iter().enumerate() {
                assert_eq!((record.index, &record.trial.samples.cold), (k as u64, &vec![k as f64; 50]));
            }
        }
    }
    assert!(all > 100, "{all} trials: the processes were killed before they began");
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
        assert_eq!(acknowledged(child).len(), 60);
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
