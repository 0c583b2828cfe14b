"""Plant mistakes and count which claims they turn red: `make mutations`, resumable, two processes.

Mistakes are planted in the functions of cosim (edits.toml), in the chapters' own code (an operator, a constant, an
argument changed) and in the data that a check reads (a row negated, a column scaled, a constant matrix, a permuted
label, the weakest dimension wrong). A chapter's cells run in order in one process; where a mistake acts first, the
process forks, and the child makes it and runs on for a few claims. Checks record instead of raising. A mistake counts
against the claims that fail, not against a cell that crashes.

The mistakes and what they turned red are in mutations/results.csv, the counts per claim in cosim/data/mutations.csv.
"""

import os

for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"  # read when numpy is imported

import ast
import contextlib
import copy
import csv
import hashlib
import inspect
import io
import json
import multiprocessing
import sys
import time
import tomllib
import warnings
from collections import Counter
from functools import partial
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pandas as pd
from scipy import sparse
from tqdm import tqdm

import cosim  # noqa: F401: its modules are edited
from cosim import claims

HERE = Path(__file__).resolve().parent
BOOK = HERE.parent / "book"
RESULTS, COUNTS = HERE / "results.csv", HERE.parent / "cosim" / "data" / "mutations.csv"
COLUMNS = ["mistake", "chapter", "kind", "cell", "what", "reached", "red", "crashed"]
HORIZON = 4  # a mistake is followed until so many claims were met, or up to the next cell with hard work in it
HARD = ("simulate_clicks(", "train_cosine(", "minimize(", "spectrum(", "for seed in")
ENOUGH, LEAST, MOST = 3, 4, 12  # in a cell with checks: until each claim was red so often; so many mistakes at least, at most
PER_CELL = 4  # edits of cosim for each cell in which their functions are called first


# --- chapters -----------------------------------------------------------------------------------------

def cells(chapter):
    """(index, source) of the code cells."""
    notebook = nbformat.read(BOOK / f"{chapter}.ipynb", as_version=4)
    return [(i, cell.source) for i, cell in enumerate(notebook.cells) if cell.cell_type == "code"]


def checked(source):
    """The claims that a cell checks."""
    return [node.args[0].value for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)
            and getattr(node.func, "attr", "") == "check" and isinstance(node.args[0], ast.Constant)]


def chapters():
    """Every notebook with a check, by name."""
    return sorted(path.stem for path in BOOK.glob("*.ipynb") if "claims.check(" in path.read_text(encoding="utf-8"))


class Recorder:
    """Takes the place of claims.check: keeps what failed, raises nothing."""

    def __init__(self):
        self.reached, self.red = [], []

    def __call__(self, claim_id, left, right):
        self.reached.append(claim_id)
        try:
            check(claim_id, left, right)
        except (AssertionError, ValueError):
            self.red.append(claim_id)


check = claims.check


def run_cell(source, namespace):
    """Execute a cell without its output."""
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        exec(compile(source, "<cell>", "exec"), namespace)  # noqa: S102
        plt.close("all")


# --- mistakes -----------------------------------------------------------------------------------------

SWAPS = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.Pow: ast.Mult,
         ast.Lt: ast.Gt, ast.Gt: ast.Lt, ast.LtE: ast.Gt, ast.GtE: ast.Lt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq}


def code_mistakes(source):
    """Every version of a cell with one operator, constant or pair of arguments changed: (what, new source)."""
    tree = ast.parse(source)
    skipped = {id(part) for node in ast.walk(tree) if isinstance(node, (ast.JoinedStr, ast.Import, ast.ImportFrom, ast.keyword))
               or isinstance(node, ast.Call) and getattr(node.func, "id", "") == "print" for part in ast.walk(node)}
    for position, node in enumerate(ast.walk(tree)):
        if id(node) in skipped or not hasattr(node, "lineno"):
            continue
        for what, change in changes(node):
            changed = copy.deepcopy(tree)
            target = next(each for i, each in enumerate(ast.walk(changed)) if i == position)
            change(target)
            yield f"line {node.lineno}: {what}", ast.unparse(ast.fix_missing_locations(changed))


