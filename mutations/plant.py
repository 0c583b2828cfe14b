"""Plant mistakes and count which claims they turn red: `make mutations`, resumable, two processes.

Mistakes are planted in the functions of cosim (edits.toml), in the chapters' own code and functions (an operator, a
constant, an argument changed; those of chapters.toml are chosen by hand) and in the data that a check depends on (a row
negated, a column scaled, a constant matrix, a permuted label, the weakest dimension wrong). A chapter's cells run in
order in one process, without a kernel; where a mistake acts first, the process forks, and the child makes it and runs
on. Checks record instead of raising. A mistake counts against the claims that fail, not against a cell that crashes.

What is left out, so that the whole takes minutes: in a cell with checks, mistakes are drawn at random, the kinds by
turns, until each of its claims was red three times, or 16 were made for each claim, or their time is up; each is
followed to the end of that cell. In a cell without checks, two edits of cosim that act there first and one mistake in
its own code are made, and followed until four claims were met, as long as the chapter has seconds to spare for it;
cells that draw are passed over. Cells that work in other processes (the cluster of past-one-machine) are not run in a
child: no mistake meets their claims. So a count says that a claim can fail, and not how often it would.

The mistakes and what they turned red are in mutations/results.csv, the counts per claim in cosim/data/mutations.csv. A
chapter that is planted anew replaces its own rows only.
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
import resource
import signal
import sys
import time
import tomllib
import warnings
import zlib
from collections import Counter
from functools import partial
from itertools import chain, takewhile, zip_longest
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
HORIZON = 4  # a mistake outside a cell with checks is followed until so many claims were met
ENOUGH, LEAST = 3, 4  # in a cell with checks: until each claim was red so often; so many mistakes at least
MOST = 16  # and at most, for each of its claims
PER_CELL = 2  # edits of cosim for each cell without checks in which their functions are called first
LIMIT, PATIENCE, SPARE = 8, 15, 5  # processor seconds: for a mistake, for a cell with checks, for all cells without
BY_HAND = 1000  # the number of the first mistake of chapters.toml in a cell
MEMORY = 4 * 2**30  # bytes that a child may use: a mistake may ask for any amount


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
    untouched = ast.JoinedStr, ast.Import, ast.ImportFrom, ast.keyword
    skipped = {id(part) for node in ast.walk(tree) for part in ast.walk(node)
               if isinstance(node, untouched) or isinstance(node, ast.Call)
               and getattr(node.func, "attr", getattr(node.func, "id", "")) in ("print", "self_check")}
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
        yield "factors exchanged", lambda n: vars(n).update(left=n.right, right=n.left)
    if isinstance(node, ast.Compare) and type(node.ops[0]) in SWAPS:
        new = SWAPS[type(node.ops[0])]
        yield f"{type(node.ops[0]).__name__} -> {new.__name__}", lambda n: n.ops.__setitem__(0, new())
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        yield "sign dropped", lambda n: setattr(n, "op", ast.UAdd())
    if isinstance(node, ast.Constant) and isinstance(node.value, float):
        yield f"{node.value} -> {1.5 * node.value + 0.1:.4g}", lambda n: setattr(n, "value", 1.5 * n.value + 0.1)
        yield f"{node.value} -> {-node.value}", lambda n: setattr(n, "value", -n.value)
    if isinstance(node, ast.Constant) and type(node.value) is int:
        yield f"{node.value} -> {node.value + 1}", lambda n: setattr(n, "value", n.value + 1)
    if isinstance(node, ast.Call) and getattr(node.func, "attr", "") in ("sqrt", "abs", "min", "max"):
        other = {"sqrt": "square", "abs": "negative", "min": "max", "max": "min"}[node.func.attr]
        yield f"{node.func.attr} -> {other}", lambda n: setattr(n.func, "attr", other)
    if isinstance(node, ast.Call) and len(node.args) > 1 and getattr(node.func, "attr", "") not in ("check",):
        yield "first two arguments exchanged", lambda n: n.args.__setitem__(slice(0, 2), n.args[1::-1])


def negated(x):
    x[...] = -x if x.dtype.kind == "f" else ~x


def row_negated(x):
    x[..., x.shape[-2] // 3, :] *= -1


def column_scaled(x):
    x[..., x.shape[-1] // 2] *= 1.3


def constant(x):
    x[...] = np.nanmean(x)


def weakest_wrong(x):
    x[..., np.argmin((x**2).sum(axis=tuple(range(x.ndim - 1))))] *= -1.5


def reversed_(x):
    x[...] = x[..., ::-1].copy()


def permuted(x):
    x[...] = np.random.default_rng(0).permutation(x, axis=max(0, x.ndim - 2))


DATA_MISTAKES = {
    "row negated": row_negated, "column scaled": column_scaled, "constant": constant, "permuted": permuted,
    "negated": negated, "weakest dimension wrong": weakest_wrong, "reversed": reversed_, "labels exchanged": reversed_}


def fitting(value):
    """The names of the data mistakes that fit a value; in a container they are in all parts, the first or the last."""
    if isinstance(value, (float, np.floating)):
        return ["half as much again", "negated"]
    if isinstance(value, np.ndarray):
        kinds = {"f": ["reversed", "column scaled", "constant", "negated"], "b": ["permuted", "negated"]}
        if value.dtype.kind == "f" and value.ndim > 1 and min(value.shape) > 1:
            return ["row negated", "column scaled", "constant", "weakest dimension wrong", "permuted"]
        return kinds.get(value.dtype.kind, ["permuted"] if value.dtype.kind in "iu" else []) if value.size > 1 else []
    if isinstance(value, pd.DataFrame) and value.shape[1] > 1 or isinstance(value, pd.Series) and len(value) > 1:
        strings = isinstance(value, pd.DataFrame) and len(value.select_dtypes(exclude=["number", "bool"]).columns)
        labels = "names exchanged" if strings else "labels exchanged"
        return [labels, "permuted", "column scaled", "constant", "negated"]
    if sparse.issparse(value):
        return ["column scaled", "permuted"]
    inside = [sorted({mistake.partition(", ")[0] for mistake in fitting(part)} - {"labels exchanged"})
              for part in parts_of(value).values()]
    everywhere = sorted(set().union(*inside))
    if len(inside) < 2:
        return everywhere
    return ["labels exchanged"] * (not hasattr(value, "_fields")) + everywhere + [
        f"{mistake}, {where} alone" for where, part in (("first", inside[0]), ("last", inside[-1])) for mistake in part]


def parts_of(value):
    """Key or position -> part, of a dictionary or a sequence; else nothing."""
    return value if isinstance(value, dict) else dict(enumerate(value)) if isinstance(value, (list, tuple)) else {}


def put_together(value, parts):
    """A value like the given one, of other parts."""
    if isinstance(value, dict):
        return parts
    return type(value)(*parts.values()) if hasattr(value, "_fields") else type(value)(parts.values())


def damaged(value, mistake):
    """A copy of the value with the mistake made, as far as it fits."""
    mistake, _, where = mistake.partition(", ")
    if mistake not in {each.partition(", ")[0] for each in fitting(value)}:
        return value
    if isinstance(value, (float, np.floating)):
        return value * (1.5 if mistake.startswith("half") else -1)
    if parts := parts_of(value):
        keys = list(parts)
        if mistake == "labels exchanged" and not hasattr(value, "_fields"):
            return put_together(value, dict(zip(parts, list(parts.values())[::-1])))
        chosen = {"first alone": keys[:1], "last alone": keys[-1:]}.get(where, keys)
        return put_together(value, {**parts, **{key: damaged(parts[key], mistake) for key in chosen}})
    if isinstance(value, (pd.DataFrame, pd.Series)):
        return damaged_table(value, mistake)
    if sparse.issparse(value):
        return type(value)(made(value.toarray().astype(float), mistake))
    return made(value.copy(), mistake)


def damaged_table(value, mistake):
    """A copy of a pandas table or column with the mistake made in its numbers, or in its column with the most names."""
    if isinstance(value, pd.Series):
        x = value.to_numpy(float if value.dtype.kind in "iuf" else None, copy=True)
        return pd.Series(made(x, mistake), index=value.index, name=value.name) if x.dtype.kind in "fb" else value
    if mistake == "names exchanged":
        column = value.select_dtypes(exclude=["number", "bool"]).nunique().idxmax()
        found = value[column].unique()
        return value.assign(**{column: value[column].map(dict(zip(found, found[::-1])))})
    changed = value.copy()
    for kind in (["float"] if len(value.select_dtypes("float").columns) else ["number"]) + ["bool"]:
        columns = value.select_dtypes(kind).columns
        if len(columns) and not (kind == "bool" and mistake == "constant"):
            x = value[columns].to_numpy(float, copy=True)
            changed[columns] = made(x, mistake) if kind != "bool" else made(x == 1, mistake)
    return changed


def made(x, mistake):
    """The array itself, with the mistake made in it."""
    DATA_MISTAKES[mistake](x)
    return x


def assigned_damaged(source):
    """Every version of a cell with one assigned value damaged, by three mistakes that fit: (what, new source)."""
    positions = [i for i, node in enumerate(ast.walk(ast.parse(source))) if isinstance(node, ast.Assign)]
    for position in positions:
        for number in range(3):
            changed = ast.parse(source)
            target = next(node for i, node in enumerate(ast.walk(changed)) if i == position)
            target.value = ast.Call(ast.Name("damaged_by_number", ast.Load()), [target.value, ast.Constant(number)], [])
            what = ast.unparse(target.targets[0])
            yield f"line {target.lineno}, {what}", ast.unparse(ast.fix_missing_locations(changed))


def damaged_by_number(value, number):
    """The value with one of the mistakes that fit it, spread over all of them."""
    fit = fitting(value)
    return damaged(value, fit[number * len(fit) // 3]) if fit else value


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
    found = (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Name))
    return {node.id for node in found if isinstance(node.ctx, ast.Load)}


def inputs(source):
    """The names that the checks of a cell depend on and that it does not assign itself, and functions among them."""
    needed, bound = set(), set()
    for statement in reversed(ast.parse(source).body):
        only_shows = isinstance(statement, ast.Expr) and not checked(ast.unparse(statement))
        mentioned = {node.id for node in ast.walk(statement) if isinstance(node, ast.Name)}
        defined = {node.name for node in ast.walk(statement) if isinstance(node, ast.FunctionDef)}
        if checked(ast.unparse(statement)) or not only_shows and (mentioned | defined) & needed:
            needed |= names(ast.unparse(statement))
            bound |= (mentioned - names(ast.unparse(statement))) | defined
    return needed - bound


def functions_called(source, earlier):
    """Name -> source of the chapter's own functions that a cell calls, directly or through one another."""
    defined = {node.name: ast.unparse(node) for text in earlier for node in ast.parse(text).body
               if isinstance(node, ast.FunctionDef)}
    found, new = {}, names(source) & set(defined)
    while new:
        found |= {name: defined[name] for name in sorted(new)}
        new = set().union(*(names(defined[name]) for name in new)) & set(defined) - set(found)
    return found


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


