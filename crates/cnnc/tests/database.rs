//! `cnnc db`, end to end.
#![allow(clippy::unwrap_used)]

mod support;

use cnnc_autotune::{Database, Outcome, Samples, Setting, Trial, Workload, revision};
use cnnc_runtime::machine::fingerprint;
use serde_json::Value;
use std::fs::OpenOptions;
use std::path::Path;
use std::process::{Command, Stdio};
use support::{Folder, convolutions, said, said_to};

/// A database with two trials of this revision and one of another.
fn fill(path: &Path) {
    let database = Database::open_or_create(path).unwrap();
    let mut session = database.begin_session(3, "cnnc tune net.onnx").unwrap();
    for (revision, candidate, outcome) in [
        (revision(), "direct(mr=14, nv=2)", Outcome::Timed),
        (revision(), "winograd(m0=4)", Outcome::Crashed("SIGILL".into())),
        ("before", "direct(mr=14, nv=2)", Outcome::StoppedEarly),
    ] {
        let setting = Setting {
            isa: "x86-64-v4".into(),
            threads: 1,
            backend: "llvm 19.1.7".into(),
            revision: revision.into(),
            machine: "EPYC 25.1.1; caches 32768/1/1; 2 processors; avx fma".into(),
        };
        let trial = Trial {
            estimate: 1e-3,
            error: Some(1e-7),
            workspace: 0,
            packed: 0,
            code: "c0de".into(),
            samples: Samples { warm: vec![1e-3], cold: vec![2e-3], ..Samples::default() },
            ..Trial::new(&Workload("conv 1x64x56x56 64x64x3x3 pad=1".into()), ("c16", "c16"), candidate, outcome)
        };
        database.append(&mut session, &setting, &trial).unwrap();
    }
    database.end_session(session).unwrap();
}

#[test]
fn trials_are_counted_exchanged_and_dropped() {
    let folder = Folder::new();
    let default = folder.ok("db path");
    assert_eq!(Path::new(default.trim_end()), folder.path("data/cnnc/tuning.db"));
    assert_eq!(folder.ok("db path --db x.db"), "x.db\n");
    fill(&folder.path("data/cnnc/tuning.db"));

    let text = folder.ok("db stats");
    assert!(text.contains("3 trials of 1 sessions: 1 timed, 1 stopped early, 0 of the same code, 1 failed"), "{text}");
    assert!(text.contains(&format!("{} (this build)", revision())) && text.contains("EPYC 25.1.1; caches 32768/1/1  "));
    let stats: Value = serde_json::from_str(&folder.ok("db stats --json")).unwrap();
    assert_eq!((&stats["total"]["trials"], &stats["sessions"]), (&Value::from(3), &Value::from(1)));
    assert_eq!(stats["outcomes"].as_array().unwrap().len(), 3);

    folder.ok("db export trials.jsonl");
    let lines = std::fs::read_to_string(folder.path("trials.jsonl")).unwrap();
    assert_eq!(folder.ok("db export -"), lines);
    assert_eq!(folder.ok("db import trials.jsonl --db new.db"), "new.db: 3 new trials, 0 were there\n");
    let mut piped = folder.command("db --db new.db import - --json");
    piped.stdin(std::fs::File::open(folder.path("trials.jsonl")).unwrap());
    let added: Value = serde_json::from_str(&said(piped).out).unwrap();
    assert_eq!((&added["new"], &added["known"]), (&Value::from(0), &Value::from(3)));
    assert_eq!(folder.ok("db export - --db new.db"), lines);
    assert_eq!(folder.ok("db merge new.db --db third.db"), "third.db: 3 new trials, 0 were there\n");
    assert_eq!(folder.ok("db merge new.db"), format!("{}: 0 new trials, 3 were there\n", default.trim_end()));

    assert_eq!(folder.ok("db gc --dry-run"), format!("{}: would drop 1 trials and 0 sessions\n", default.trim_end()));
    assert!(folder.ok("db gc").contains(": dropped 1 trials and 0 sessions, "));
    assert_eq!(folder.ok("db export -").lines().count(), 2);
    assert!(folder.ok("db gc --help").contains("--keep-priors"));
}

