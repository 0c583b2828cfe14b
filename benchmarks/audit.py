"""What `cosim audit` costs on 1,000,000 x 128 float32: items, users, and a previous version of both.

    OPENBLAS_NUM_THREADS=1 python benchmarks/audit.py          about 3 minutes, and 2 GB in a temporary folder
    OPENBLAS_NUM_THREADS=1 python benchmarks/audit.py 100000   with as many rows

Prints the seconds of the clock and of processors (these have the bar: with one thread they are the clock of an idle machine)
and, sampled fifty times a second from /proc (Linux only), the peaks of two kinds of resident memory: what the process
allocated, and all, with the pages of mapped files that the system may take back. An error if a bar is missed.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

COLUMNS, ROWS_AT_A_TIME = 128, 50_000
MEGABYTES, SECONDS = 1000, 180


def tables(folder, n):
    """Items in 2,000 groups and users of the same width, and both rescaled by a diagonal matrix."""
    rng = np.random.default_rng(0)
    centre, d = rng.normal(size=(2000, COLUMNS)), rng.lognormal(0, 0.7, COLUMNS)
    files = {name: np.lib.format.open_memmap(folder / f"{name}.npy", "w+", "f4", (n, COLUMNS)) for name in ("q", "p", "q-old", "p-old")}
    for start in range(0, n, ROWS_AT_A_TIME):
        rows = slice(start, min(start + ROWS_AT_A_TIME, n))
        m = rows.stop - start
        P = rng.normal(size=(m, COLUMNS))
        Q = (centre[rng.integers(2000, size=m)] + rng.normal(size=(m, COLUMNS))) * np.geomspace(1, 0.1, COLUMNS) * rng.lognormal(0, 0.6, size=(m, 1))
        files["q"][rows], files["p"][rows], files["q-old"][rows], files["p-old"][rows] = Q, P, Q * d, P / d


def run(folder):
    """Seconds of the clock and of processors, MB allocated and MB resident at the peak."""
    command = [sys.executable, "-m", "cosim", "audit", "q.npy", "--users", "p.npy", "--previous", "q-old.npy", "--previous-users", "p-old.npy", "--quiet", "--json", "out.json"]
    start, child, peak = time.perf_counter(), subprocess.Popen(command, cwd=folder), {"RssAnon": 0, "VmRSS": 0}
    while (ended := os.wait4(child.pid, os.WNOHANG))[0] == 0:
        status = Path(f"/proc/{child.pid}/status").read_text(encoding="utf-8").splitlines()
        seen = {name: int(value.split()[0]) for name, _, value in (line.partition(":") for line in status) if name in peak}
        peak = {name: max(most, seen.get(name, 0)) for name, most in peak.items()}
        time.sleep(0.02)
    if ended[1]:
        sys.exit("the audit failed")
    return time.perf_counter() - start, ended[2].ru_utime + ended[2].ru_stime, peak["RssAnon"] / 1024, peak["VmRSS"] / 1024


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        tables(Path(folder), int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
        seconds, processor, allocated, resident = run(folder)
    print(f"{seconds:.0f} s, of processors {processor:.0f} s; allocated {allocated:.0f} MB, resident {resident:.0f} MB")
    if resident > MEGABYTES or processor > SECONDS:
        sys.exit(f"bar missed: {SECONDS} s of processors, {MEGABYTES} MB resident")
