"""Run the multi-seed experiments: `make experiments`, a few minutes on two cores.

One task is one setting and one seed; its rows are written to a file of their own in experiments/.work/,
whole or not at all. So the run may be interrupted at any time: started again, it does only what is
missing. In the end all rows are sorted into cosim/data/experiments.csv, and the settings, seeds and
library versions are recorded in cosim/data/experiments.json.
"""

import os

for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"):
    os.environ[variable] = "1"  # two processes share the cores; read when a worker imports numpy

import ast
import csv
import hashlib
import json
import multiprocessing
import platform
import signal
import sys
from functools import partial
from importlib.metadata import version
from pathlib import Path

import measure
from tqdm import tqdm

HERE = Path(__file__).resolve().parent
DATA = HERE.parent / "cosim" / "data"
COLUMNS = ["study", "setting", "seed", "method", "auc", "precision", "auc_head", "auc_tail", "ari", "recall",
           "rank", "leverage", "cos_head", "overlap", "rank_corr", "error2", "error3", "error4", "error5"]
SEEDS = range(20)
SEEDS_PER_VARIANT = range(10)  # of the sensitivity study: 17 settings
LIBRARIES = ["numpy", "scipy", "scikit-learn"]


def tasks():
    """Every (function of measure, setting, seed) of the run."""
    for name, settings, seeds in (
            ("figure1", ["fixed", *measure.FIGURE1_VARIANTS], SEEDS), ("recovery", ["default"], SEEDS),
            ("retrieval", ["default"], SEEDS), ("sensitivity", measure.VARIANTS, SEEDS_PER_VARIANT),
            ("remedies", ["default"], SEEDS)):
        yield from ((name, setting, seed) for setting in settings for seed in seeds)


def record():
    """What the numbers depend on."""
    return dict(
        command="make experiments", seeds=list(SEEDS), seeds_per_variant=list(SEEDS_PER_VARIANT), users=measure.N, items=measure.P, clusters=measure.C,
        lambda_1=measure.LAM1, lambda_2=measure.LAM2, k=measure.K, neighbours=measure.M,
        figure1=measure.FIGURE1, figure1_variants=measure.FIGURE1_VARIANTS, variants=measure.VARIANTS,
        python=platform.python_version(), libraries={name: version(name) for name in LIBRARIES})


def fingerprint():
    """Changes with the measuring code, cosim's numerics and the versions: no result outlives them."""
    names = "_checks", "models", "recovery", "remedies", "similarity", "simulate"
    sources = [HERE / "measure.py", *(HERE.parent / "cosim" / f"{name}.py" for name in names)]
    parts = [_code(path) for path in sources] + [json.dumps(record()["libraries"])]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:12]


def _code(path):
    """The code of a module without its comments and docstrings, which change no result."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and ast.get_docstring(node) is not None:
            node.body = node.body[1:]
    return ast.dump(tree)


def path_of(task, folder):
    """The file that holds a finished task."""
    return folder / ("-".join(str(part).replace(" ", "_") for part in task) + ".json")


def work(task, folder):
    """Do one task and store its rows; the rename makes them appear all at once."""
    name, setting, seed = task
    rows = [{column: _plain(row.get(column)) for column in COLUMNS} for row in getattr(measure, name)(setting, seed)]
    path = path_of(task, folder)
    partial = path.with_suffix(f".{os.getpid()}.partial")
    with partial.open("w", encoding="utf-8") as file:
        json.dump(rows, file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(partial, path)


def _plain(value):
    """Four decimals: more than any conclusion needs, fewer than machines agree on."""
    if value is None or isinstance(value, (str, int)):
        return value
    value = round(float(value), 4) + 0.0  # + 0.0: no minus zero
    return None if value != value else value


def run(todo, folder, job=work, processes=2):
    """Do what is missing of the tasks, in parallel, with a progress bar. Interrupts lose no finished task."""
    todo = list(todo)
    folder.mkdir(parents=True, exist_ok=True)
    missing = [task for task in todo if not path_of(task, folder).exists()]
    context = multiprocessing.get_context("spawn")  # fresh processes: one BLAS thread each, on every system
    ignore = signal.SIGINT, signal.SIG_IGN  # Ctrl-C is the parent's business, which then ends the workers
    with (tqdm(total=len(todo), initial=len(todo) - len(missing), unit="task", smoothing=0.05) as bar,
          context.Pool(processes, signal.signal, ignore) as pool):
        for _ in pool.imap_unordered(partial(job, folder=folder), missing):
            bar.update()


def assemble(todo, folder, data):
    """Sort all rows into one table, and write it and the record next to each other."""
    rows = [row for task in todo for row in json.loads(path_of(task, folder).read_text(encoding="utf-8"))]
    rows.sort(key=lambda row: (row["study"], row["setting"], row["method"], row["seed"]))
    with (data / "experiments.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    (data / "experiments.json").write_text(json.dumps(record(), indent=1) + "\n", encoding="utf-8")
    return len(rows)


def main():
    folder = HERE / ".work" / fingerprint()
    try:
        run(tasks(), folder)
    except KeyboardInterrupt:
        sys.exit("\nInterrupted; `make experiments` goes on from here.")
    count = assemble(tasks(), folder, DATA)
    print(f"{count} rows in {DATA / 'experiments.csv'}")


if __name__ == "__main__":
    main()
