#!/usr/bin/env bash
# Fetches the pinned onnx package and writes ONNX's backend tests to target/conformance, where the tests look for them.
# Where Python or the package index is out of reach it says so, and those tests are skipped.
set -u
cd "$(dirname "$0")/.."
out=target/conformance
if [ -f "$out/index.json" ]; then exit 0; fi
venv=target/conformance-venv
mkdir -p target
if python3 -m venv "$venv" >/dev/null 2>&1 &&
    "$venv/bin/pip" install -q --disable-pip-version-check onnx==1.23.2 numpy >/dev/null 2>&1 &&
    "$venv/bin/python" scripts/conformance.py "$out.part" && mv "$out.part" "$out"; then
    exit 0
fi
echo "ONNX's backend tests could not be fetched (python3 with venv and PyPI are needed): those tests are skipped"
