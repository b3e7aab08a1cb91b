"""Best time of a convolution against seconds of tuning: TVM's MetaSchedule and cnnc, one after the other, one thread.

    python -m venv T && T/bin/pip install apache-tvm==0.25.0 apache-tvm-ffi==0.1.12 numpy psutil cloudpickle scipy \
        xgboost tornado ml_dtypes
    T/bin/python scripts/against_tvm.py --cnnc target/release/cnnc --trials 160 --mcpu znver4 \
        --out bench-results/against-tvm-x86-64-v4 64,64,56,3 256,256,28,1 32,32,28,5

Layers are IN_CHANNELS,OUT_CHANNELS,IMAGE,KERNEL: fp32, batch 1, stride 1, same padding. TVM tunes the bare convolution
in NCHW for so many trials; cnnc gets the seconds that took, an empty database, and also computes bias and ReLU. Times are
as each tuner has them: the median of TVM's runs with warm caches; cnnc's as in a network, with weights in memory. Writes
OUT.json and the plot, OUT.svg; without layers, only the plot of what OUT.json holds.
"""

import argparse
import json
import math
import os
import statistics
import subprocess
import tempfile
import threading
import time
from pathlib import Path

os.environ["TVM_NUM_THREADS"] = "1"
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 420, 320, 52, 90, 40, 48
# Milliseconds that stand for a trial that gave no time.
FAILED = 1e9
LABELS = {"tvm": "TVM", "cnnc": "cnnc"}