def mistakes_of(position, code, library, namespace):
    """The mistakes to make in a cell: (kind, what, function of the namespace and the cell's source -> source).

    In a cell with a check they are all that there are, in random order, the kinds by turns; who makes them stops at
    enough. In another, a few edits of functions that are called there first, and one of the cell's own code.
    """
    source = code[position][1]
    rng = np.random.default_rng(zlib.crc32(source.encode()))  # the same wherever the cell stands
    own = [("code", what, partial(_code, new)) for what, new in code_mistakes(source)]
    if not checked(source):
        edits = _edits(library)
        return [edits[i] for i in sorted(rng.permutation(len(edits))[:PER_CELL])] + [
            own[i] for i in rng.permutation(len(own))[:int("plt." not in source)]]
    functions = functions_called(source, [text for _, text in code[:position]])
    theirs = [("code", f"in {name}, {what}", partial(_function, new))
              for name, text in functions.items() for what, new in code_mistakes(text)]
    read = inputs(source).union(*(names(text) for text in functions.values())) & set(namespace)
    data = [("data", f"{name}: {mistake}", partial(_data, name, mistake))
            for name in sorted(read) for mistake in fitting(namespace[name])]
    inner = [("data", f"{what}: damaged", partial(_code, new)) for what, new in assigned_damaged(source)]
    called = words("\n".join([source, *functions.values()]))
    edits = _edits((name, *edit) for name, edit in library_mistakes().items() if triggers(edit[0]) & called)
    shuffled = [[kind[i] for i in rng.permutation(len(kind))] for kind in (data, own, inner, theirs, edits)]
    return [each for group in zip_longest(*shuffled) for each in group if each]