#[test]
fn wrong_files_are_named() {
    let folder = Folder::new();
    fill(&folder.path("good.db"));
    folder.ok("db export good.jsonl --db good.db");
    let good = std::fs::read(folder.path("good.db")).unwrap();
    let lines = std::fs::read_to_string(folder.path("good.jsonl")).unwrap();
    folder.write("text.db", b"not a database");
    folder.write("half.db", &good[..good.len() / 2]);
    let mut torn = good.clone();
    torn[4096..8192].fill(0xa5);
    folder.write("torn.db", &torn);
    let mut newer = good.clone();
    newer[60..64].copy_from_slice(&99u32.to_be_bytes());
    folder.write("newer.db", &newer);
    folder.write("bad.jsonl", format!("{lines}{{}}\n").as_bytes());
    for (args, message) in [
        ("stats", "tuning.db: tuning makes one"),
        ("stats --db none.db", "there is no tuning database none.db"),
        ("stats --db text.db", "text.db is no tuning database"),
        ("export out.jsonl --db text.db", "text.db is no tuning database"),
        ("import good.jsonl --db text.db", "text.db is no tuning database"),
        ("stats --db half.db", "half.db is damaged"),
        ("gc --db half.db", "half.db is damaged"),
        ("stats --db torn.db", "torn.db is damaged"),
        ("merge torn.db --db good.db", "torn.db is damaged"),
        ("merge good.db --db newer.db", "newer.db has schema 99"),
        ("merge none.db --db other.db", "there is no tuning database none.db"),
        ("stats --db .", "cannot open ."),
        ("import bad.jsonl --db other.db", "bad.jsonl: nothing is imported: line 4: missing field"),
        ("import none.jsonl --db missing.db", "cannot read none.jsonl: No such file"),
        ("import . --db other.db", "cannot read .: "),
    ] {
        let said = folder.cnnc(&format!("db {args}"));
        assert_eq!((said.code, said.out.as_str()), (2, ""), "{args}: {said:?}");
        assert!(said.err.starts_with("error: ") && said.err.contains(message), "{args}: {said:?}");
        assert_eq!(said.err.lines().count(), 1, "{said:?}");
    }
    assert_eq!(std::fs::read(folder.path("text.db")).unwrap(), b"not a database");
    assert!(!folder.path("out.jsonl").exists() && !folder.path("missing.db").exists());
    assert_eq!(folder.ok("db export - --db other.db"), "");
    assert_eq!(folder.ok("db export - --db good.db"), lines);
    for args in ["db", "db stats --db", "db import", "db prune"] {
        assert_eq!(folder.cnnc(args).code, 2, "{args}");
    }
}

#[test]
fn a_full_disk_is_an_error() {
    let folder = Folder::new();
    fill(&folder.path("good.db"));
    folder.ok("db export good.jsonl --db good.db");
    if Path::new("/dev/full").exists() {
        let mut command = folder.command("db export - --db good.db");
        command.stdout(OpenOptions::new().write(true).open("/dev/full").unwrap());
        let said = said_to(command);
        assert!(said.code == 1 && said.err.contains("cannot write standard output: No space left"), "{said:?}");
        let said = folder.cnnc("db export /dev/full --db good.db");
        assert!(said.code == 1 && said.err.contains("cannot write /dev/full: No space left"), "{said:?}");
    }
    // Files may not grow beyond 8 KiB: as a full disk, in the middle of a write.
    let mut shell = Command::new("sh");
    let script = format!("ulimit -f 16; exec {} db import good.jsonl --db small.db", env!("CARGO_BIN_EXE_cnnc"));
    shell.args(["-c", &script]).current_dir(folder.path("")).stdin(Stdio::null());
    let said = said(shell);
    assert!(said.code == 1 && said.err.starts_with("error: cannot write small.db: "), "{said:?}");
}

#[test]
fn choices_by_estimate_go_by_the_terms_that_are_kept() {
    let folder = Folder::new();
    folder.write("net.onnx", &convolutions());
    let compiled = |name: &str, flags: &str| -> Value {
        folder.ok(&format!("compile net.onnx --threads 1 {flags} -o {name}"));
        serde_json::from_str(&folder.ok(&format!("inspect {name} --json"))).unwrap()
    };
    let algorithms = |report: &Value| -> Vec<String> {
        let layers = report["variants"][0]["layers"].as_array().unwrap().iter();
        let name = |layer: &Value| layer["candidate"].as_str().unwrap().split('(').next().unwrap().to_string();
        layers.filter(|layer| layer["op"] == "conv").map(name).collect()
    };
    let before = compiled("before.cnna", "");
    let text = |key: &str| before["variants"][0][key].as_str().unwrap().to_string();
    let setting = Setting {
        isa: text("target"),
        threads: 1,
        backend: text("backend"),
        revision: revision().into(),
        machine: fingerprint(),
    };
    let database = Database::open_or_create(&folder.path("data/cnnc/tuning.db")).unwrap();
    // Machines on which register tiles, then products at points, take forever.
    let without = |dear: &[&str]| {
        let terms = dear.iter().chain(&["a_term_of_another_build"]).map(|name| (name.to_string(), 1e5));
        database.keep_terms(&setting, Some(&terms.collect())).unwrap();
        algorithms(&compiled("after.cnna", ""))
    };
    let at_points = without(&["tiled_end", "tiled_end_of_vector", "tiled_block"]);
    assert!(["winograd", "fft"].contains(&at_points[0].as_str()), "{at_points:?}");
    let after = without(&["point_end", "point_end_of_vector"]);
    assert!(!["winograd", "fft"].contains(&after[0].as_str()), "{after:?}");
    assert_eq!(algorithms(&compiled("none.cnna", "--db none")), algorithms(&before));

    assert!(folder.ok("db fit").starts_with("too few layers were measured on this machine for a fit"));
    assert_eq!(folder.ok("db fit --json"), "[]\n");
    assert_eq!(algorithms(&compiled("still.cnna", "")), after, "no fit takes nothing away");
    folder.ok("db fit --forget");
    assert_eq!(algorithms(&compiled("forgotten.cnna", "")), algorithms(&before));
}
