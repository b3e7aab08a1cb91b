//! `mpirun cnnc tune` with several ranks on this machine. Left out where there is no mpirun.
#![cfg(feature = "mpi")]
#![allow(clippy::unwrap_used)]

mod support;

use serde_json::Value;
use std::process::{Command, Stdio};
use support::{Folder, Said, convolutions, said};

/// What mpirun is told: these ranks are more than there are cores, perhaps, and share them out themselves.
const HOW: [&str; 4] = ["--allow-run-as-root", "--oversubscribe", "--bind-to", "none"];

/// Whether there is mpirun; says so where there is not.
fn has_mpirun() -> bool {
    let found = Command::new("mpirun").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    let has = found.is_ok_and(|status| status.success());
    if !has {
        eprintln!("skipped: there is no mpirun (Debian: apt install openmpi-bin)");
    }
    has
}

/// Runs the program as ranks: so many of each list of arguments.
fn ranks(folder: &Folder, of: &[(usize, &str)]) -> Said {
    let mut command = Command::new("mpirun");
    command.args(HOW);
    for (k, (count, args)) in of.iter().enumerate() {
        command.args((k > 0).then_some(":")).args(["-n", &count.to_string()]).arg(env!("CARGO_BIN_EXE_cnnc"));
        command.args(args.split_whitespace());
    }
    let cnnc = folder.command("");
    command.current_dir(folder.path(".")).stdin(Stdio::null());
    command.envs(cnnc.get_envs().filter_map(|(name, value)| Some((name, value?))));
    said(command)
}

fn events(text: &str, name: &str) -> Vec<Value> {
    let events = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    events.filter(|event| event["event"] == name).collect()
}

#[test]
fn ranks_share_the_work_and_one_keeps_it() {
    if !has_mpirun() {
        return;
    }
    let folder = Folder::new();
    folder.write("net.onnx", &convolutions());
    let run = ranks(&folder, &[(3, "tune net.onnx --budget 20s --threads 1 --json")]);
    assert_eq!(run.code, 0, "{run:?}");
    let [begun, tuned] = ["ranks", "tuned"].map(|name| events(&run.out, name));
    assert_eq!(begun[0]["others"].as_array().unwrap().len(), 2, "{begun:?}");
    assert_eq!((tuned.len(), &tuned[0]["failed"]), (1, &Value::from(0)), "{tuned:?}");
    let shares = &events(&run.out, "shares")[0]["ranks"];
    for share in shares.as_array().unwrap() {
        let [compiled, measured] = ["compiled", "measured"].map(|what| share[what].as_u64().unwrap());
        assert!(compiled > 0 && measured > 0 && share["lost"] == false, "{shares}");
    }

    let stats: Value = serde_json::from_str(&folder.ok("db stats --json")).unwrap();
    assert_eq!((&stats["sessions"], stats["machines"].as_array().unwrap().len()), (&Value::from(1), 1), "{stats}");
    folder.ok("compile net.onnx --threads 1 --lock net.lock --locked -o net.cnna");
    folder.ok("tune net.onnx --threads 1 --replay last -o replayed.lock");
    let [lock, replayed] =
        ["net.lock", "replayed.lock"].map(|name| std::fs::read_to_string(folder.path(name)).unwrap());
    assert_eq!(lock.lines().filter(|line| line.starts_with("conv ")).count(), 2, "{lock}");
    assert_eq!(lock, replayed);
}

#[test]
fn a_rank_of_another_kind_takes_no_part() {
    if !has_mpirun() {
        return;
    }
    let folder = Folder::new();
    folder.write("layers.txt", b"matmul 1x8 8x16 tail=bias\n");
    let args = "tune layers.txt --budget 3s --threads 1 --target x86-64-v2";
    let run = ranks(&folder, &[(1, args), (1, &args.replace("-v2", "-v3")), (1, &args.replace("x86-64-v2", "z80"))]);
    assert_eq!(run.code, 0, "{run:?}");
    assert!(run.out.contains("1 of 3 ranks tune") && folder.path("layers.lock").exists(), "{run:?}");
    assert!(run.err.contains("takes no part: instruction set is x86-64-v3 there, x86-64-v2 here"), "{run:?}");
    assert!(run.err.contains("takes no part: unknown target z80"), "{run:?}");
}
