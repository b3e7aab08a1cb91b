//! The revision of the code generator: times taken under one say nothing certain about another.

#[cfg(test)]
mod sources;

/// Hash of the sources of the crates `ir`, `lower` and `codegen`: of all that lies between a candidate and its machine
/// code. Equal on two checkouts of the same commit.
pub fn revision() -> &'static str {
    env!("CNNC_CODE_REVISION")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    const FOLDERS: [&str; 3] = ["ir/src", "lower/src", "codegen/src"];

    fn copy(from: &Path, to: &Path) {
        std::fs::create_dir_all(to).unwrap();
        let mut entries: Vec<_> = std::fs::read_dir(from).unwrap().map(|entry| entry.unwrap().path()).collect();
        entries.sort_by(|a, b| b.cmp(a));
        for path in entries {
            let target = to.join(path.file_name().unwrap());
            if path.is_dir() {
                copy(&path, &target)
            } else {
                std::fs::write(&target, std::fs::read(&path).unwrap()).unwrap()
            }
        }
    }

    #[test]
    fn it_is_of_the_sources_and_nothing_else() {
        let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let folder = tempfile::tempdir().unwrap();
        for name in FOLDERS {
            copy(&crates.join(name), &folder.path().join(name));
        }
        let of = || sources::revision(folder.path(), &FOLDERS).unwrap();
        assert_eq!(of(), revision(), "another path, other dates");
        assert!(revision().len() == 12 && revision().bytes().all(|b| b.is_ascii_hexdigit()));

        let file = folder.path().join("lower/src/lib.rs");
        let text = std::fs::read_to_string(&file).unwrap();
        std::fs::write(&file, text.replace('\n', "\r\n")).unwrap();
        std::fs::write(folder.path().join("ir/src/.lib.rs.swp"), "an editor's").unwrap();
        assert_eq!(of(), revision());
        std::fs::write(&file, text.clone() + "\n").unwrap();
        assert_ne!(of(), revision());
        std::fs::write(&file, &text).unwrap();
        std::fs::rename(folder.path().join("ir/src/expr.rs"), folder.path().join("ir/src/expression.rs")).unwrap();
        assert_ne!(of(), revision());
    }
}
