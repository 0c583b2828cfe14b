"""How the two passes over clicks in files grow: with users, items, clicks and workers, up to 10^8 clicks.

    python benchmarks/clicks.py

For every row of SIZES: clicks are drawn and written to Parquet files of FILE clicks, then Dask workers read them once for
X^T X (where p is small) and once for X^T (X v) with a vector v. Seconds of the clock, processor seconds and peak memory of the
workers go to cosim/data/clicks.csv, row by row, so that it may be interrupted; rows that are there are not done again. The
last row takes 10 minutes or more on two cores, and 250 MB on disk.
"""

import csv
import logging
import os
import re
import tempfile
import time
from pathlib import Path

for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
    os.environ[variable] = "1"

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from dask.distributed import Client, LocalCluster, as_completed
from scipy import sparse

RECORD = Path(__file__).parents[1] / "cosim" / "data" / "clicks.csv"
COLUMNS = ["users", "items", "per_user", "workers", "clicks", "disk_mb", "pass", "seconds", "cpu_seconds", "worker_mb"]
FILE = 2_000_000
P_GRAM = 4_000
SIZES = [(25_000, 1_000, 70, 2), (100_000, 1_000, 70, 2), (100_000, 1_000, 70, 1), (100_000, 1_000, 17, 2),
         (100_000, 4_000, 70, 2), (100_000, 16_000, 70, 2), (400_000, 1_000, 70, 2), (2_130_000, 1_000, 70, 2),
         (2_130_000, 16_000, 70, 2)]


def write(path, first, users, p, per_user, seed):
    """Clicks of some users: items in proportion to 1 / rank, repetitions left out, so somewhat fewer than per_user."""
    rng = np.random.default_rng(seed)
    weight = 1 / np.arange(1, p + 1)
    item = np.searchsorted(np.cumsum(weight / weight.sum()), rng.random((users, per_user))).clip(max=p - 1)
    pair = np.unique(np.arange(users)[:, None] * p + item)
    pq.write_table(pa.table({"user": (first + pair // p).astype(np.int32), "item": (pair % p).astype(np.int32)}), path)


def clicks(path, p):
    table = pq.read_table(path)
    user = table["user"].to_numpy() - table["user"][0].as_py()
    return sparse.csr_array((np.ones(len(user)), (user, table["item"].to_numpy())), shape=(user[-1] + 1, p))


def gram(path, p):
    X = clicks(path, p)
    return (X.T @ X).toarray()


def product(path, p):
    X = clicks(path, p)
    return X.T @ (X @ np.ones(p))


def usage():
    """Processor seconds, and MB at the peak of this process alone: ru_maxrss would start at its parent's (Linux only)."""
    peak = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text(encoding="utf-8"))[1]
    return time.process_time(), int(peak) / 1e3


def one_pass(function, paths, p, workers):
    """Clock, processor seconds and peak MB of fresh workers; the sum is kept as one array."""
    with LocalCluster(n_workers=workers, threads_per_worker=1, memory_limit="1GB", dashboard_address=":0",
                      silence_logs=logging.CRITICAL) as cluster, Client(cluster) as client:
        before = sum(seconds for seconds, _ in client.run(usage).values())
        start, total = time.perf_counter(), 0
        for _, part in as_completed(client.map(function, paths, p=p), with_results=True):
            total = total + part
        clock = time.perf_counter() - start
        after = client.run(usage).values()
        return clock, sum(seconds for seconds, _ in after) - before, max(peak for _, peak in after)


def measure(users, items, per_user, workers):
    with tempfile.TemporaryDirectory() as folder:
        block = FILE // per_user
        for seed, first in enumerate(range(0, users, block)):
            write(Path(folder, f"{first:08}.parquet"), first, min(block, users - first), items, per_user, seed)
        paths = sorted(Path(folder).iterdir())
        count = sum(pq.read_metadata(path).num_rows for path in paths)
        disk = sum(path.stat().st_size for path in paths) / 1e6
        for function in [gram] * (items <= P_GRAM) + [product]:
            clock, cpu, peak = one_pass(function, paths, items, workers)
            yield [users, items, per_user, workers, count, round(disk, 1), function.__name__, round(clock, 2), round(cpu, 2), round(peak)]


def main():
    rows = list(csv.reader(RECORD.open(encoding="utf-8"))) if RECORD.exists() else [COLUMNS]
    for size in SIZES:
        if list(map(str, size)) not in [row[:4] for row in rows]:
            rows += [list(map(str, row)) for row in measure(*size)]
            with RECORD.open("w", encoding="utf-8", newline="") as file:
                csv.writer(file, lineterminator="\n").writerows(rows)
            print(*rows[-2:], sep="\n", flush=True)


if __name__ == "__main__":
    main()
