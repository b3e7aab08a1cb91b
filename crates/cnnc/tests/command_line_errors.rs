//! What goes wrong: the exit code, one clear message, and nothing half-written.
#![allow(clippy::unwrap_used)]

mod support;

use std::process::{Command, Stdio};
use std::time::Duration;
use support::{FLOAT, Folder, Said, model, negating, npy, npy_f32, reshaping, said, shipped};

/// A folder with a model, its artifact, and an input.
fn prepared() -> Folder {
    let folder = Folder::new();
    folder.write("net.onnx", &negating());
    folder.write("x.npy", &npy_f32(&[3], &[1.0, 2.0, 3.0]));
    folder.ok("compile net.onnx --shape x=3 -o net.cnna");
    folder
}

fn check(said: &Said, code: i32, message: &str) {
    assert_eq!(said.code, code, "{said:?}");
    assert_eq!(said.out, "", "{said:?}");
    assert!(said.err.starts_with("error: ") && said.err.contains(message), "wanted: {message}\n{said:?}");
    assert!(said.err.lines().skip(1).all(|l| l.starts_with("  hint: ")), "one message: {said:?}");
}

#[test]
fn wrong_arguments_and_inputs_are_the_users() {
    let folder = prepared();
    folder.write("garbage", b"garbage");
    folder.write("garbage.npy", b"garbage");
    folder.write("f64.npy", &npy("<f8", &[3], &[0; 24]));
    folder.write("four.npy", &npy_f32(&[4], &[0.0; 4]));
    folder.write("two.npy", &npy_f32(&[1, 3], &[0.0; 3]));
    for (args, message) in [
        ("run net.cnna", "input x: f32[3] is not given: use --input x=FILE.npy"),
        ("run net.cnna --input y=x.npy", "there is no input y; the inputs are x: f32[3]"),
        ("run net.cnna --input x=x.npy --input x=x.npy", "input x is given twice"),
        ("run net.cnna --input x.npy --input x.npy", "x.npy is one input too many"),
        ("run net.cnna --input missing.npy", "cannot read missing.npy: No such file"),
        ("run net.cnna --input garbage.npy", "garbage.npy: not a usable .npy file"),
        ("run net.cnna --input garbage", "garbage: neither .npy nor an image"),
        ("run net.cnna --input f64.npy", "f64.npy: holds f64, but input x: f32[3] is wanted"),
        ("run net.cnna --input four.npy", "input x: f32[3]: got f32[4]"),
        ("run net.cnna --input two.npy", "input x: f32[3]: got f32[1,3]"),
        ("run net.cnna --input x.npy --top 5 --labels none.txt", "cannot read none.txt"),
        ("run none.onnx --input x.npy", "none.onnx: cannot read"),
        ("run none.cnna --input x.npy", "cannot read none.cnna"),
        ("compile net.onnx -o y.cnna", "dim 0 (n) of input 'x' is not fixed: give its shape, as in --shape x="),
        ("compile net.onnx --shape x=3x -o y.cnna", "`3x` is no shape"),
        ("compile net.onnx --shape y=3 -o y.cnna", "has no such input"),
        ("compile net.onnx --shape x -o y.cnna", "--shape x: it is to be of the form NAME=1x3x224x224"),
        ("compile net.onnx --shape x=99999999999x99999999999 -o y.cnna", "larger than memory"),
        ("compile net.onnx --shape x=3 --target avx2 -o y.cnna", "unknown target avx2; known are native, x86-64-v2"),
        ("compile net.onnx --bind x=none.npy -o y.cnna", "cannot read none.npy"),
        ("opt net.onnx --shape x=3 --stop-after optimise", "there is no pass optimise"),
        ("inspect net.onnx", "net.onnx: not a cnnc artifact"),
    ] {
        let said = folder.cnnc(args);
        assert_eq!(said.code, 2, "{args}: {said:?}");
        check(&said, 2, message);
    }
    assert!(!folder.path("y.cnna").exists());
    for args in ["", "compile net.onnx", "run net.cnna --threads 0", "run net.cnna --preprocess zoom=2", "list foo"] {
        let said = folder.cnnc(args);
        assert_eq!((said.code, said.out.as_str()), (2, ""), "{args}: {said:?}");
    }
}

#[test]
fn wrong_models_are_the_users() {
    let folder = Folder::new();
    let input: &[(&str, i32, &[i64])] = &[("x", FLOAT, &[2, 3])];
    folder.write("empty.onnx", b"");
    folder.write("garbage.onnx", b"\x00\x01garbage");
    folder.write("unknown.onnx", &model(&[("Frobnicate", &["x"], "a"), ("Swizzle", &["a"], "y")], input, "y"));
    folder.write("cycle.onnx", &model(&[("Add", &["x", "b"], "a"), ("Neg", &["a"], "b")], input, "b"));
    folder.write("shapes.onnx", &model(&[("MatMul", &["x", "x"], "y")], input, "y"));
    folder.write("undefined.onnx", &model(&[("Neg", &["nothing"], "y")], input, "y"));
    folder.write("negative.onnx", &model(&[("Neg", &["x"], "y")], &[("x", FLOAT, &[-5, 3])], "y"));
    for (file, message) in [
        ("empty.onnx", "empty.onnx: not an ONNX model"),
        ("garbage.onnx", "garbage.onnx: not an ONNX model"),
        ("unknown.onnx", "2 operators are not supported: Frobnicate x1 (Frobnicate_0); Swizzle x1 (Swizzle_1)"),
        ("cycle.onnx", "cycle"),
        ("shapes.onnx", "MatMul_0"),
        ("undefined.onnx", "nothing"),
        ("negative.onnx", "dim 0 (-5) of input 'x'"),
    ] {
        let said = folder.cnnc(&format!("compile {file} -o out.cnna"));
        check(&said, 2, message);
    }
    let whole = std::fs::read(shipped("efficientnet_lite0.onnx")).unwrap();
    folder.write("half.onnx", &whole[..whole.len() / 2]);
    check(&folder.cnnc("compile half.onnx -o out.cnna"), 2, "half.onnx");
    assert!(!folder.path("out.cnna").exists());
}

