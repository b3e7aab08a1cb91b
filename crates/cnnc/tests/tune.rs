//! `cnnc tune` and what becomes of it: locks, the database, replay; runs that are interrupted and killed.
#![allow(clippy::unwrap_used)]

mod support;

use serde_json::Value;
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
#[cfg(not(feature = "mpi"))]
use support::said;
use support::{Folder, convolutions};

/// The events of a run, by their names.
fn events(text: &str, name: &str) -> Vec<Value> {
    let events = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    events.filter(|event| event["event"] == name).collect()
}

/// Tests that measure take turns: together they would have a fraction of a core each.
fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

fn tuned(budget: &str) -> (Folder, String) {
    let folder = Folder::new();
    folder.write("net.onnx", &convolutions());
    let out = folder.ok(&format!("tune net.onnx --budget {budget} --threads 1 --json"));
    (folder, out)
}

/// Who has chosen the candidates of the convolutions.
fn choosers(folder: &Folder, artifact: &str) -> Vec<String> {
    let report: Value = serde_json::from_str(&folder.ok(&format!("inspect {artifact} --json"))).unwrap();
    let layers = report["variants"][0]["layers"].as_array().unwrap();
    let convolutions = layers.iter().filter(|layer| layer["op"] == "conv");
    convolutions.map(|layer| layer["chosen_by"].as_str().unwrap_or("estimate").to_string()).collect()
}

#[test]
fn a_lock_is_made_obeyed_and_replayed() {
    let _turn = turn();
    let (folder, out) = tuned("20s");
    let summary = &events(&out, "tuned")[0];
    assert!(summary["timed"].as_u64().unwrap() > 20 && summary["compared"].as_u64().unwrap() > 0, "{summary}");
    assert_eq!(summary["failed"], 0, "{summary}");
    let network = &events(&out, "network")[0];
    assert!(network["untuned_ms"].as_f64().unwrap() > 0.0 && network["layers"] == 2, "{network}");
    assert_eq!(network["gap"]["layers"].as_array().unwrap().len(), 2);
    // The last to be told is how long the end of the run takes, network by network.
    let standings = events(&out, "standing");
    let last = standings.last().unwrap();
    assert_eq!(last["at"], "net", "{last}");
    assert!(last["left_s"].as_u64().unwrap() <= standings[0]["left_s"].as_u64().unwrap().min(10), "{last}");

    let lock = std::fs::read_to_string(folder.path("net.lock")).unwrap();
    assert_eq!(lock.lines().filter(|line| line.starts_with("conv ")).count(), 2, "{lock}");
    folder.ok("tune net.onnx --threads 1 --replay last -o replayed.lock");
    assert_eq!(std::fs::read_to_string(folder.path("replayed.lock")).unwrap(), lock);
    let other = folder.cnnc("tune net.onnx --threads 1 --replay nobody -o nothing.lock");
    assert_eq!((other.code, folder.path("nothing.lock").exists()), (2, false), "{other:?}");

    for artifact in ["a.cnna", "b.cnna"] {
        folder.ok(&format!("compile net.onnx --threads 1 --lock net.lock --locked -o {artifact}"));
    }
    assert!(std::fs::read(folder.path("a.cnna")).unwrap() == std::fs::read(folder.path("b.cnna")).unwrap());
    assert_eq!(choosers(&folder, "a.cnna"), ["lock", "lock"]);
    folder.ok("compile net.onnx --threads 1 -o c.cnna");
    assert_eq!(choosers(&folder, "c.cnna"), ["database", "database"]);
    folder.ok("compile net.onnx --threads 1 --db none -o d.cnna");
    assert_eq!(choosers(&folder, "d.cnna"), ["estimate", "estimate"]);
    folder.ok("compile net.onnx --threads 2 -o e.cnna");
    assert_eq!(choosers(&folder, "e.cnna"), ["estimate", "estimate"], "nothing was measured for two threads");

    let front = &events(&out, "front")[0]["points"];
    let (fastest, smallest) = (&front[0], front.as_array().unwrap().last().unwrap());
    let size = smallest["bytes"].as_u64().unwrap();
    assert!(size > 0 && size <= fastest["bytes"].as_u64().unwrap(), "{front}");
    let small = folder.ok(&format!("tune net.onnx --budget 0s --max-memory {size} --threads 1 -o small.lock --json"));
    assert_eq!(events(&small, "tuned")[0]["timed"], 0, "{small}");
    folder.ok("tune net.onnx --threads 1 --replay last -o small_again.lock --json");
    let [small, again] = ["small.lock", "small_again.lock"].map(|name| std::fs::read(folder.path(name)).unwrap());
    assert!(small == again);
    folder.ok("compile net.onnx --threads 1 --lock small.lock --locked -o small.cnna");
    let refused = folder.cnnc(&format!("tune net.onnx --budget 0s --max-memory {} --threads 1 -o none.lock", size - 1));
    assert!(refused.code == 2 && refused.err.contains("at least") && !folder.path("none.lock").exists(), "{refused:?}");

    let again = folder.ok("tune net.onnx --budget 3s --threads 1 --json");
    assert!(events(&again, "begin")[0]["known_trials"].as_u64().unwrap() > 20, "{again}");
}

