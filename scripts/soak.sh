#!/usr/bin/env bash
# Long runs: the three fuzzers, then the property tests with many cases. Arguments: cargo flags.
# Each run appends a line of JSON to bench-results/soak.json. CNNC_SOAK_SECONDS (600) is the time of each fuzzer,
# CNNC_SOAK_SEED (today's date) its seed, CNNC_SOAK_CASES (20000) the cases of each property, CNNC_SOAK_CONVOLUTIONS
# (2000) the convolution problems.
set -uo pipefail
cd "$(dirname "$0")/.."
seconds=${CNNC_SOAK_SECONDS:-600}
seed=${CNNC_SOAK_SEED:-$(date -u +%Y%m%d)}
cases=${CNNC_SOAK_CASES:-20000}
results=bench-results/soak.json
mkdir -p bench-results
failed=0
date() { command date -u +%Y-%m-%dT%H:%M:%SZ; }
record() { # what seed seconds executions findings
    printf '{"date": "%s", "what": "%s", "seed": %s, "seconds": %s, "executions": %s, "findings": %s}\n' \
        "$(date)" "$1" "$2" "$3" "$4" "$5" | tee -a "$results"
}

scripts/conformance.sh
# With overflow checks and debug assertions: the development profile. The fuzzers need no code generator but Cranelift.
cargo build -p cnnc-fuzz || exit 1
for what in import text artifact; do
    from=$SECONDS
    CNNC_DATE=$(date) target/debug/cnnc-fuzz "$what" --seconds "$seconds" --seed "$seed" --result "$results"
    code=$?
    # 0 and 1 with a line in the results are the fuzzer's own word; a hang, a stack overflow or a fatal signal leaves
    # only the running input behind, target/fuzz/WHAT-running.
    if [ "$code" != 0 ]; then
        failed=1
        echo "fuzz $what ended with $code; inputs are in target/fuzz"
        [ "$code" = 1 ] && [ $((SECONDS - from)) -ge "$seconds" ] || record "fuzz $what (ended with $code)" "$seed" $((SECONDS - from)) 0 1
    fi
done
properties() { # what packages and tests...
    local what=$1 from=$SECONDS bad=0
    shift
    PROPTEST_CASES=$cases CNNC_RANDOM_BATCHES=$((cases / 100)) cargo test "$@" || bad=1
    failed=$((failed | bad))
    record "$what" 0 $((SECONDS - from)) "$cases" "$bad"
}
properties "properties of onnx" -p cnnc-onnx --test models_in_memory
properties "properties of texts" -p cnnc-ir --test graph_text --test kernel_random
properties "lowerings on the interpreter" -p cnnc-lower
properties "properties of artifacts" -p cnnc-artifact --test format
properties "random kernels on every backend" -p cnnc-codegen "$@"
# Convolutions take seconds each: machine code of every candidate for every instruction set.
problems=${CNNC_SOAK_CONVOLUTIONS:-2000}
from=$SECONDS bad=0
CNNC_CONVOLUTIONS=$problems CNNC_CONVOLUTIONS_SEED=$seed \
    cargo test --release -p cnnc-compiler "$@" --test convolutions -- --nocapture || bad=1
failed=$((failed | bad))
record "convolutions within their declared errors" "$seed" $((SECONDS - from)) "$problems" "$bad"
exit $failed
