"""The check outside: what a student's functions return on fresh data, judged where the student's code has never been.

Hidden tests run in the student's own kernel, as nbgrader has it, so the student's code can read them and lie to them.
No question rests on them alone. Here plain inputs go into a sandbox of their own, next to the student's functions and
nothing else, and arrays come out. The `verify.py` of an assignment makes the `inputs`, says what is to be called with
them (`calls`), and holds a check for each question (`QUESTIONS`); neither it nor the seed goes in.

A question may build on the functions of another. If that one is lost, a correct function takes its place in a second
run, as in the hidden tests, so that a mistake costs its points once. No process of this check holds the answer to a question
that can still earn points.

Touches: runs the assignments' `verify.py`, and the sandbox.
"""
import base64
import importlib.util
import inspect
import io
import json
import math
import pickle
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import numpy as np

from grading import sandbox
from grading.course import Assignment, defined, grade_id, is_test

ASKING = Path(__file__).with_name("asking.py").read_text(encoding="utf-8")


class Call(NamedTuple):
    """One call of a student's function: its arguments, and the shape of its result or of the `part` that is looked at."""

    function: str
    arguments: tuple
    shape: tuple[int, ...]
    part: int | str | None = None


class Question(NamedTuple):
    """`check(answers, *inputs)`; what to say if it fails; correct functions for the questions that it builds on."""

    check: Callable[..., bool]
    message: str
    builds_on: dict[str, Callable] = {}


class NoAnswer(Exception):
    """The sandbox gave back no arrays."""


def load(path: Path) -> ModuleType:
    """The `verify.py` of an assignment."""
    spec = importlib.util.spec_from_file_location("verify", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def faults(verify: ModuleType, rng: np.random.Generator, passed: set[str], ask: Callable) -> dict[str, str]:
    """Of the questions whose tests passed, those that fail on fresh data, and why.

    `ask(code, calls)` returns the arrays that the student's functions give, with those of `code` in the place of lost ones.
    """
    inputs = verify.inputs(rng)
    calls = verify.calls(*inputs)
    found = judge(verify, inputs, calls, ask("", calls))
    lost = verify.QUESTIONS.keys() - passed | found.keys()
    found = {name: text for name, text in found.items() if name in passed}
    given = {name: verify.QUESTIONS[name].builds_on for name in found}
    stand_ins = {function for builds_on in given.values() for name, function in builds_on.items() if name in lost}
    if stand_ins:
        code = "\n\n".join(["import numpy as np", *map(inspect.getsource, stand_ins)])
        still = judge(verify, inputs, calls, ask(code, calls))
        found = {name: text for name, text in found.items() if name in still or not given[name]}
    return found


def judge(verify: ModuleType, inputs: tuple, calls: dict[str, Call], answers: dict[str, np.ndarray]) -> dict[str, str]:
    """The questions that the answers do not satisfy. An answer of another shape or kind is none."""
    got = {name: answers[name] for name, call in calls.items()
           if name in answers and answers[name].shape == call.shape and answers[name].dtype == float}
    found = {}
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, question in verify.QUESTIONS.items():
            try:
                fine = question.check(got, *inputs)
            except KeyError:  # an answer that it needs is missing
                fine = False
            if not fine:
                found[name] = question.message
    return found


def when(assignment: Assignment, calls: dict[str, Call]) -> dict[str | None, dict[str, Call]]:
    """For each test, the calls to be made in its place: those of the functions that are answered just before it.

    So a later cell may define another function of the same name, or forget everything, as it may for the tests.
    """
    places, answered, left = {}, set(), dict(calls)
    for cell in assignment.released.cells:
        if cell.cell_type != "code":
            continue
        if is_test(cell):
            places[grade_id(cell)] = {name: left.pop(name) for name, call in list(left.items()) if call.function in answered}
        else:
            answered |= defined(cell.source)
    return places | {None: left}


def ask_sandbox(cells: list[str | dict[str, Call]], code: str, **where) -> dict[str, np.ndarray]:
    """Run cells in a sandbox, with questions among them: calls to be made there. Return the arrays, as they come."""
    sources, files = [], []
    most = where["limits"].output + 8 * sum(math.prod(call.shape) for cell in cells if isinstance(cell, dict) for call in cell.values())
    for cell in cells:
        if isinstance(cell, dict):
            files.append(f"{len(files)}.npz")
            plain = base64.b64encode(pickle.dumps({name: tuple(call) for name, call in cell.items()})).decode()
            cell = (f"exec({ASKING!r}, asking := {{}}) or asking['ask'](globals(), __import__('pickle').loads("
                    f"__import__('base64').b64decode({plain!r})), {code!r}, {files[-1]!r})")
        sources.append(cell)
    why, data = sandbox.run({"what": "execute", "cells": sources, "files": files}, **where)
    if why or not data:
        raise NoAnswer(why or "no answer")
    try:
        told = json.loads(data)["files"]
        return {name: array for path in files if path in told for name, array in read(base64.b64decode(told[path]), most)}
    except Exception:  # whatever bytes a student's process may write
        raise NoAnswer("no arrays, or too large") from None


def read(data: bytes, most: int) -> list[tuple[str, np.ndarray]]:
    """The arrays in a file that a student's process wrote."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        size = sum(entry.file_size for entry in archive.infolist())
    if size > most:
        raise ValueError(size)
    with np.load(io.BytesIO(data), allow_pickle=False) as file:
        return [(name, file[name]) for name in file.files]
