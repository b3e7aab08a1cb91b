//! Rules of the codebase that no compiler checks: layers of crates, module docs, file sizes.

#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};

/// Which crates each crate may depend on, itself left out. Tests may depend on more.
const LAYERS: &[(&str, &[&str])] = &[
    ("tensor", &[]),
    ("ir", &["tensor"]),
    ("onnx", &["tensor", "ir"]),
    ("passes", &["tensor", "ir"]),
    ("lower", &["tensor", "ir"]),
    ("artifact", &["tensor"]),
    ("codegen", &["tensor", "ir", "artifact"]),
    ("runtime", &["tensor", "artifact"]),
    ("compiler", &["tensor", "ir", "onnx", "passes", "lower", "codegen", "artifact"]),
    ("autotune", &["tensor", "ir", "lower", "codegen", "artifact", "runtime", "compiler"]),
    ("cnnc", &["tensor", "ir", "onnx", "passes", "lower", "codegen", "artifact", "runtime", "compiler", "autotune"]),
    ("fuzz", &["tensor", "ir", "onnx", "passes", "lower", "codegen", "artifact", "runtime", "compiler"]),
];

/// No source file may be longer; tables (`*_table.rs`) may.
const MAX_LINES: usize = 800;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

#[test]
fn no_crate_uses_one_above_it() {
    for entry in std::fs::read_dir(root().join("crates")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let manifest = std::fs::read_to_string(root().join("crates").join(&name).join("Cargo.toml")).unwrap();
        let (_, allowed) =
            LAYERS.iter().find(|(n, _)| *n == name).unwrap_or_else(|| panic!("crate {name} has no layer"));
        let section = manifest.split("\n[").find(|s| s.starts_with("dependencies]")).unwrap_or_default();
        for line in section.lines() {
            let Some(rest) = line.strip_prefix("cnnc-") else { continue };
            let used: String = rest.chars().take_while(|c| c.is_ascii_lowercase()).collect();
            assert!(allowed.contains(&used.as_str()), "crate {name} may not depend on cnnc-{used}");
        }
    }
}

#[test]
fn every_source_file_has_a_module_doc_and_a_sane_size() {
    let mut files = Vec::new();
    collect(&root().join("crates"), &mut files);
    assert!(files.len() > 50, "source files were not found");
    for path in files {
        let text = std::fs::read_to_string(&path).unwrap();
        let name = path.display();
        assert!(text.starts_with("//!"), "{name}: no module doc");
        let table = path.file_stem().is_some_and(|s| s.to_string_lossy().ends_with("_table"));
        assert!(table || text.lines().count() <= MAX_LINES, "{name}: more than {MAX_LINES} lines");
    }
}

#[test]
fn passes_never_see_a_target() {
    let mut files = Vec::new();
    collect(&root().join("crates/passes/src"), &mut files);
    for path in files {
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(!text.contains("Target"), "{}: a pass may not know the target", path.display());
    }
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|e| e == "rs") {
            files.push(path);
        }
    }
}
