#!/usr/bin/env bash
# Every check and test. Arguments: cargo flags, as llvm-features.sh prints them.
set -euo pipefail
cd "$(dirname "$0")/.."
step() { printf '\n== %s\n' "$*"; "$@"; }
step cargo fmt --all --check
step cargo clippy --workspace --all-targets "$@" -- -D warnings
if [ $# -gt 0 ]; then
    # The default build, with Rust alone, must hold too.
    step cargo check --workspace
fi
step scripts/conformance.sh
step cargo test --workspace "$@"