def changes(node):
    """(description, function that changes such a node in place) for the mistakes that fit it."""
    if isinstance(node, ast.BinOp) and type(node.op) in SWAPS:
        new = SWAPS[type(node.op)]
        yield f"{type(node.op).__name__} -> {new.__name__}", lambda n: setattr(n, "op", new())
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.MatMult):
        yield "factors exchanged", lambda n: (lambda a, b: (setattr(n, "left", b), setattr(n, "right", a)))(n.left, n.right)
    if isinstance(node, ast.Compare) and type(node.ops[0]) in SWAPS:
        new = SWAPS[type(node.ops[0])]
        yield f"{type(node.ops[0]).__name__} -> {new.__name__}", lambda n: n.ops.__setitem__(0, new())
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        yield "sign dropped", lambda n: setattr(n, "op", ast.UAdd())
    if isinstance(node, ast.Constant) and isinstance(node.value, float):
        yield f"{node.value} -> {1.5 * node.value + 0.1:.4g}", lambda n: setattr(n, "value", 1.5 * n.value + 0.1)
        yield f"{node.value} -> {-node.value}", lambda n: setattr(n, "value", -n.value)
    if isinstance(node, ast.Call) and getattr(node.func, "attr", "") in ("sqrt", "abs", "min", "max"):
        other = {"sqrt": "square", "abs": "negative", "min": "max", "max": "min"}[node.func.attr]
        yield f"{node.func.attr} -> {other}", lambda n: setattr(n.func, "attr", other)
    if isinstance(node, ast.Call) and len(node.args) > 1 and getattr(node.func, "attr", "") not in ("check",):
        yield "first two arguments exchanged", lambda n: n.args.__setitem__(slice(0, 2), n.args[1::-1])


def row_negated(x):
    x[len(x) // 3] *= -1


def column_scaled(x):
    x[..., x.shape[-1] // 2] *= 1.3


def constant(x):
    x[...] = np.nanmean(x)


def weakest_wrong(x):
    x[:, np.argmin(np.linalg.norm(x, axis=0))] *= -1.5


def reversed_(x):
    x[...] = x[::-1].copy()


def permuted(x):
    x[...] = np.random.default_rng(0).permutation(x)


def labels_exchanged(x):
    x[...] = x[..., ::-1].copy()


DATA_MISTAKES = {"labels exchanged": labels_exchanged, "row negated": row_negated, "column scaled": column_scaled, "constant": constant,
                 "weakest dimension wrong": weakest_wrong, "reversed": reversed_, "permuted": permuted}


def fitting(value):
    """The names of the data mistakes that fit a value."""
    if isinstance(value, np.ndarray) and value.dtype.kind == "f" and value.ndim == 2 and min(value.shape) > 1:
        return ["row negated", "column scaled", "constant", "weakest dimension wrong"]
    if isinstance(value, np.ndarray) and value.ndim == 1 and value.size > 1:
        return ["permuted"] if value.dtype.kind in "iub" else ["reversed", "column scaled", "constant"] if value.dtype.kind == "f" else []
    if isinstance(value, pd.DataFrame) and value.shape[1] > 1 or isinstance(value, pd.Series) and len(value) > 1:
        strings = isinstance(value, pd.DataFrame) and len(value.select_dtypes(exclude="number").columns)
        return ["names exchanged", "constant"] if strings else ["labels exchanged", "permuted", "column scaled", "constant"]
    if sparse.issparse(value):
        return ["column scaled", "permuted"]
    if isinstance(value, dict) and len(value) > 1:
        return ["labels exchanged", *fitting(list(value.values())[-1])]
    if isinstance(value, (list, tuple, dict)) and len(value):
        return fitting(list(value.values())[-1] if isinstance(value, dict) else value[-1])
    return []


def damaged(value, mistake):
    """A copy of the value with the mistake made."""
    if isinstance(value, dict) and mistake == "labels exchanged":
        return dict(zip(value, list(value.values())[::-1]))
    if isinstance(value, dict):
        key = list(value)[-1]
        return {**value, key: damaged(value[key], mistake)}
    if isinstance(value, (list, tuple)):
        parts = [*value[:-1], damaged(value[-1], mistake)]
        return type(value)(*parts) if hasattr(value, "_fields") else type(value)(parts)
    if mistake == "names exchanged":  # in the column with the most of them
        column = value.select_dtypes(exclude="number").nunique().idxmax()
        found = value[column].unique()
        return value.assign(**{column: value[column].map(dict(zip(found, found[::-1])))})
    if isinstance(value, pd.DataFrame):
        numbers, changed = value.select_dtypes("float"), value.copy()
        changed[numbers.columns] = damaged(numbers.to_numpy(float), mistake)
        return changed
    if isinstance(value, pd.Series):
        if value.dtype.kind not in "iuf":
            return value
        return pd.Series(damaged(value.to_numpy(float), mistake), index=value.index, name=value.name)
    if sparse.issparse(value):
        return type(value)(damaged(value.toarray().astype(float), mistake))
    value = value.copy()
    DATA_MISTAKES[mistake](value)
    return value


def library_mistakes():
    """The edits of cosim: name -> (function, old text, new text)."""
    edits = tomllib.loads((HERE / "edits.toml").read_text(encoding="utf-8"))
    return {f"{function} {n}": (function, *pair) for function, pairs in edits.items() for n, pair in enumerate(pairs)}


def function_named(path):
    """cosim's function "module.name"."""
    module, name = path.split(".")
    return getattr(sys.modules[f"cosim.{module}"], name)


def edit_library(function, old, new):
    """Make an edit, in the function object itself, so that whoever holds it has the mistake."""
    target = function_named(function)
    source = inspect.getsource(target)
    if source.count(old) != 1:
        raise ValueError(f"old must occur once in {function}; got {source.count(old)} times {old!r}")
    namespace = {}
    exec(compile(source.replace(old, new), "<edit>", "exec"), target.__globals__, namespace)  # noqa: S102
    target.__code__ = namespace[target.__name__].__code__


# --- a chapter with all its mistakes ------------------------------------------------------------------

def names(source):
    """The names that a cell reads."""
    return {node.id for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}


def inputs(source):
    """The names that a cell reads and does not assign itself."""
    tree = ast.parse(source)
    bound = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load)}
    return names(source) - bound


