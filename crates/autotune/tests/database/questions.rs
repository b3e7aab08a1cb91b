//! What the database answers.

use super::*;
use cnnc_autotune::database::{Keep, Limits};

const WIDE: Limits = Limits { max_error: 1.0, max_workspace: u64::MAX };

#[test]
fn trials_are_listed_as_they_were_made() {
    let (_folder, database) = database();
    let here = setting("a", "machine");
    let mut first = database.begin_session(u64::MAX, "cnnc tune x").unwrap();
    let mut second = database.begin_session(7, "cnnc tune y").unwrap();
    let trials: Vec<Trial> = (0..6).map(|k| timed(&format!("direct(mr={k})"), &[1.0])).collect();
    for (k, trial) in trials.iter().enumerate() {
        let session = if k % 2 == 0 { &mut first } else { &mut second };
        assert_eq!(database.append(session, &here, trial).unwrap(), k as u64 / 2);
    }
    let other = Trial { workload: Workload("fc 1x8 8x8".into()), ..trials[0].clone() };
    database.append(&mut first, &here, &other).unwrap();

    let order = [0, 2, 4, 1, 3, 5].map(|k: usize| trials[k].clone());
    assert_eq!(database.trials(&here, &workload()).unwrap(), order);
    assert_eq!(database.trials(&setting("b", "machine"), &workload()).unwrap(), []);
    assert_eq!(database.workloads().unwrap(), [workload(), other.workload.clone()]);
    assert_eq!(database.settings().unwrap(), std::slice::from_ref(&here));
    let log = database.session_log(first.id()).unwrap();
    assert_eq!(log.iter().map(|record| record.index).collect::<Vec<_>>(), [0, 1, 2, 3]);
    assert_eq!((&log[0].trial, &log[3].trial, first.trials()), (&trials[0], &other, 4));
    assert!(log.iter().all(|record| record.setting == here && record.time >= record.session.started));

    let name = first.id().to_string();
    database.end_session(first).unwrap();
    let sessions = database.sessions().unwrap();
    assert_eq!(
        (sessions[0].id.as_str(), sessions[0].seed, sessions[0].command.as_str()),
        (&*name, u64::MAX, "cnnc tune x")
    );
    assert!(sessions[0].ended.is_some_and(|ended| ended >= sessions[0].started) && sessions[1].ended.is_none());
}

#[test]
fn the_best_is_by_time_within_limits() {
    let (_folder, database) = database();
    let here = setting("a", "machine");
    let mut session = database.begin_session(1, "").unwrap();
    let mut add = |trial: Trial| database.append(&mut session, &here, &trial).map(drop).unwrap();
    add(timed("steady", &[3.0, 3.0, 3.0]));
    add(timed("jumpy", &[3.5, 4.0, 9.0, 9.0]));
    add(timed("twice", &[5.0, 5.0]));
    add(timed("twice", &[1.0, 1.0, 1.0]));
    add(Trial { error: Some(1e-3), ..timed("rough", &[0.1]) });
    add(Trial { workspace: 1 << 40, ..timed("large", &[0.1]) });
    add(timed("wrong once", &[0.1]));
    add(ended("wrong once", Outcome::Wrong));
    add(timed("wrong once", &[0.1]));
    add(timed("crashes now", &[0.1]));
    add(ended("crashes now", Outcome::Crashed("SIGILL".into())));
    add(timed("slow beside another", &[8.0]));
    add(ended("slow beside another", Outcome::StoppedEarly));
    add(Trial { code: "old".into(), ..timed("changed", &[0.1, 0.1, 0.1]) });
    add(timed("changed", &[7.0]));
    add(Trial { error: None, ..timed("unchecked", &[0.1]) });
    add(timed("not cold", &[]));
    add(Trial { outcome: Outcome::SameCode, ..timed("same", &[]) });

    let limits = Limits { max_error: 1e-4, max_workspace: 1 << 30 };
    let best = database.best(&here, &workload(), limits, 10).unwrap();
    let names: Vec<(&str, f64, usize)> =
        best.iter().map(|r| (r.trial.candidate.as_str(), r.seconds, r.measurements)).collect();
    let want = [("twice", 1.0, 2), ("steady", 3.0, 1), ("jumpy", 6.5, 1), ("changed", 7.0, 1)];
    assert_eq!(names, [&want[..], &[("slow beside another", 8.0, 1)]].concat());
    assert_eq!(best[0].trial.samples.cold, [5.0, 5.0, 1.0, 1.0, 1.0]);
    assert_eq!(database.best(&here, &workload(), limits, 2).unwrap(), best[..2]);
    let wide = database.best(&here, &workload(), WIDE, 2).unwrap();
    assert_eq!(wide.iter().map(|r| r.trial.candidate.as_str()).collect::<Vec<_>>(), ["large", "rough"]);
    assert_eq!(database.best(&setting("a", "other"), &workload(), WIDE, 9).unwrap(), []);
}