#[test]
fn damaged_artifacts_are_named() {
    let folder = prepared();
    let good = std::fs::read(folder.path("net.cnna")).unwrap();
    for length in [0, 1, 7, 8, 63, 64, good.len() / 2, good.len() - 1] {
        folder.write("bad.cnna", &good[..length]);
        let said = folder.cnnc("run bad.cnna --input x.npy");
        let message = if length == 0 { "not a cnnc artifact: the file is empty" } else { "truncated: " };
        check(&said, 2, message);
    }
    for at in [8, 20, 30, 60, good.len() - 10, good.len() - 300] {
        let mut bad = good.clone();
        bad[at] ^= 0x40;
        folder.write("bad.cnna", &bad);
        let said = folder.cnnc("run bad.cnna --input x.npy");
        check(&said, 2, if at == 8 { "artifact of format 65, this build reads format 1" } else { "damaged: " });
        assert_eq!(folder.cnnc("inspect bad.cnna").code, 2);
    }
}

#[test]
fn a_full_disk_leaves_nothing_half_written() {
    let folder = prepared();
    let before = std::fs::read(folder.path("net.cnna")).unwrap();
    check(&folder.cnnc("compile net.onnx --shape x=3 -o none/net.cnna"), 1, "there is no folder none");
    check(&folder.cnnc("compile net.onnx --shape x=3 -o ."), 1, "cannot write .");
    if std::path::Path::new("/dev/full").exists() {
        check(&folder.cnnc("compile net.onnx --shape x=3 -o /dev/full"), 1, "cannot write /dev/full: No space left");
        for args in ["list ops", "inspect net.cnna", "bench net.cnna --iters 1", "run net.cnna --input x.npy"] {
            let mut command = folder.command(args);
            command.stdout(std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap());
            let said = support::said_to(command);
            check(&said, 1, "cannot write standard output: No space left");
        }
    }
    folder.write("long.npy", &npy_f32(&[3000], &[0.0; 3000]));
    folder.ok("compile net.onnx --shape x=3000 -o long.cnna");
    let names = folder.names();
    // Files may not grow beyond 1 KiB (2 blocks of 512 bytes): as a full disk, in the middle of a write.
    let limited = |args: &str| {
        let mut shell = Command::new("sh");
        let script = format!("ulimit -f 2; exec {} {args}", env!("CARGO_BIN_EXE_cnnc"));
        shell.args(["-c", &script]).current_dir(folder.path("")).stdin(Stdio::null());
        said(shell)
    };
    check(&limited("compile net.onnx --shape x=3 -o net.cnna"), 1, "cannot write net.cnna: File too large");
    check(&limited("run long.cnna --input long.npy --output-dir out"), 1, "cannot write out/0.npy: File too large");
    assert_eq!(std::fs::read(folder.path("net.cnna")).unwrap(), before, "what was there is there");
    assert_eq!(std::fs::read_dir(folder.path("out")).unwrap().count(), 0);
    assert_eq!(folder.names().len(), names.len() + 1, "one folder more");
}

#[test]
fn an_interrupt_leaves_nothing_half_written() {
    let folder = Folder::new();
    let onnx = shipped("efficientnet_lite0.onnx");
    for (signal, delay) in [("INT", 60), ("TERM", 300), ("HUP", 600)] {
        let mut command = folder.command(&format!("compile {onnx} -o net.cnna"));
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(delay));
        let kill = format!("kill -{signal} {}", child.id());
        let told = Command::new("sh").args(["-c", &kill]).stderr(Stdio::null()).status().unwrap().success();
        let status = child.wait().unwrap();
        assert!(!told || status.code() != Some(2), "{status:?}");
        std::thread::sleep(Duration::from_millis(100));
        if folder.path("net.cnna").exists() {
            folder.ok("inspect net.cnna");
            std::fs::remove_file(folder.path("net.cnna")).unwrap();
        }
        assert_eq!(folder.names(), Vec::<String>::new(), "SIG{signal}");
    }
}

#[test]
fn logs_are_quiet_unless_asked_for() {
    let folder = Folder::new();
    folder.write("net.onnx", &reshaping());
    folder.write("x.npy", &npy_f32(&[2, 3], &[0.0; 6]));
    folder.write("shape.npy", &npy("<i8", &[2], &[6, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]));
    let args = "run net.onnx --input x=x.npy --input shape=shape.npy";
    assert_eq!(folder.cnnc(args).err, "");
    let mut loud = folder.command(args);
    loud.env("CNNC_LOG", "debug");
    let loud = said(loud);
    assert_eq!(loud.code, 0);
    assert!(loud.err.contains("bound: shapes depend on its content"), "{loud:?}");
}