def triggers(function):
    """The public names under which a chapter calls a function of cosim."""
    module, name = function.split(".")
    members = vars(sys.modules[f"cosim.{module}"]).values()
    return {each.__name__ for each in members if inspect.isfunction(each) and not each.__name__.startswith("_")
            and name in {each.__name__, *each.__code__.co_names}}


def first_use(code):
    """Cell -> the edits of functions of cosim that are called there and in no cell before."""
    found = {}
    for name, (function, old, new) in library_mistakes().items():
        called = triggers(function)
        position = next((n for n, (_, source) in enumerate(code) if called & words(source)), None)
        found.setdefault(position, []).append((name, function, old, new))
    return found


def words(source):
    """Every name and attribute in a cell."""
    return {getattr(node, "attr", getattr(node, "id", None)) for node in ast.walk(ast.parse(source))}


def mistakes_of(position, code, library, namespace, rng):
    """The mistakes that act first in a cell: (kind, what, function of the namespace and the cell's source -> source).

    In a cell with a check they are all that there are, in random order; who makes them stops at enough.
    """
    source = code[position][1]
    for i in sorted(rng.permutation(len(library))[:PER_CELL]):
        name, function, old, new = library[i]
        yield "cosim", f"{name}: {old.strip()} -> {new.strip()}", partial(_library, function, old, new)
    found = [("code", what, partial(_code, new)) for what, new in code_mistakes(source)]
    if not checked(source):
        yield from (found[i] for i in rng.permutation(len(found))[:int("plt." not in source)])
        return
    found += [("data", f"{name}: {mistake}", partial(_data, name, mistake))
              for name in sorted(inputs(source) & set(namespace)) for mistake in fitting(namespace[name])]
    yield from (found[i] for i in rng.permutation(len(found)))


def _library(function, old, new, namespace, source):
    edit_library(function, old, new)
    return source


def _code(new, namespace, source):
    return new


def _data(name, mistake, namespace, source):
    namespace[name] = damaged(namespace[name], mistake)
    return source


def follow(mistake, rest, namespace):
    """Make a mistake and run on; what was reached, what turned red, and in how many cells the code broke down."""
    recorder = claims.check = Recorder()
    crashed = 0
    for n, (_, source) in enumerate(rest):
        if n and (len(recorder.reached) >= HORIZON or recorder.reached and any(word in source for word in HARD)):
            break
        if n and "plt." in source and not checked(source):
            continue
        try:
            run_cell(source if n else mistake(namespace, source), namespace)
        except Exception:  # noqa: BLE001: a mistake may break anything
            crashed += 1
    return dict(reached=" ".join(recorder.reached), red=" ".join(recorder.red), crashed=crashed)