def by_hand(chapter, source):
    """The mistakes of chapters.toml that are to be made in this cell, each in addition to what chance finds."""
    pairs = tomllib.loads((HERE / "chapters.toml").read_text(encoding="utf-8")).get(chapter, [])
    return [("code", f"{old} -> {new}", partial(_code, source.replace(old, new)))
            for old, new in pairs if old in source]


def _edits(edits):
    return [("cosim", f"{name}: {old.strip()} -> {new.strip()}", partial(_library, function, old, new))
            for name, function, old, new in edits]


def _library(function, old, new, namespace, source):
    edit_library(function, old, new)
    return source


def _code(new, namespace, source):
    return new


def _function(new, namespace, source):
    exec(compile(new, "<function>", "exec"), namespace)  # noqa: S102
    return source


def _data(name, mistake, namespace, source):
    namespace[name] = damaged(namespace[name], mistake)
    return source


def follow(mistake, rest, namespace):
    """Make a mistake and run on; what was reached, what turned red, and in how many cells the code broke down.

    One made in a cell with checks is followed in that cell alone; another until enough claims were met.
    """
    recorder = claims.check = Recorder()
    crashed = 0
    try:
        for n, (_, source) in enumerate(rest):
            if n and (checked(rest[0][1]) or len(recorder.reached) >= HORIZON):
                break
            if n and "plt." in source and not checked(source):
                continue
            try:
                run_cell(source if n else mistake(namespace, source), namespace)
            except Exception:  # noqa: BLE001: a mistake may break anything
                crashed += 1
    except TooLong:
        crashed += 1
    met, failed = (" ".join(dict.fromkeys(found)) for found in (recorder.reached, recorder.red))
    return dict(reached=met, red=failed, crashed=crashed)


