//! One broken kernel for each invariant.

use crate::kernel::{parse_kernel, verify};

/// A kernel that verifies; the cases replace lines of it.
const FINE: &str = "
kernel @k extent 8 {
  buffer %x: f32[64] read
  buffer %y: f32[64] write
  var a0: f32x4
  v0: i64 = const 0
  v1: i64 = const 8
  v2: i64 = const 3
  parallel v3 in v0..v1 {
    v4: i64 = mul v3, v2
    v5: f32x4 = load %x[v4]
    set a0, v5
    serial v6 in v0..v2 {
      v7: f32x4 = get a0
      set a0, v7
    }
    v8: f32x4 = get a0
    v9: boolx4 = lt v8, v5
    v10: bool = extract v9, 0
    if v10 {
      v11: f32x4 = add v8, v8
      set a0, v11
    }
    store %y[v4], v8 count v2
  }
}
";

fn broken(line: &str, by: &str, why: &str) {
    assert!(FINE.contains(line), "{line}");
    let text = FINE.replacen(line, by, 1);
    let kernel = parse_kernel(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    match verify(&kernel) {
        Ok(()) => panic!("accepted, expected: {why}\n{text}"),
        Err(error) => assert!(error.what.contains(why), "{error}, expected: {why}\n{text}"),
    }
}

#[test]
fn each_invariant_is_checked() {
    assert_eq!(verify(&parse_kernel(FINE).unwrap()), Ok(()));
    broken("extent 8", "extent 9", "bounds of the parallel loop");
    broken("extent 8", "extent 18446744073709551615", "does not fit");
    broken("%y: f32[64]", "%y: f32[18446744073709551615]", "larger than memory");
    broken("@k ", "@0k ", "not a symbol");
    broken("a0: f32x4", "a0: f32x0", "0 lanes");
    broken("a0: f32x4", "a0: f32x65", "65 lanes");
    broken("a0: f32x4", "a0: f32x8", "a0 of f32x8 is set to v5 of f32x4");
    broken("v2: i64 = const 3", "v2: i32 = const 3", "mul of i64 and i32");
    broken("parallel v3 in v0..v1", "serial v3 in v0..v1", "not the parallel loop");
    broken("parallel v3 in v0..v1", "parallel v3 in v0..v2", "bounds of the parallel loop");
    broken("parallel v3 in v0..v1", "parallel v3 in v0..v1 step 2", "bounds of the parallel loop");
    broken("serial v6 in v0..v2", "parallel v6 in v0..v2", "inside another statement");
    broken("serial v6 in v0..v2", "unrolled v6 in v0..v4", "without constant bounds");
    broken("serial v6 in v0..v2", "serial v6 in v0..v2 step 0", "step 0");
    broken("serial v6 in v0..v2", "serial v6 in v0..v5", "v5: f32x4 is used as a bound");
    broken("set a0, v5\n    serial", "serial", "may not be set");
    broken("set a0, v5\n    serial v6 in v0..v2 {", "serial v6 in v0..v4 {\n set a0, v5", "may not be set");
    broken("v8: f32x4 = get a0", "v8: f32x4 = get a1", "no variable a1");
    broken("v8: f32x4 = get a0", "v8: f32x8 = get a0", "gives f32x4");
    broken("load %x[v4]", "load %y[v4]", "only for writing");
    broken("store %y", "store %x", "only for reading");
    broken("load %x[v4]", "load %x[v5]", "before its definition");
    broken("load %x[v4]", "load %x[v4] count v9", "before its definition");
    broken("v8 count v2", "v11 count v2", "outside its scope");
    broken("v8 count v2", "v8 count v6", "outside its scope");
    broken("v8 count v2", "v9 count v2", "is stored to y of f32");
    broken("v8 count v2", "v99 count v2", "no value of the kernel");
    broken("if v10", "if v9", "no bool scalar");
    broken("extract v9, 0", "extract v9, 4", "lane 4");
    broken("lt v8, v5", "lt v8, v4", "lt of f32x4 and i64");
    broken("add v8, v8", "shl v8, v8", "shl does not take f32");
    broken("add v8, v8", "rem v8, v8", "rem does not take f32");
    broken("add v8, v8", "and v8, v8", "and does not take f32");
    broken("add v8, v8", "not v8", "not does not take f32");
    broken("add v8, v8", "splat v8", "no scalar");
    broken("add v8, v8", "lanes v4", "gives i64x4");
    broken("add v8, v8", "convert v4", "gives f32");
    broken("add v8, v8", "bitcast v4", "bitcast of i64");
    broken("add v8, v8", "fold add v8", "gives f32");
    broken("add v8, v8", "fold sub v8", "sub does not fold f32x4");
    broken("add v8, v8", "select v10, v8, v8", "select of bool, f32x4 and f32x4");
    broken("add v8, v8", "insert v8, 1, v8", "no scalar");
    broken("add v8, v8", "insert v8, 1, v4", "insert of i64 into f32x4");
    broken("add v8, v8", "shuffle v8, v8, [0, 1, 8, 2]", "picks lane");
    broken("add v8, v8", "shuffle v8, v8, [0, 1]", "gives f32x2");
    broken("add v8, v8", "mul_add v8, v8, v4", "mul_add of f32x4, f32x4 and i64");
    broken("v4: i64 = mul v3, v2", "v4: i64 = sqrt v3", "sqrt does not take i64");
}

#[test]
fn halves_are_moved_and_converted_only() {
    let text = "
kernel @h extent 1 {
  buffer %x: f16[8] read
  buffer %y: f16[8] write
  v0: i64 = const 0
  v1: i64 = const 1
  parallel v2 in v0..v1 {
    v3: f16x8 = load %x[v2]
    v4: f16x8 = shuffle v3, v3, [1, 0, 3, 2, 5, 4, 7, 6]
    store %y[v2], v4
  }
}";
    assert_eq!(verify(&parse_kernel(text).unwrap()), Ok(()));
    let sum = text.replace("shuffle v3, v3, [1, 0, 3, 2, 5, 4, 7, 6]", "add v3, v3");
    assert!(verify(&parse_kernel(&sum).unwrap()).unwrap_err().what.contains("add does not take f16"));
}

#[test]
fn errors_of_texts_name_the_line() {
    let error = |text: &str| parse_kernel(text).unwrap_err().to_string();
    assert_eq!(
        error(&FINE.replace("v11: f32x4", "v12: f32x4")),
        "line 26: v11 is skipped: values are numbered from v0"
    );
    assert_eq!(error(&FINE.replace("set a0, v5", "put a0, v5")), "line 12: a statement cannot begin with \"put\"");
    assert_eq!(error(&FINE.replace("load %x", "load %z")), "line 11: there is no buffer \"z\"");
    assert_eq!(error(&FINE.replace("const 8", "const 8.5")), "line 7: \"8.5\" is no i64");
    assert_eq!(error("kernel @k extent 1 {"), "line 1: the text ends inside a kernel");
    assert_eq!(error(&format!("{FINE}{FINE}")), "line 1: one kernel expected, 2 found");
    let deep = format!("kernel @k extent 1 {{\n{}", "if v0 {\n".repeat(100_000));
    assert_eq!(error(&deep), "line 202: more than 200 blocks in one another");
}