def in_a_child(row, mistake, rest, namespace, path):
    """Fork, make the mistake, run on, and leave the row in a file."""
    if child := os.fork():
        os.waitpid(child, 0)
        return
    with contextlib.redirect_stderr(io.StringIO()):
        found = row | follow(mistake, rest, namespace)
    path.with_suffix(".partial").write_text(json.dumps(found), encoding="utf-8")
    os.replace(path.with_suffix(".partial"), path)
    os._exit(0)


def plant(chapter, folder, only=None):
    """Make all mistakes of a chapter (or those named in only), a child process for each; a file in folder is its row."""
    claims.check, code, rng = Recorder(), cells(chapter), np.random.default_rng(0)
    namespace, library = {"__name__": "__main__", "display": lambda *_: None}, first_use(code)
    for position, (index, source) in enumerate(code):
        red, here = Counter(), checked(source)
        for n, (kind, what, mistake) in enumerate(mistakes_of(position, code, library.get(position, []), namespace, rng)):
            if here and kind != "cosim" and n >= LEAST and (n >= MOST * len(here) or all(red[claim] >= ENOUGH for claim in here)):
                break
            row = dict(mistake=f"{chapter}-{index}-{n}", chapter=chapter, kind=kind, cell=index, what=what)
            path = folder / f"{row['mistake']}.json"
            if only is not None and row["mistake"] not in only:
                continue
            if not path.exists():
                in_a_child(row, mistake, code[position:], namespace, path)
            red.update(json.loads(path.read_text(encoding="utf-8"))["red"].split() if path.exists() else ())
        run_cell(source, namespace)
    (folder / f"{chapter}.done").touch()


def fingerprint(chapter):
    """Changes with the chapter's code, its claims, the edited modules of cosim and this program: no result outlives them."""
    package = HERE.parent / "cosim"
    edited = sorted({function.split(".")[0] for function, *_ in library_mistakes().values()})
    parts = [source for _, source in cells(chapter)] + [
        path.read_text(encoding="utf-8") for path in (package / "ledger" / f"{chapter}.toml", HERE / "edits.toml")]
    parts += [bare(path) for path in (HERE / "plant.py", *(package / f"{name}.py" for name in edited))]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:12]


def bare(path):
    """The code of a module without its comments and docstrings."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and ast.get_docstring(node) is not None:
            node.body = node.body[1:] or [ast.Pass()]
    return ast.dump(tree)


def folder_of(chapter):
    folder = HERE / ".work" / f"{chapter}-{fingerprint(chapter)}"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def main(wanted):
    """Plant everything, or what is wanted, two chapters at a time; write the tables of all chapters that are done."""
    if unknown := set(wanted) - set(chapters()):
        sys.exit(f"CHAPTERS must be among {', '.join(chapters())}; got {', '.join(sorted(unknown))}")
    folders = {chapter: folder_of(chapter) for chapter in wanted or chapters()}
    todo = [chapter for chapter, folder in folders.items() if not (folder / f"{chapter}.done").exists()]
    context = multiprocessing.get_context("fork")
    running = []
    with tqdm(total=len(folders), initial=len(folders) - len(todo), unit="chapter") as bar:
        while todo or running:
            while todo and len(running) < 2:
                chapter = todo.pop(0)
                process = context.Process(target=plant, args=(chapter, folders[chapter]))
                process.start()
                running.append(process)
            for process in [each for each in running if not each.is_alive()]:
                running.remove(process)
                bar.update()
            bar.set_postfix(mistakes=sum(1 for folder in folders.values() for _ in folder.glob("*.json")))
            time.sleep(0.5)
    if left := [chapter for chapter, folder in folders.items() if not (folder / f"{chapter}.done").exists()]:
        sys.exit(f"Broke off in {', '.join(left)}; `make mutations` goes on from there.")
    done = [folder for chapter in chapters() if (folder := folder_of(chapter)) and (folder / f"{chapter}.done").exists()]
    rows = [json.loads(path.read_text(encoding="utf-8")) for folder in done for path in sorted(folder.glob("*.json"))]
    write(RESULTS, COLUMNS, rows)
    write(COUNTS, ["claim", "reached", "red"], counts(rows))


def counts(rows):
    """Of each claim that is checked: how many mistakes it met, and how many turned it red."""
    reached, red = (Counter(claim for row in rows for claim in row[column].split()) for column in ("reached", "red"))
    return [dict(claim=name, reached=reached[name], red=red[name])
            for name, claim in sorted(claims.ledger()["claims"].items()) if claim["status"] != "not testable"]


def write(path, columns, rows):
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main(sys.argv[1:])
