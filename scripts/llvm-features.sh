#!/usr/bin/env bash
# Prints the cargo flags for the best code generator this machine can have: `--features llvm` where LLVM 19's
# development files are there or can be installed with apt, nothing (Cranelift) otherwise. Messages go to stderr.
set -u
prefix=${LLVM_SYS_191_PREFIX:-/usr/lib/llvm-19}

have() { [ -x "$prefix/bin/llvm-config" ] && [ -e "$prefix/include/llvm-c/Core.h" ]; }

install() {
    command -v apt-get >/dev/null || { echo "cnnc: no apt-get here to install LLVM 19 with" >&2; return 1; }
    local sudo=
    if [ "$(id -u)" != 0 ]; then
        sudo=$(command -v sudo) || { echo "cnnc: neither root nor sudo: cannot install LLVM 19" >&2; return 1; }
    fi
    echo "cnnc: installing LLVM 19 (about 100 MB) with apt-get" >&2
    $sudo apt-get update -qq >&2 || true
    DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq --no-install-recommends llvm-19-dev >&2
}

if have || { [ "${CNNC_NO_INSTALL:-}" != 1 ] && install && have; }; then
    echo "--features llvm"
else
    echo "cnnc: LLVM 19 is not available: going on with Cranelift (slower code, no system package needed)" >&2
fi
