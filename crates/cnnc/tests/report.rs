//! `cnnc report`, end to end: the page holds what the database does, and nothing gets out of its place.
#![allow(clippy::unwrap_used)]

mod support;

use cnnc_autotune::{Database, Outcome, Samples, Setting, Trial, Workload};
use std::path::Path;
use std::process::Command;
use support::{Folder, said};

/// A layer, its twin in a tail, and what is no layer at all.
const LAYERS: [&str; 3] =
    ["conv 1x64x56x56 64x64x3x3 pad=1", "matmul 1x2048 2048x1000 tail=bias", "no <layer> & \"none\""];

/// What a candidate may be called in somebody else's export.
const HOSTILE: &str =
    "x</title></svg></code><script>document.title=\"http://example.com/\"</script>&amp;<img src=y onerror=z>'\u{0}";

fn setting(revision: &str) -> Setting {
    Setting {
        isa: "x86-64-v4".into(),
        threads: 1,
        backend: "llvm <19>".into(),
        revision: revision.into(),
        machine: "EPYC & sons 25.1.1; caches 32768/1/1; 2 processors; avx fma".into(),
    }
}

fn trial(workload: &str, candidate: &str, outcome: Outcome, milliseconds: f64) -> Trial {
    Trial {
        estimate: 1e-3,
        error: Some(3e-7),
        workspace: 4_096,
        packed: 147_456,
        code: candidate.into(),
        samples: Samples { cold: vec![milliseconds * 1e-3; 3], ..Samples::default() },
        ..Trial::new(&Workload(workload.into()), ("c16", "c16"), candidate, outcome)
    }
}

/// A database of two settings.
fn fill(path: &Path) {
    let database = Database::open_or_create(path).unwrap();
    for revision in ["before", "now"] {
        let mut session = database.begin_session(3, "tune").unwrap();
        for layer in LAYERS {
            for (candidate, outcome, milliseconds) in [
                ("direct(mr=14, nv=2)", Outcome::Timed, 2.0),
                ("winograd(m0=4)", Outcome::Timed, 1.25),
                ("winograd(m0=5)", Outcome::SameCode, 1.25),
                (HOSTILE, Outcome::StoppedEarly, 9.0),
                ("fft(m0=4)", Outcome::Crashed(HOSTILE.into()), 0.0),
                ("fft(m0=5)", Outcome::Wrong, 0.5),
            ] {
                let trial = trial(layer, candidate, outcome, milliseconds);
                database.append(&mut session, &setting(revision), &trial).unwrap();
            }
        }
        database.end_session(session).unwrap();
    }
}

/// Asserts that elements close in the order opened, that attributes have quotes, that text is escaped.
fn assert_well_formed(html: &str) {
    let mut rest = html.strip_prefix("<!DOCTYPE html>\n").unwrap();
    let mut open: Vec<&str> = vec![];
    while let Some(at) = rest.find('<') {
        assert!(!rest[..at].contains('>'), "{:?}", &rest[..at]);
        let end = at + rest[at..].find('>').unwrap();
        let tag = &rest[at + 1..end];
        rest = &rest[end + 1..];
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name));
            continue;
        }
        let name = tag.split([' ', '/']).next().unwrap();
        assert!(!name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric()), "{tag}");
        assert!(tag.matches('"').count().is_multiple_of(2), "{tag}");
        if tag.ends_with('/') {
            continue;
        }
        open.push(name);
        if matches!(name, "script" | "style") {
            rest = &rest[rest.find(&format!("</{name}>")).unwrap()..];
        }
    }
    assert_eq!((open.len(), rest.trim()), (0, ""));
    assert!(!html.contains(|c: char| c.is_control() && c != '\n'));
}

#[test]
fn the_page_holds_every_layer_and_loads_nothing() {
    let folder = Folder::new();
    fill(&folder.path("data/cnnc/tuning.db"));
    let said = folder.ok("report");
    assert!(said.starts_with("report.html: 36 trials in 2 settings, "), "{said}");
    let html = std::fs::read_to_string(folder.path("report.html")).unwrap();
    assert_well_formed(&html);
    for part in [
        "conv 1x64x56x56 64x64x3x3 pad=1",
        "matmul 1x2048 2048x1000 tail=bias",
        "no &lt;layer&gt; &amp; &quot;none&quot;",
        "llvm &lt;19&gt;",
        "EPYC &amp; sons",
        "revision before",
        "revision now",
        "winner, 1.250 ms",
        "<td class=\"n\">1.250</td>",
        "6 timed, 3 crashed, 3 same code, 3 stopped early, 3 wrong numbers",
        "x&lt;/title&gt;&lt;/svg&gt;&lt;/code&gt;&lt;script&gt;",
        "class=\"layer\" id=\"s1l2\"",
    ] {
        assert!(html.contains(part), "{part}");
    }
    assert_eq!(html.matches("<script").count(), 1);
    assert_eq!(html.matches("<details class=\"setting\" open=\"open\">").count(), 1);
    assert!(html.find("revision now").unwrap() < html.find("revision before").unwrap(), "newest first");
    // Hostile names are text; nothing that loads is there.
    let loads = html.replace(&"http://example.com/".to_string(), "");
    for foreign in ["http://", "https://", "src=\"", "url(", "@import", "onerror=\"", "NaN", "<img"] {
        assert!(!loads.contains(foreign), "{foreign}");
    }
    assert!(html.contains("href=\"#s0l0\"") && html.contains("default-src 'none'"));
    assert_eq!(folder.ok("report -o -"), html, "the same data give the same page");
}

