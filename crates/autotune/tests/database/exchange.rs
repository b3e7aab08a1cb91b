//! Export, import, merge.

use super::*;
use cnnc_autotune::database::Added;

/// A database with three trials of two sessions.
fn filled() -> (TempDir, Database) {
    let (folder, database) = database();
    let mut first = database.begin_session(1, "cnnc tune").unwrap();
    let mut second = database.begin_session(2, "cnnc tune").unwrap();
    database.append(&mut second, &setting("a", "machine"), &timed("late", &[0.1, 1e-300])).unwrap();
    database.append(&mut first, &setting("a", "machine"), &timed("early", &[0.3])).unwrap();
    database
        .append(&mut first, &setting("b", "other"), &ended("bad", Outcome::NotCompiled("no\nregisters".into())))
        .unwrap();
    database.end_session(first).unwrap();
    (folder, database)
}

#[test]
fn what_goes_out_comes_in_once() {
    let (_from, source) = filled();
    let (_to, target) = database();
    let lines = export(&source);
    assert_eq!(lines.lines().count(), 3);
    assert_eq!(target.import(lines.as_bytes()).unwrap(), Added { new: 3, known: 0 });
    assert_eq!(export(&target), lines);
    assert_eq!(target.import(lines.as_bytes()).unwrap(), Added { new: 0, known: 3 });
    assert_eq!(export(&target), lines);
    // Another order and empty lines are the same.
    let (_again, backwards) = database();
    let reversed: Vec<&str> = lines.lines().rev().collect();
    backwards.import(reversed.join("\n\n").as_bytes()).unwrap();
    assert_eq!(export(&backwards), lines);
    assert_eq!(backwards.sessions().unwrap().iter().filter(|s| s.ended.is_some()).count(), 1);
}

#[test]
fn databases_merge() {
    let ((_a, one), (_b, other)) = (filled(), filled());
    assert_eq!(one.merge(&other).unwrap(), Added { new: 3, known: 0 });
    assert_eq!(one.merge(&other).unwrap(), Added { new: 0, known: 3 });
    assert_eq!(other.merge(&one).unwrap(), Added { new: 3, known: 3 });
    assert_eq!(export(&one), export(&other));
    let itself = Database::open(one.path()).unwrap();
    assert_eq!(one.merge(&itself).unwrap(), Added { new: 0, known: 6 });
}

#[test]
fn wrong_lines_are_named_and_nothing_is_imported() {
    let (_from, source) = filled();
    let (_to, target) = database();
    let lines = export(&source);
    let good = lines.lines().next().unwrap();
    let refused = |text: &str| {
        let error = target.import(text.as_bytes()).unwrap_err();
        assert!(error.is_users());
        assert_eq!(export(&target), "", "half of it is imported: {error}");
        error.to_string()
    };
    let said = refused(&format!("{good}\n{{}}\n\n{good}\nnonsense\n"));
    assert!(said.contains("line 2: missing field") && said.contains("line 5: expected"), "{said}");
    let said = refused(&format!("{good}\n{}", &good[..good.len() / 2]));
    assert!(said.contains("line 2: EOF"), "{said}");
    let said = refused(&good.replace("\"seed\":", "\"colour\":3,\"seed\":"));
    assert!(said.contains("line 1: unknown field `colour`"), "{said}");
    let said = refused(&lines.replace("1e-300", "1e999"));
    assert!(said.contains("line 3: number out of range"), "{said}");
    let said = refused(&"x\n".repeat(100));
    assert!(said.contains("line 5") && !said.contains("line 6") && said.ends_with("95 more"), "{said}");
    assert!(target.import(&b"\xff\xfe\n"[..]).is_err());
    assert!(refused(&"[".repeat(1 << 20)).contains("line 1: "));
}
