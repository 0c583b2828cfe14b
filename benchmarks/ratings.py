"""Read a made-up file of 20 million ratings, as long as MovieLens's ml-20m: seconds, and memory for each line.

Exits with an error above 100 bytes a line. Linux only (ru_maxrss is in kB there).  python benchmarks/ratings.py
"""

import gzip
import resource
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

import cosim

USERS, ITEMS, EACH, LIMIT = 100_000, 27_000, 200, 100


def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def write(path, rng):
    """EACH different items for every user; a thousand users at a time share their items."""
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(b"userId,movieId,rating,timestamp\n")
        for start in range(0, USERS, 1000):
            items = rng.choice(ITEMS, size=EACH, replace=False)
            lines = [b",%d,%.1f,1112486027\n" % (item, 0.5 + 0.5 * (item % 10)) for item in items]
            file.write(b"".join(b"%d" % user + line for user in range(start, start + 1000) for line in lines))


with tempfile.TemporaryDirectory() as folder:
    path = Path(folder, "ratings.csv.gz")
    write(path, np.random.default_rng(0))
    before, started = peak(), time.process_time()
    X = cosim.read_ratings(path).X
    per_line = (peak() - before) / X.nnz
print(f"{X.nnz:,} ratings, {X.shape[0]:,} x {X.shape[1]:,}: {time.process_time() - started:.0f} s of one core, "
      f"{per_line:.0f} bytes a line at the peak, 12 of them in X")
if X.nnz != USERS * EACH or per_line > LIMIT:
    sys.exit(f"not {USERS * EACH:,} ratings, or more than {LIMIT} bytes a line")