#[test]
#[cfg(unix)]
fn the_script_works_in_a_browser() {
    let folder = Folder::new();
    fill(&folder.path("t.db"));
    folder.ok("report t.db");
    let mut command = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/report-browser.sh"));
    command.arg(folder.path("report.html"));
    let said = said(command);
    // It says so where there is no browser.
    println!("{}", said.out);
    assert_eq!(said.code, 0, "{said:?}");
}

#[test]
fn lists_comparisons_and_machines_join_in() {
    let folder = Folder::new();
    fill(&folder.path("t.db"));
    folder.write("net.txt", b"conv 1x64x56x56 64x64x3x3 pad=1 count=3  # twice and once\nmatmul 1x3 3x4\n");
    let row = r#"{"model": "a<b", "threads": 1, "ort_ms": 2, "openvino_ms": null, "cnnc_ms": 1, "speedup": 2}"#;
    folder.write("peers.json", format!("{{\"rows\": [{row}]}}").as_bytes());
    let machine = serde_json::json!({
        "fingerprint": setting("").machine, "processor": "EPYC", "processors": 2, "cache_bytes": [1, 2, 3],
        "clock_mhz": 3000.0, "peaks": [{"isa": "x86-64-v4", "one": 321.0, "all": 642.0}],
        "bandwidths": [{"level": "memory", "one": 20.0, "all": 30.0}], "fork_join_us": 1.0
    });
    folder.write("machine.json", machine.to_string().as_bytes());
    folder.ok("report --db t.db --layers net.txt --peers peers.json peers.json --machine-file machine.json -o r.html");
    let html = std::fs::read_to_string(folder.path("r.html")).unwrap();
    assert_well_formed(&html);
    for part in ["3.750 ms", "peak 321 GFLOP/s", "memory 20.0 GB/s", "a&lt;b", "1 layer of the list without a trial"] {
        assert!(html.contains(part), "{part}");
    }
    assert!(!html.contains("matmul 1x2048") && html.matches("<h3>peers.json</h3>").count() == 2);
}

#[test]
fn what_is_wrong_is_said_and_no_page_written() {
    let folder = Folder::new();
    fill(&folder.path("good.db"));
    Database::open_or_create(&folder.path("empty.db")).unwrap();
    let good = std::fs::read(folder.path("good.db")).unwrap();
    folder.write("half.db", &good[..good.len() / 2]);
    folder.write("text.db", b"not a database");
    folder.write("other.txt", b"matmul 1x3 3x4\n");
    folder.write("bad.txt", b"pool 1x3 3x4\n");
    folder.write("bad.json", b"{}");
    folder.write(
        "other.json",
        br#"{"fingerprint": "B", "processor": "B", "processors": 1, "cache_bytes": [1, 2, 3],
        "clock_mhz": 1, "peaks": [], "bandwidths": [], "fork_join_us": 1}"#,
    );
    for (args, message) in [
        ("", "tuning.db: tuning makes one"),
        ("--db empty.db", "empty.db: has no trials: `cnnc tune MODEL.onnx` makes some"),
        ("--db half.db", "half.db is damaged"),
        ("--db text.db", "text.db is no tuning database"),
        ("--db good.db --layers other.txt", "good.db: has no trial of a layer of other.txt"),
        ("--db good.db --layers bad.txt", "bad.txt: line 1: unknown operator pool"),
        ("--db good.db --peers bad.json", "bad.json: no comparison with other engines: missing field `rows`"),
        ("--db good.db --peers none.json", "cannot read none.json"),
        ("--db good.db --machine-file bad.json", "bad.json: not what `cnnc machine --json` prints"),
        ("--db good.db --machine-file other.json", "other.json: of another machine than any"),
    ] {
        let said = folder.cnnc(&format!("report {args}"));
        assert_eq!((said.code, said.out.as_str()), (2, ""), "{args}: {said:?}");
        assert!(said.err.starts_with("error: ") && said.err.contains(message), "{args}: {said:?}");
        assert!(!folder.path("report.html").exists(), "{args}");
    }
    let full = said(folder.command("report --db good.db -o missing/report.html"));
    assert!(full.code == 1 && full.err.contains("cannot write missing/report.html"), "{full:?}");
}
