#!/usr/bin/env python3
"""Errors of compiled networks against f64: `scripts/errors.py OUT MODEL.onnx...` runs `cnnc check` on each model, with
the default bound and with 5e-6, and writes OUT.json and OUT.md. A model's inputs are MODEL.in.npy where that is there,
else seeded noise."""

import json
import pathlib
import subprocess
import sys

CNNC = pathlib.Path(__file__).parent.parent / "target/release/cnnc"


def check(model, bound):
    words = [CNNC, "check", model, "--json", "--threads", "2", "--max-error", bound]
    given = model.with_suffix(".in.npy")
    if given.exists():
        words += ["--input", given]
    done = subprocess.run([str(w) for w in words], capture_output=True, text=True)
    if not done.stdout:
        return {"refused": done.stderr.splitlines()[0] if done.stderr else f"ended with {done.returncode}"}
    report = json.loads(done.stdout)
    errors = [o["error"] for o in report["outputs"]]
    worst = float("inf") if None in errors else max(errors, default=0.0)
    return {"error": worst, "expected": report["expected_error"], "isa": report["isa"], "backend": report["backend"]}


def cell(result):
    return "refused" if "refused" in result else f"{result['error']:.1e} ({result['expected']:.1e})"


def main():
    out, models = pathlib.Path(sys.argv[1]), [pathlib.Path(m) for m in sys.argv[2:]]
    results = {}
    for model in models:
        results[model.stem] = {bound: check(model, bound) for bound in ("1e-4", "5e-6")}
        print(model.stem, *(cell(r) for r in results[model.stem].values()), flush=True)
    out.with_suffix(".json").write_text(json.dumps(results, indent=1) + "\n")
    isa = next((r["1e-4"]["isa"] for r in results.values() if "isa" in r["1e-4"]), "")
    lines = [
        "# Errors of whole networks against f64",
        "",
        f"`scripts/errors.py bench-results/errors MODEL.onnx...`: `cnnc check` of each model on {isa}, 2 threads: largest",
        "distance of any output from the imported model evaluated in f64, relative to the output's largest element. In",
        "brackets what the layers' declared errors add up to, which is what the bound is held against.",
        "",
        "| model | `--max-error 1e-4` | `--max-error 5e-6` |",
        "|---|---|---|",
    ]
    lines += [f"| {name} | {cell(r['1e-4'])} | {cell(r['5e-6'])} |" for name, r in results.items()]
    refused = [(n, b, r[b]["refused"]) for n, r in results.items() for b in r if "refused" in r[b]]
    lines += [""] + [f"- {n} at {b}: {what}" for n, b, what in refused]
    out.with_suffix(".md").write_text("\n".join(lines).rstrip() + "\n")


if __name__ == "__main__":
    main()
