//! The hash over source files; the build script and the tests share it.

use std::io;
use std::path::Path;
use xxhash_rust::xxh3::Xxh3Default;

/// Hash of all Rust sources in those folders of `root`, in twelve hex digits.
///
/// Names and contents count, in the order of names; where `root` lies, dates and the file system's order do not. A
/// checkout with carriage returns is equal to one without.
pub fn revision(root: &Path, folders: &[&str]) -> io::Result<String> {
    let mut files = Vec::new();
    for folder in folders {
        collect(&root.join(folder), folder, &mut files)?;
    }
    files.sort();
    let mut hash = Xxh3Default::new();
    for (name, content) in &files {
        for part in [name.as_bytes(), content] {
            hash.update(&(part.len() as u64).to_le_bytes());
            hash.update(part);
        }
    }
    Ok(format!("{:012x}", hash.digest() >> 16))
}

/// Name, with slashes, and content of each source file of a folder.
fn collect(folder: &Path, name: &str, files: &mut Vec<(String, Vec<u8>)>) -> io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let Some(last) = path.file_name().and_then(|n| n.to_str()) else { continue };
        let name = format!("{name}/{last}");
        if path.is_dir() {
            collect(&path, &name, files)?;
        } else if last.ends_with(".rs") && !last.starts_with('.') {
            let mut content = std::fs::read(&path)?;
            content.retain(|byte| *byte != b'\r');
            files.push((name, content));
        }
    }
    Ok(())
}
