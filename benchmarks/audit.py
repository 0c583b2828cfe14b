"""What `cosim audit` costs on 1,000,000 x 128 float32.

    OPENBLAS_NUM_THREADS=1 python benchmarks/audit.py                      items, users and a previous version of both
    OPENBLAS_NUM_THREADS=1 python benchmarks/audit.py labels pairs         items, users, ids, and a label for every item; then a million known pairs
    OPENBLAS_NUM_THREADS=1 python benchmarks/audit.py --rows 100000        with as many rows

About 3 minutes each, and 2 GB in a temporary folder. Prints the seconds of the clock and of processors (these have the bar: with one thread they are
the clock of an idle machine) and, sampled fifty times a second from /proc (Linux only), the peaks of two kinds of resident memory: what the process
allocated, and all, with the pages of mapped files that the system may take back. An error if a bar is missed.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

COLUMNS, ROWS_AT_A_TIME, GROUPS = 128, 50_000, 2000
MEGABYTES, SECONDS = 1000, 180
RUNS = {"versions": ["--previous", "q-old.npy", "--previous-users", "p-old.npy"], "labels": ["--ids", "ids.txt", "--labels", "labels.csv"],
        "pairs": ["--ids", "ids.txt", "--pairs", "pairs.csv"]}


def tables(folder, n):
    """Items in groups and users of the same width, both rescaled by a diagonal matrix, and what is known about the items."""
    rng = np.random.default_rng(0)
    centre, d, group = rng.normal(size=(GROUPS, COLUMNS)), rng.lognormal(0, 0.7, COLUMNS), rng.integers(GROUPS, size=n)
    files = {name: np.lib.format.open_memmap(folder / f"{name}.npy", "w+", "f4", (n, COLUMNS)) for name in ("q", "p", "q-old", "p-old")}
    for start in range(0, n, ROWS_AT_A_TIME):
        rows = slice(start, min(start + ROWS_AT_A_TIME, n))
        m = rows.stop - start
        P = rng.normal(size=(m, COLUMNS))
        Q = (centre[group[rows]] + rng.normal(size=(m, COLUMNS))) * np.geomspace(1, 0.1, COLUMNS) * rng.lognormal(0, 0.6, size=(m, 1))
        files["q"][rows], files["p"][rows], files["q-old"][rows], files["p-old"][rows] = Q, P, Q * d, P / d
    written(folder / "ids.txt", (f"item {i}" for i in range(n)))
    written(folder / "labels.csv", (f"item {i},group {g}" for i, g in enumerate(group)))
    near = np.argsort(group, kind="stable")  # neighbours in this order are mostly of one group
    left, right = np.r_[near[:-1:2], rng.integers(n, size=n - n // 2)], np.r_[near[1::2], rng.integers(n, size=n - n // 2)]
    written(folder / "pairs.csv", (f"item {i},item {j},{int(group[i] == group[j])}" for i, j in zip(left, right)))


def written(path, lines):
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def run(folder, options):
    """Seconds of the clock and of processors, MB allocated and MB resident at the peak."""
    command = [sys.executable, "-m", "cosim", "audit", "q.npy", "--users", "p.npy", *options, "--quiet", "--json", "out.json"]
    start, child, peak = time.perf_counter(), subprocess.Popen(command, cwd=folder), {"RssAnon": 0, "VmRSS": 0}
    while (ended := os.wait4(child.pid, os.WNOHANG))[0] == 0:
        status = Path(f"/proc/{child.pid}/status").read_text(encoding="utf-8").splitlines()
        seen = {name: int(value.split()[0]) for name, _, value in (line.partition(":") for line in status) if name in peak}
        peak = {name: max(most, seen.get(name, 0)) for name, most in peak.items()}
        time.sleep(0.02)
    if ended[1]:
        sys.exit("the audit failed")
    return time.perf_counter() - start, ended[2].ru_utime + ended[2].ru_stime, peak["RssAnon"] / 1024, peak["VmRSS"] / 1024


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("runs", nargs="*", default=["versions"], choices=[*RUNS, ["versions"]])
    parser.add_argument("--rows", type=int, default=1_000_000)
    given, missed = parser.parse_args(), False
    with tempfile.TemporaryDirectory() as folder:
        tables(Path(folder), given.rows)
        for name in given.runs:
            seconds, processor, allocated, resident = run(folder, RUNS[name])
            print(f"{name}: {seconds:.0f} s, of processors {processor:.0f} s; allocated {allocated:.0f} MB, resident {resident:.0f} MB", flush=True)
            missed |= resident > MEGABYTES or processor > SECONDS
    sys.exit(f"bar missed: {SECONDS} s of processors, {MEGABYTES} MB resident" if missed else 0)


if __name__ == "__main__":
    main()
