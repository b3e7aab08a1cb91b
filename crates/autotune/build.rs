//! Puts the revision of the code generating crates into the environment of the build.

#[path = "src/revision/sources.rs"]
mod sources;

use std::path::Path;

/// What lies between a candidate and its machine code.
const FOLDERS: [&str; 3] = ["ir/src", "lower/src", "codegen/src"];

fn main() -> std::io::Result<()> {
    // Cargo runs this in the folder of the package.
    let crates = Path::new("..");
    for folder in FOLDERS {
        println!("cargo:rerun-if-changed={}", crates.join(folder).display());
    }
    println!("cargo:rustc-env=CNNC_CODE_REVISION={}", sources::revision(crates, &FOLDERS)?);
    Ok(())
}