def tvm_curve(layer, trials, mcpu):
    """(second, best milliseconds so far) of every trial of MetaSchedule, and how long all took."""
    import tvm
    from tvm import te, topi
    from tvm.s_tir import meta_schedule as ms

    cin, cout, image, kernel = layer
    x = te.placeholder((1, cin, image, image), name="x")
    w = te.placeholder((cout, cin, kernel, kernel), name="w")
    y = topi.nn.conv2d_nchw(x, w, 1, kernel // 2, 1)
    module = tvm.IRModule({"main": te.create_prim_func([x, w, y])})
    target = tvm.target.Target({"kind": "llvm", "mcpu": mcpu, "num-cores": 1})
    start, times, done = time.time(), [], threading.Event()

    def watch(records):
        seen = 0
        while not done.wait(0.5):
            lines = records.read_text().split("\n")[:-1] if records.exists() else []
            for line in lines[seen:]:
                ms = statistics.median(float(t) for t in json.loads(line)[1][1]) * 1e3
                times.append((time.time() - start, ms if ms < FAILED else math.inf))
            seen = len(lines)

    with tempfile.TemporaryDirectory() as folder:
        watcher = threading.Thread(target=watch, args=(Path(folder) / "database_tuning_record.json",))
        watcher.start()
        ms.tune_tir(module, target, work_dir=folder, max_trials_global=trials, num_trials_per_iter=32)
        seconds = time.time() - start
        time.sleep(1)
        done.set()
        watcher.join()
    return best_so_far(times), seconds, len(times)


def cnnc_curve(layer, seconds, program):
    """The same of `cnnc tune`, and how many candidates it timed."""
    cin, cout, image, kernel = layer
    pad = f" pad={kernel // 2}" if kernel > 1 else ""
    line = f"conv 1x{cin}x{image}x{image} {cout}x{cin}x{kernel}x{kernel}{pad} tail=bias+relu\n"
    with tempfile.TemporaryDirectory() as folder:
        layers = Path(folder) / "layer.txt"
        layers.write_text(line)
        command = [program, "tune", layers, "--budget", f"{seconds:.0f}s", "--threads", "1", "--json"]
        command += ["--db", f"{folder}/tuning.db", "-o", f"{folder}/layer.lock"]
        start, times, timed = time.time(), [], 0
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            for event in map(json.loads, process.stdout):
                if event["event"] == "standing" and event["timed"] > 0:
                    times.append((time.time() - start, event["layers_ms"]))
                    timed = event["timed"] + event["stopped_early"]
                if event["event"] == "list":
                    times.append((time.time() - start, event["layers"][0]["ms"]))
        if process.returncode:
            raise SystemExit(f"cnnc tune ended with {process.returncode}")
    return best_so_far(times), time.time() - start, timed


def best_so_far(times):
    best, curve = math.inf, []
    for second, ms in times:
        if ms < best:
            best = ms
            curve.append((round(second, 1), best))
    return curve


def ticks(low, high):
    """Round numbers of a logarithmic axis: 1, 2 and 5 times powers of ten."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    return [t for p in powers for t in (10**p, 2 * 10**p, 5 * 10**p) if low <= t <= high]


def plot(results):
    """A panel for each layer: seconds across, milliseconds up, both logarithmic, one staircase a tuner."""
    parts = []
    for k, result in enumerate(results):
        curves = {name: result[name]["best_ms"] for name in ("tvm", "cnnc")}
        end = max(result[name]["seconds"] for name in curves)
        first = min(curve[0][0] for curve in curves.values())
        every = [ms for curve in curves.values() for _, ms in curve]
        low, high = min(every) / 1.4, max(every) * 1.4
        left, right, top, bottom = k * WIDTH + LEFT, (k + 1) * WIDTH - RIGHT, TOP, HEIGHT - BOTTOM
        across = lambda s: left + math.log(s / first) / math.log(end / first) * (right - left)
        up = lambda ms: bottom - math.log(ms / low) / math.log(high / low) * (bottom - top)
        parts.append(f'<text x="{left}" y="20" class="title">{result["layer"]}</text>')
        for t in ticks(first, end):
            parts.append(f'<path d="M{across(t):.1f} {bottom}V{top}" class="grid"/>')
            parts.append(f'<text x="{across(t):.1f}" y="{bottom + 16}" text-anchor="middle">{t:g}</text>')
        for t in ticks(low, high):
            parts.append(f'<path d="M{left} {up(t):.1f}H{right}" class="grid"/>')
            parts.append(f'<text x="{left - 6}" y="{up(t) + 4:.1f}" text-anchor="end">{t:g}</text>')
        parts.append(f'<text x="{(left + right) / 2}" y="{HEIGHT - 10}" text-anchor="middle">seconds of tuning</text>')
        parts.append(f'<text x="{left}" y="{top - 6}" text-anchor="middle">ms</text>')
        for name, curve in curves.items():
            points = f"M{across(curve[0][0]):.1f} {up(curve[0][1]):.1f}"
            points += "".join(f"H{across(s):.1f}V{up(ms):.1f}" for s, ms in curve[1:]) + f"H{right}"
            parts.append(f'<path d="{points}" class="{name}"/>')
            parts.append(f'<text x="{right + 6}" y="{up(curve[-1][1]) + 4:.1f}">{LABELS[name]} {curve[-1][1]:.3f}</text>')
    style = "text{font:12px sans-serif}.title{font-weight:bold}path{fill:none}.grid{stroke:#ddd}"
    style += ".tvm{stroke:#c60;stroke-width:2}.cnnc{stroke:#06c;stroke-width:2}"
    width = WIDTH * len(results)
    body = "\n".join(parts)
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{HEIGHT}" viewBox="0 0 {width} {HEIGHT}">\n'
            f'<rect width="100%" height="100%" fill="white"/>\n<style>{style}</style>\n{body}\n</svg>\n')


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("layers", nargs="*")
    parser.add_argument("--cnnc", default="target/release/cnnc")
    parser.add_argument("--trials", type=int, default=160)
    parser.add_argument("--mcpu", default="native", help="the processor's name in LLVM: znver3, znver4, ..")
    parser.add_argument("--out", required=True)
    args = parser.parse_args()
    if not args.layers:
        Path(args.out + ".svg").write_text(plot(json.loads(Path(args.out + ".json").read_text())))
    results = []
    for text in args.layers:
        layer = [int(part) for part in text.split(",")]
        cin, cout, image, kernel = layer
        result = {"layer": f"{cin}->{cout} {kernel}x{kernel}@{image}", "gflop": 2e-9 * cin * cout * (kernel * image) ** 2}
        curve, seconds, trials = tvm_curve(layer, args.trials, args.mcpu)
        result["tvm"] = {"seconds": seconds, "trials": trials, "best_ms": curve}
        curve, took, trials = cnnc_curve(layer, seconds, args.cnnc)
        result["cnnc"] = {"seconds": took, "trials": trials, "best_ms": curve}
        results.append(result)
        ends = {name: result[name]["best_ms"][-1][1] for name in ("tvm", "cnnc")}
        passed = next((s for s, ms in result["cnnc"]["best_ms"] if ms < ends["tvm"]), math.inf)
        print(f"{result['layer']}: TVM {ends['tvm']:.3f} ms, cnnc {ends['cnnc']:.3f} ms after {seconds:.0f} s; "
              f"cnnc was below TVM's best after {passed:.0f} s")
        Path(args.out + ".json").write_text(json.dumps(results, indent=1) + "\n")
        Path(args.out + ".svg").write_text(plot(results))


if __name__ == "__main__":
    main()
