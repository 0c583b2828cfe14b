"""Run the multi-seed studies: `make experiments`, or one of them: `make experiments STUDIES=losses`.

A study is a module beside this one. It has

    COLUMNS     the columns of its table; the first four are KEY
    SETTINGS    what its numbers depend on, for the record
    LIBRARIES   the libraries that they depend on
    NUMERICS    the modules of cosim that they depend on
    tasks()     every (name of a function of the module, setting, seed) of the run
    USES        optional: the other studies whose functions it calls
    SMALL       optional: columns kept to three significant digits, not to four decimals

and functions (setting, seed) -> rows, each a dict with the columns of KEY and some of the others.

One task is one setting and one seed; its rows are written to a file of their own in experiments/.work/,
whole or not at all. So the run may be interrupted at any time: started again, it does only what is
missing. In the end all rows of a study are sorted into cosim/data/<study>.csv, and the settings, seeds
and library versions are recorded in cosim/data/<study>.json.
"""

import os

for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"):
    os.environ[variable] = "1"  # two processes share the cores; read when a worker imports numpy

import ast
import csv
import hashlib
import importlib
import json
import multiprocessing
import platform
import signal
import sys
from functools import partial
from importlib.metadata import version
from pathlib import Path

from tqdm import tqdm

HERE = Path(__file__).resolve().parent
DATA = HERE.parent / "cosim" / "data"
KEY = ["study", "setting", "seed", "method"]
STUDIES = sorted(path.stem for path in HERE.glob("*.py") if path != Path(__file__).resolve())


def record(study):
    """What the numbers depend on."""
    return dict(command="make experiments", **study.SETTINGS, python=platform.python_version(),
                libraries={name: version(name) for name in study.LIBRARIES})


def fingerprint(study):
    """Changes with the measuring code, cosim's numerics and the versions: no result outlives them."""
    studies = study.__name__, *getattr(study, "USES", ())
    sources = [*(HERE / f"{name}.py" for name in studies), *(HERE.parent / "cosim" / f"{name}.py" for name in study.NUMERICS)]
    parts = [_code(path) for path in sources] + [json.dumps(record(study)["libraries"])]
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


def work(task, study, folder):
    """Do one task of the study of this name and store its rows; the rename makes them appear all at once."""
    study = importlib.import_module(study)
    name, setting, seed = task
    small = getattr(study, "SMALL", ())
    rows = [{column: _plain(row.get(column), column in small) for column in study.COLUMNS}
            for row in getattr(study, name)(setting, seed)]
    path = path_of(task, folder)
    partial = path.with_suffix(f".{os.getpid()}.partial")
    with partial.open("w", encoding="utf-8") as file:
        json.dump(rows, file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(partial, path)


def _plain(value, small):
    """Four decimals, or three digits: more than any conclusion needs, fewer than machines agree on."""
    if value is None or isinstance(value, (str, int)):
        return value
    value = float(f"{value:.3g}" if small else round(float(value), 4)) + 0.0  # + 0.0: no minus zero
    return None if value != value else value


def run(study, folder, job=work, processes=2, todo=None):
    """Do what is missing of the tasks, in parallel, with a progress bar. Interrupts lose no finished task."""
    todo = list(todo or study.tasks())
    folder.mkdir(parents=True, exist_ok=True)
    missing = [task for task in todo if not path_of(task, folder).exists()]
    context = multiprocessing.get_context("spawn")  # fresh processes: one BLAS thread each, on every system
    ignore = signal.SIGINT, signal.SIG_IGN  # Ctrl-C is the parent's business, which then ends the workers
    do = partial(job, study=study.__name__, folder=folder)
    with (tqdm(total=len(todo), initial=len(todo) - len(missing), desc=study.__name__, unit="task", smoothing=0.05) as bar,
          context.Pool(processes, signal.signal, ignore) as pool):
        for _ in pool.imap_unordered(do, missing):
            bar.update()


def assemble(study, folder, data, todo=None):
    """Sort all rows into one table, and write it and the record next to each other."""
    rows = [row for task in todo or study.tasks()
            for row in json.loads(path_of(task, folder).read_text(encoding="utf-8"))]
    rows.sort(key=lambda row: (row["study"], row["setting"], row["method"], row["seed"]))
    with (data / f"{study.__name__}.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, study.COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    (data / f"{study.__name__}.json").write_text(json.dumps(record(study), indent=1) + "\n", encoding="utf-8")
    return len(rows)


def main(names):
    if unknown := set(names) - set(STUDIES):
        sys.exit(f"STUDIES must be among {', '.join(STUDIES)}; got {', '.join(sorted(unknown))}")
    for study in map(importlib.import_module, names or STUDIES):
        folder = HERE / ".work" / fingerprint(study)
        try:
            run(study, folder)
        except KeyboardInterrupt:
            sys.exit("\nInterrupted; `make experiments` goes on from here.")
        print(f"{assemble(study, folder, DATA)} rows in {DATA / study.__name__}.csv")


if __name__ == "__main__":
    main(sys.argv[1:])
