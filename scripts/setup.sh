#!/usr/bin/env bash
# What the checks need beside Rust: a C compiler and linker. Says what is missing.
set -eu
command -v cargo >/dev/null || { echo "cnnc needs Rust: https://rustup.rs" >&2; exit 1; }
command -v cc >/dev/null || { echo "cnnc needs a C compiler to link with (Debian: apt install gcc)" >&2; exit 1; }