class TooLong(BaseException):
    """A mistake has used up its processor time."""


def too_long(*_):
    raise TooLong


def in_a_child(row, mistake, rest, namespace, path):
    """Fork, make the mistake, run on, and leave the row in a file; the processor seconds that it took."""
    if child := os.fork():
        usage = os.wait4(child, 0)[2]
        return usage.ru_utime + usage.ru_stime
    try:
        signal.signal(signal.SIGPROF, too_long)
        signal.setitimer(signal.ITIMER_PROF, LIMIT)
        signal.alarm(20 * int(1 + LIMIT))  # seconds by the clock: a child that waits for something ends without a row
        resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
        with contextlib.redirect_stderr(io.StringIO()):
            found = row | follow(mistake, rest, namespace)
        signal.setitimer(signal.ITIMER_PROF, 0)
        path.with_suffix(".partial").write_text(json.dumps(found), encoding="utf-8")
        os.replace(path.with_suffix(".partial"), path)
    finally:
        os._exit(0)


def elsewhere(code):
    """The positions of the cells that work in other processes, which a child can't reach."""
    if not any("Client(" in source for _, source in code):
        return set()
    called = [functions_called(source, [text for _, text in code[:n]]) for n, (_, source) in enumerate(code)]
    return {n for n, (_, source) in enumerate(code) if "client" in words("\n".join([source, *called[n].values()]))}