#[test]
fn locks_that_do_not_fit_are_named() {
    let _turn = turn();
    let (folder, _) = tuned("8s");
    let lock = std::fs::read_to_string(folder.path("net.lock")).unwrap();
    folder.write("moved.lock", lock.replace(" processors;", "00 processors;").as_bytes());
    let moved = folder.cnnc("compile net.onnx --threads 1 --lock moved.lock");
    assert!(
        moved.code == 0 && moved.err.contains("moved.lock was made elsewhere: number of processors is"),
        "{moved:?}"
    );

    let kept: Vec<&str> = lock.lines().filter(|line| !line.contains("48x32x1x1")).collect();
    folder.write("short.lock", kept.join("\n").as_bytes());
    folder.ok("compile net.onnx --threads 1 --lock short.lock -o short.cnna");
    assert_eq!(choosers(&folder, "short.cnna"), ["lock", "estimate"]);
    let refused = folder.cnnc("compile net.onnx --threads 1 --lock short.lock --locked -o refused.cnna");
    assert!(refused.code == 2 && refused.err.contains("conv 1x32x14x14 48x32x1x1"), "{refused:?}");
    assert!(!folder.path("refused.cnna").exists());
    let other = folder.cnnc("compile net.onnx --threads 2 --lock net.lock");
    assert!(other.code == 2 && other.err.contains("no choices for these threads"), "{other:?}");
    folder.write("bad.lock", b"# cnnc lock 1\nnonsense\n");
    let bad = folder.cnnc("compile net.onnx --threads 1 --lock bad.lock");
    assert!(bad.code == 2 && bad.err.contains("bad.lock: line 2"), "{bad:?}");
    folder.write("bad.db", b"this is no database, and never was one");
    let warned = folder.cnnc("compile net.onnx --threads 1 --db bad.db");
    assert!(warned.code == 0 && warned.err.contains("warning: choosing by estimate: "), "{warned:?}");
}

#[test]
fn what_cannot_be_done_is_said_before_the_time_is_spent() {
    let folder = Folder::new();
    folder.write("net.onnx", &convolutions());
    folder.write("precious.txt", b"no lock at all");
    for (args, message) in [
        ("net.onnx -o nowhere/net.lock", "there is no folder nowhere"),
        ("net.onnx -o precious.txt", "line 1: a lock file begins with"),
        ("net.onnx --target x86-64-v2,x86-64-v3", "one instruction set"),
        ("net.onnx --db none", "say where with --db FILE"),
        ("none.onnx", "none.onnx"),
        ("net.onnx --budget 5", "a budget is a time"),
        ("net.onnx --max-memory 1 --budget 0s", "--max-memory"),
    ] {
        let said = folder.cnnc(&format!("tune {args}"));
        assert!(said.code == 2 && said.err.contains(message), "{args}: {said:?}");
    }
    assert_eq!(std::fs::read(folder.path("precious.txt")).unwrap(), b"no lock at all");
}

/// Several ranks would all tune the same, and write the same lock.
#[test]
#[cfg(not(feature = "mpi"))]
fn without_mpi_several_ranks_are_refused_once() {
    let folder = Folder::new();
    folder.write("layers.txt", b"matmul 1x8 8x16\n");
    for (rank, message) in [("0", "error: this cnnc was built without MPI and was started as 3 ranks: "), ("2", "")] {
        let mut command = folder.command("tune layers.txt --budget 2s --threads 1");
        command.env("OMPI_COMM_WORLD_RANK", rank).env("OMPI_COMM_WORLD_SIZE", "3");
        let said = said(command);
        assert!(said.code == 2 && said.out.is_empty() && said.err.starts_with(message), "{said:?}");
        assert_eq!(said.err.lines().count(), usize::from(rank == "0"), "{said:?}");
    }
    assert_eq!(folder.names(), ["layers.txt"]);
}

/// Two threads take all processors of a small machine: nothing is compiled while they measure.
#[test]
fn two_threads_are_tuned_for() {
    let _turn = turn();
    let folder = Folder::new();
    folder.write("net.onnx", &convolutions());
    let out = folder.ok("tune net.onnx --budget 8s --threads 2 --json");
    let summary = &events(&out, "tuned")[0];
    assert!(summary["timed"].as_u64().unwrap() > 3 && summary["failed"] == 0, "{summary}");
    folder.ok("compile net.onnx --threads 2 --lock net.lock --locked -o net.cnna");
    assert_eq!(choosers(&folder, "net.cnna"), ["lock", "lock"]);
}

