//! A trial is the same after the database and after JSON, whatever it holds.

use super::*;
use cnnc_autotune::DatabaseError;
use proptest::collection::vec;
use proptest::prelude::*;

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        ".{0,20}",
        vec(any::<char>(), 0..20).prop_map(|chars| chars.into_iter().collect()),
        Just("\0'\";--\u{202e}\u{feff}\r\n\t\\".to_string()),
        Just("x".repeat(10_000)),
    ]
}

fn finite() -> impl Strategy<Value = f64> {
    use prop::num::f64::{NEGATIVE, NORMAL, POSITIVE, SUBNORMAL, ZERO};
    prop_oneof![POSITIVE | NEGATIVE | NORMAL | SUBNORMAL | ZERO, 1e-7..1.0, Just(f64::MAX), Just(f64::MIN_POSITIVE)]
}

fn outcome() -> impl Strategy<Value = Outcome> {
    prop_oneof![
        Just(Outcome::Timed),
        Just(Outcome::Compared),
        Just(Outcome::StoppedEarly),
        Just(Outcome::SameCode),
        text().prop_map(Outcome::NotCompiled),
        Just(Outcome::Wrong),
        text().prop_map(Outcome::Crashed),
        Just(Outcome::TimedOut),
        Just(Outcome::OutOfMemory),
    ]
}

fn trial() -> impl Strategy<Value = Trial> {
    let times = || vec(finite(), 0..9);
    let samples = (times(), times(), times(), times());
    let samples = samples.prop_map(|(warm, cold, incumbent, network)| Samples { warm, cold, incumbent, network });
    let texts = (text(), text(), text(), text(), text(), text());
    let numbers = (finite(), proptest::option::of(finite()), any::<u64>(), any::<u64>());
    (texts, outcome(), numbers, samples).prop_map(|(texts, outcome, numbers, samples)| {
        let (workload, input, output, candidate, code, against) = texts;
        let (estimate, error, workspace, packed) = numbers;
        let workload = Workload(workload);
        Trial {
            workload,
            input,
            output,
            candidate,
            outcome,
            estimate,
            error,
            workspace,
            packed,
            code,
            against,
            samples,
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn trials_survive(
        trials in vec(trial(), 1..5),
        (revision, machine, threads) in (text(), text(), any::<usize>()),
        (seed, command) in (any::<u64>(), text()),
    ) {
        let here = Setting { threads, ..setting(&revision, &machine) };
        let (_folder, first) = database();
        let mut session = first.begin_session(seed, &command).unwrap();
        for trial in &trials {
            first.append(&mut session, &here, trial).unwrap();
        }
        let (_other, second) = database();
        second.import(export(&first).as_bytes()).unwrap();
        prop_assert_eq!(export(&first), export(&second));
        for database in [&first, &second] {
            let log = database.session_log(session.id()).unwrap();
            prop_assert!(log.iter().all(|r| r.setting == here && r.session.seed == seed && r.session.command == command));
            let read: Vec<Trial> = log.into_iter().map(|record| record.trial).collect();
            prop_assert_eq!(&read, &trials);
            let of_first = database.trials(&here, &trials[0].workload).unwrap();
            prop_assert_eq!(&of_first[0], &trials[0]);
        }
    }
}

#[test]
fn what_json_cannot_hold_is_refused() {
    let (_folder, database) = database();
    let mut session = database.begin_session(1, "").unwrap();
    for wrong in [timed("x", &[1.0, f64::NAN]), Trial { estimate: f64::INFINITY, ..timed("x", &[1.0]) }] {
        let error = database.append(&mut session, &setting("a", "machine"), &wrong).unwrap_err();
        assert!(matches!(error, DatabaseError::Trial(_)) && error.to_string().contains("not finite"), "{error}");
    }
    for error in [f64::NAN, f64::INFINITY] {
        let trial = Trial { error: Some(error), ..ended("x", Outcome::Wrong) };
        database.append(&mut session, &setting("a", "machine"), &trial).unwrap();
    }
    assert!(database.session_log(session.id()).unwrap().iter().all(|record| record.trial.error.is_none()));
}