def enough(n, here, red, spent):
    """Whether n mistakes are enough in a cell with the claims `here`, after seconds spent on it (or on all without)."""
    if not here:
        return spent > SPARE
    return n >= LEAST and (n >= MOST * len(here) or spent > PATIENCE or all(red[claim] >= ENOUGH for claim in here))


def plant_in_cell(chapter, position, code, rest, namespace, library, folder, only, spent):
    """Make the mistakes that act first in a cell, a child process for each, which runs the rest; the seconds spent."""
    index, source = code[position]
    if only is not None and not any(name.startswith(f"{chapter}-{index}-") for name in only):
        return spent
    red, here, chance = Counter(), checked(source), enumerate(mistakes_of(position, code, library, namespace))
    for n, (kind, what, mistake) in chain(enumerate(by_hand(chapter, source), BY_HAND), chance):
        row = dict(mistake=f"{chapter}-{index}-{n}", chapter=chapter, kind=kind, cell=index, what=what)
        path = folder / f"{row['mistake']}.json"
        if only is None and n < BY_HAND and enough(n, here, red, spent):
            break
        if only is None or row["mistake"] in only:
            spent += 0 if path.exists() else in_a_child(row, mistake, rest, namespace, path)
            red.update(json.loads(path.read_text(encoding="utf-8"))["red"].split() if path.exists() else ())
    return spent


def plant(chapter, folder, only=None):
    """Make all mistakes of a chapter (or those named in only); a file in folder is the row of each."""
    claims.check, code = Recorder(), cells(chapter)
    namespace = {"__name__": "__main__", "display": lambda *_: None, "damaged_by_number": damaged_by_number}
    library, apart, spent = first_use(code), elsewhere(code), 0
    for position, (index, source) in enumerate(code):
        if only is not None and index > max(int(name.rsplit("-", 2)[1]) for name in only):
            break
        rest = [code[n] for n in takewhile(lambda n: n not in apart, range(position, len(code)))]
        if rest:
            found = plant_in_cell(chapter, position, code, rest, namespace, library.get(position, []), folder, only,
                                  0 if checked(source) else spent)
            spent = spent if checked(source) else found
        run_cell(source, namespace)
    (folder / f"{chapter}.done").touch()


def fingerprint(chapter):
    """Changes with the chapter's code, its claims, the modules of cosim that are edited and this program."""
    package = HERE.parent / "cosim"
    edited = sorted({function.split(".")[0] for function, *_ in library_mistakes().values()})
    parts = [source for _, source in cells(chapter)] + [
        path.read_text(encoding="utf-8") for path in (package / "ledger" / f"{chapter}.toml", HERE / "edits.toml")]
    parts += [what for _, source in cells(chapter) for _, what, _ in by_hand(chapter, source)]
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
    rows = [row for row in table(RESULTS) if row["chapter"] in set(chapters()) - set(folders)]
    paths = [path for folder in folders.values() for path in folder.glob("*.json")]
    rows += [json.loads(path.read_text(encoding="utf-8")) for path in paths]
    rows.sort(key=lambda row: (row["chapter"], *map(int, row["mistake"].rsplit("-", 2)[1:])))
    write(RESULTS, COLUMNS, rows)
    write(COUNTS, ["claim", "reached", "red"], counts(rows))


def table(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def counts(rows):
    """Of each claim that is checked: how many mistakes it met, and how many turned it red."""
    reached, red = (Counter(claim for row in rows for claim in set(row[column].split()))
                    for column in ("reached", "red"))
    return [dict(claim=name, reached=reached[name], red=red[name])
            for name, claim in sorted(claims.ledger()["claims"].items()) if claim["status"] != "not testable"]


def write(path, columns, rows):
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main(sys.argv[1:])