fn start(folder: &Folder) -> Child {
    let mut command = folder.command("tune net.onnx --budget 120s --threads 1 --json --seed 7");
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// Trials of each layer; those of whole networks are no knowledge of a search.
fn trials_by_layer(folder: &Folder) -> Vec<u64> {
    let stats: Value = serde_json::from_str(&folder.ok("db stats --json")).unwrap();
    let workloads = stats["workloads"].as_array().unwrap().iter();
    let layers = workloads.filter(|tally| !tally["name"].as_str().unwrap().starts_with("network "));
    layers.map(|tally| tally["trials"].as_u64().unwrap()).collect()
}

fn trials(folder: &Folder) -> u64 {
    trials_by_layer(folder).iter().sum()
}

/// Waits until both layers have a few trials.
fn wait_for_trials(folder: &Folder) {
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(100) {
        std::thread::sleep(Duration::from_secs(1));
        let known = folder.path("data/cnnc/tuning.db").exists().then(|| trials_by_layer(folder));
        if known.is_some_and(|trials| trials.len() == 2 && trials.iter().all(|&n| n >= 4)) {
            return;
        }
    }
}

/// Kills as often as `CNNC_KILLS` says.
#[test]
fn killed_runs_lose_nothing_and_go_on() {
    let _turn = turn();
    let folder = Folder::new();
    folder.write("net.onnx", &convolutions());
    let kills = std::env::var("CNNC_KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(3u64);
    let mut before = 0;
    for k in 0..kills {
        let mut child = start(&folder);
        std::thread::sleep(Duration::from_millis(1500 + 7919 * (k + 1) % 2000));
        // The compiler's process is the one that tunes; both go at once, as a machine's failure would have it.
        for pid in family(child.id()) {
            unsafe { libc::kill(pid as i32, libc::SIGKILL) };
        }
        child.wait().unwrap();
        let now = if Path::new(&folder.path("data/cnnc/tuning.db")).exists() { trials(&folder) } else { 0 };
        assert!(now >= before, "{now} trials, {before} before");
        before = now;
    }
    let out = folder.ok("tune net.onnx --budget 5s --threads 1 --json --seed 7");
    assert_eq!(events(&out, "begin")[0]["known_trials"].as_u64(), Some(before));
    assert!(trials(&folder) >= before && folder.path("net.lock").exists());
}

#[test]
fn an_interrupt_leaves_a_lock() {
    let _turn = turn();
    let folder = Folder::new();
    folder.write("net.onnx", &convolutions());
    let mut child = start(&folder);
    wait_for_trials(&folder);
    for pid in family(child.id()) {
        unsafe { libc::kill(pid as i32, libc::SIGINT) };
    }
    assert!(child.wait().unwrap().success());
    folder.ok("compile net.onnx --threads 1 --lock net.lock -o net.cnna");
    assert_eq!(choosers(&folder, "net.cnna"), ["lock", "lock"]);
}

/// A process and its children, the workers left out: they end with who started them.
fn family(pid: u32) -> Vec<u32> {
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    std::iter::once(pid).chain(children.split_whitespace().map(|child| child.parse().unwrap())).collect()
}

#[test]
fn lists_of_layers_are_tuned_to_the_end_and_certified() {
    let _turn = turn();
    let folder = Folder::new();
    folder.write("layers.txt", b"matmul 1x8 8x16 tail=bias count=2\nconv 1x16x6x6 16x16x1x1\n");
    let out = folder.ok("tune layers.txt --budget 60s --exhaustive --certify --threads 1 --json");
    let list = &events(&out, "list")[0]["layers"];
    for layer in list.as_array().unwrap() {
        assert_eq!(layer["tried"], layer["candidates"], "{layer}");
    }
    let certified = &events(&out, "certified")[0];
    for layer in certified["layers"].as_array().unwrap() {
        assert!(layer["regret"].as_f64().unwrap() >= 0.0 && layer["tried"] == layer["space"], "{layer}");
    }
    assert!(certified["regret"].as_f64().unwrap() >= 0.0, "{certified}");
    let lock = std::fs::read_to_string(folder.path("layers.lock")).unwrap();
    assert!(lock.contains("matmul 1x8 8x16 tail=bias | "), "{lock}");
    folder.ok("tune layers.txt --exhaustive --threads 1 --replay last -o again.lock");
    assert_eq!(std::fs::read_to_string(folder.path("again.lock")).unwrap(), lock);
}

#[test]
fn layers_that_are_not_worth_a_round_are_timed_as_they_are() {
    let _turn = turn();
    let folder = Folder::new();
    folder.write("layers.txt", b"conv 1x64x56x56 64x64x3x3 count=9\nconv 1x16x6x6 16x16x1x1\n");
    let out = folder.ok("tune layers.txt --budget 20s --threads 1 --json");
    let list = &events(&out, "list")[0]["layers"];
    let light = list.as_array().unwrap().iter().find(|layer| layer["layer"].as_str().unwrap().contains("6x6"));
    assert_eq!(light.unwrap()["tried"], 1, "{list}");
    // So the memory of all is known, and a replay comes to the same.
    folder.ok("tune layers.txt --budget 0s --threads 1 --max-memory 64M -o within.lock");
    folder.ok("tune layers.txt --threads 1 --replay last -o again.lock");
    let read = |name: &str| std::fs::read_to_string(folder.path(name)).unwrap();
    assert_eq!(read("again.lock"), read("layers.lock"));
}