#[test]
fn priors_are_of_other_settings_alone() {
    let (_folder, database) = database();
    let here = setting("a", "machine");
    let mut session = database.begin_session(1, "").unwrap();
    database.append(&mut session, &here, &timed("here", &[1.0])).unwrap();
    database.append(&mut session, &setting("a", "other"), &timed("there", &[2.0, 4.0])).unwrap();
    database.append(&mut session, &setting("b", "machine"), &timed("before", &[])).unwrap();
    database.append(&mut session, &setting("b", "machine"), &ended("never", Outcome::TimedOut)).unwrap();
    let priors = database.priors(&here, &workload()).unwrap();
    let seen: Vec<_> = priors.iter().map(|p| (p.candidate(), p.seconds_there())).collect();
    assert_eq!(seen, [("there", Some(3.0)), ("before", Some(0.5)), ("never", None)]);
    assert_eq!(
        (priors[0].setting(), priors[0].input(), priors[2].outcome()),
        (&setting("a", "other"), "c16", &Outcome::TimedOut)
    );
}

#[test]
fn old_trials_are_dropped_and_counted() {
    let (_folder, database) = database();
    let (now, before) = (setting("now", "machine"), setting("before", "machine"));
    let mut old = database.begin_session(1, "").unwrap();
    for (setting, trial) in [
        (&before, timed("x", &[1.0])),
        (&before, timed("x", &[2.0])),
        (&before, ended("x", Outcome::StoppedEarly)),
        (&setting("before", "other"), timed("x", &[3.0])),
    ] {
        database.append(&mut old, setting, &trial).unwrap();
    }
    database.end_session(old).unwrap();
    let mut new = database.begin_session(2, "").unwrap();
    for trial in [timed("x", &[1.0]), timed("x", &[2.0]), ended("y", Outcome::Wrong), ended("y", Outcome::SameCode)] {
        database.append(&mut new, &now, &trial).unwrap();
    }
    let stats = database.stats().unwrap();
    let of = |t: &cnnc_autotune::database::Tally| {
        (t.name.clone(), t.trials, t.timed, t.stopped_early, t.same_code, t.failed)
    };
    assert_eq!((stats.sessions, of(&stats.total)), (2, ("all".into(), 8, 5, 1, 1, 1)));
    assert_eq!(
        stats.machines.iter().map(of).collect::<Vec<_>>(),
        [("machine".into(), 7, 4, 1, 1, 1), ("other".into(), 1, 1, 0, 0, 0)]
    );
    assert_eq!(
        (stats.revisions.len(), stats.workloads[0].trials, stats.outcomes[0].clone()),
        (2, 8, ("timed".into(), 5))
    );

    let keep = Keep { revision: "now", priors: true, superseded: true };
    assert_eq!(database.gc_dry(keep).unwrap().trials, 2);
    assert_eq!(database.gc(keep).unwrap().trials, 2);
    let priors = database.priors(&now, &workload()).unwrap();
    assert_eq!(priors.iter().map(|p| p.seconds_there()).collect::<Vec<_>>(), [Some(2.0), Some(3.0)]);
    let dropped = database.gc(Keep { priors: false, superseded: false, ..keep }).unwrap();
    assert_eq!((dropped.trials, dropped.sessions), (3, 1));
    assert_eq!(database.trials(&now, &workload()).unwrap().len(), 3);
    assert_eq!(database.settings().unwrap(), std::slice::from_ref(&now));
    database.append(&mut new, &now, &timed("z", &[1.0])).unwrap();
    database.check().unwrap();
}
