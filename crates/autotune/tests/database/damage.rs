//! Files that are no databases, or were.

use super::*;
use cnnc_autotune::DatabaseError;
use std::path::Path;

/// Everything that reads all there is.
fn read_all(path: &Path) -> Result<(), DatabaseError> {
    let database = Database::open(path)?;
    database.stats()?;
    database.sessions()?;
    database.export(&mut std::io::sink()).map(drop)
}

#[test]
fn other_files_are_named_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    assert!(matches!(Database::open(&path), Err(DatabaseError::Missing { .. })) && !path.exists());
    for content in [&b""[..], b"x", &[7; 5000]] {
        std::fs::write(&path, content).unwrap();
        let error = Database::open(&path).unwrap_err();
        assert!(matches!(error, DatabaseError::Foreign { .. }), "{error}");
        assert!(error.to_string().contains(&path.display().to_string()) && error.is_users());
        assert_eq!(std::fs::read(&path).unwrap(), content);
    }
    assert!(Database::open_or_create(&path).is_err());
    assert!(matches!(Database::open(folder.path()), Err(DatabaseError::Open { .. })));
    assert!(Database::open_or_create(Path::new("/proc/none/tuning.db")).is_err());
    assert!(Database::open_or_create(&path.join("tuning.db")).is_err());

    let foreign = folder.path().join("foreign.db");
    let connection = rusqlite::Connection::open(&foreign).unwrap();
    connection.execute_batch("CREATE TABLE trials (id INTEGER PRIMARY KEY)").unwrap();
    assert!(matches!(Database::open_or_create(&foreign), Err(DatabaseError::Foreign { .. })));
}

#[test]
fn altered_tables_are_damage() {
    for change in [
        "DROP TABLE trials",
        "UPDATE trials SET outcome = 'splendid'",
        "UPDATE trials SET reason = 'none'",
        "UPDATE trials SET cold = x'0102'",
        "UPDATE trials SET candidate = CAST(x'ff' AS TEXT)",
        "PRAGMA user_version = -1",
        "PRAGMA foreign_keys = OFF; DELETE FROM sessions",
    ] {
        let (_folder, database) = database();
        let mut session = database.begin_session(1, "").unwrap();
        database.append(&mut session, &setting("a", "machine"), &timed("x", &[1.0])).unwrap();
        let connection = rusqlite::Connection::open(database.path()).unwrap();
        connection.execute_batch(change).unwrap();
        let error = read_all(database.path()).unwrap_err();
        assert!(matches!(error, DatabaseError::Damaged { .. }) && error.is_users(), "{change}: {error}");
    }
}

#[test]
fn no_damage_to_the_bytes_panics() {
    let (folder, database) = database();
    let mut session = database.begin_session(1, "cnnc tune").unwrap();
    for k in 0..60 {
        let trial = timed(&format!("direct(mr={k})"), &[k as f64; 40]);
        database.append(&mut session, &setting("a", "machine"), &trial).unwrap();
    }
    let path = database.path().to_path_buf();
    drop(database);
    let good = std::fs::read(&path).unwrap();
    let bad = folder.path().join("bad.db");
    let mut failures = 0;
    let mut check = |content: &[u8]| {
        std::fs::write(&bad, content).unwrap();
        let read = read_all(&bad);
        for extension in ["db-wal", "db-shm"] {
            let _ = std::fs::remove_file(bad.with_extension(extension));
        }
        failures += usize::from(read.is_err());
    };
    for length in [1, 50, 99, 100, 4095, 4096, good.len() / 2, good.len() - 4096, good.len() - 1] {
        check(&good[..length]);
    }
    let mut state = 1u64;
    for _ in 0..150 {
        let mut content = good.clone();
        for _ in 0..4 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let at = (state >> 33) as usize % content.len();
            content[at] ^= 1 << (state >> 61);
        }
        check(&content);
    }
    assert!(failures > 20, "{failures}");
}
