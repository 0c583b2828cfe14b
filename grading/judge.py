"""One hand-in, from the file to a verdict.

The notebook is put together anew (`assemble.py`), run alone in a sandbox, and read; then the student's functions are asked
for values on fresh data in another sandbox, and those are judged here. This process runs no student's code.

Touches: reads one hand-in; starts sandboxes.
"""
import json
import re
import secrets
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import NamedTuple

import numpy as np
from nbformat import NotebookNode, v4
from nbgrader.utils import is_solution

from grading import assemble, course, handins, leaks, outside, sandbox
from grading.course import Assignment, grade_id, is_test
from grading.handins import Submission

STATUSES = ["ok", "failed", "timeout", "flagged"]
LEFT_OUT = "left out: it shows a hidden test"

# Every one of these must fail. If one does not, the student's notebook has replaced the checker.
MUST_FAIL = [
    "numpy.testing.assert_allclose([0.0], [1.0])",
    "numpy.testing.assert_array_equal([0.0], [1.0])",
    "numpy.testing.assert_equal(0.0, 1.0)",
    "numpy.testing.assert_array_less([1.0], [0.0])",
    "numpy.testing.assert_array_almost_equal([0.0], [1.0])",
    "assert numpy.allclose([0.0], [1.0])",
    "assert numpy.array_equal([0.0], [1.0])",
    "assert numpy.isclose(0.0, 1.0)",
    "assert numpy.isfinite(numpy.nan)",
]


class Verdict(NamedTuple):
    """What came out of a submission.

    `tests` holds the points that the tests give, None where a person marks; `faults` says of which the check outside does not
    confirm them; `messages` what a failed test said.
    """

    status: str  # one of STATUSES
    note: str = ""
    notebook: NotebookNode | None = None
    tests: dict[str, float | None] = {}
    faults: dict[str, str] = {}
    messages: dict[str, str] = {}
    slow: bool = False  # it, or the check outside, ran out of time


class Stopped(Exception):
    """A notebook came to no end: the status, and why."""


class Judge(NamedTuple):
    """Everything that is the same for all submissions."""

    course: dict[str, Assignment]
    limits: sandbox.Limits
    fonts: Path
    secret: str | None
    sandboxed: bool
    seeds: dict[int, str] = {}  # whose data a seed makes

    def judge(self, submission: Submission) -> Verdict:
        """Run one submission and say what came of it. Runs in a thread; touches no other submission."""
        assignment = self.course[submission.slug]
        handed_in = handins.read_notebook(submission)
        nb, notes, doubts, written = assemble.assemble(handed_in, assignment)
        notes, doubts = [note for note in [submission.note, *notes] if note], [*doubts, *self.foreign_seed(submission, handed_in)]
        course.set_seed(nb, course.student_seed(submission.student, self.secret))
        try:
            late, tampered = self.run(nb, assignment)
        except Stopped as stopped:
            status, why = stopped.args
            return Verdict(status, "; ".join([*notes, *doubts, why]), slow=status == "timeout")
        tests, messages = read_points(nb, assignment, written)
        faults = self.faults(assignment, nb, {name for name, points in tests.items() if points and name not in assignment.by_hand})
        doubts += stopped_early(nb, tests)
        status = "ok"
        if late:
            status = "timeout"
            notes.append(f"stopped after {self.limits.cell_seconds} s: {', '.join(late)}")
        if tampered or faults or doubts:
            status = "flagged"
        notes += doubts + ["the checks were replaced"] * tampered + [f"{name}: {text}" for name, text in faults.items()]
        slow = bool(late) or any("timeout" in text for text in faults.values())
        return Verdict(status, "; ".join(notes), nb, tests, faults, messages, slow)

    def foreign_seed(self, submission: Submission, nb: NotebookNode) -> list[str]:
        """Whose data a hand-in has, if not the student's own."""
        seed = handins.seed(nb)
        if seed is None or seed == course.student_seed(submission.student, self.secret):
            return []
        whose = self.seeds.get(seed, "of nobody in the class list" if seed else "that everybody has without a secret")
        return [f"its STUDENT_SEED is {'that of ' if seed in self.seeds else 'one '}{whose}: a copied notebook?"]

    def run(self, nb: NotebookNode, assignment: Assignment) -> tuple[list[str], bool]:
        """Run the notebook in a sandbox and enter its outputs; return the cells that took too long, and whether the checks were replaced."""
        token = secrets.token_hex(8)
        steps = []  # (the cell, what is run, whether that is the canary that follows a test)
        for cell in nb.cells:
            if cell.cell_type == "code":
                steps.append((cell, cell.source, False))
                if is_test(cell):
                    steps.append((cell, canary(token), True))
        shown = leaks.squeeze("\n".join(cell.source for cell in nb.cells if not is_test(cell)))
        hidden = [marker for marker in assignment.secrets if marker not in shown]
        results = self.execute([source for _, source, _ in steps], [assemble.called(cell) for cell, _, _ in steps])
        late, tampered = [], False
        try:
            for (cell, _, canary_of_it), result in zip(steps, results, strict=True):
                errors = [(o["ename"], o["evalue"]) for o in result["outputs"] if o["output_type"] == "error"]
                if canary_of_it:
                    tampered |= ("AssertionError", token) not in errors
                    continue
                if is_test(cell) and not result["ran"]:
                    raise Stopped("failed", f"the test {grade_id(cell)} did not run")
                if any(name == "CellTimeoutError" for name, _ in errors):
                    late.append(assemble.called(cell))
                cell.outputs = [o for o in (clean(output, is_test(cell), hidden) for output in result["outputs"]) if o]
        except (KeyError, TypeError, AttributeError, ValueError):
            raise Stopped("failed", "ended with a result that makes no sense") from None
        return late, tampered

    def execute(self, sources: list[str], called: list[str]) -> list[dict]:
        """Run cells, called so, in a sandbox; return whether each ran, and its outputs, as told. Stopped if they came to no end."""
        why, data = sandbox.run({"what": "execute", "cells": sources}, self.limits, self.fonts, self.sandboxed)
        where = ""
        try:
            answer = json.loads(data or b"{}")
            why, cells = why or answer.get("stopped"), answer.get("cells")
            if why in ("died", "output") and "cell" in answer:
                where = f" in {called[answer['cell']]}"
        except (ValueError, AttributeError, TypeError, LookupError, RecursionError):
            raise Stopped("failed", "ended with a result that makes no sense") from None
        if why == "timeout":
            raise Stopped("timeout", f"stopped after {self.limits.seconds} s")
        if why or cells is None:
            reasons = {"memory": f"used more than {self.limits.memory >> 20} MB of memory", "died": f"Python ended{where}",
                       "output": f"wrote more than {self.limits.output >> 20} MB of output{where}"}
            raise Stopped("failed", reasons.get(why, "ended without a result"))
        return cells

    def faults(self, assignment: Assignment, nb: NotebookNode, passed: set[str]) -> dict[str, str]:
        """Of the questions whose tests passed, those that the check outside does not confirm, and why."""
        if not assignment.verify.exists() or not passed:
            return {}
        try:
            return outside.faults(outside.load(assignment.verify), np.random.default_rng(), passed, self.asker(assignment, nb))
        except outside.NoAnswer as error:
            return dict.fromkeys(sorted(passed), f"its values could not be checked outside ({error})")

    def asker(self, assignment: Assignment, nb: NotebookNode) -> Callable:
        """What asks the student's functions: the student's cells, with questions in the place of the tests."""
        def ask(code: str, calls: dict[str, outside.Call]) -> dict[str, np.ndarray]:
            places = outside.when(assignment, calls)
            cells = [places[grade_id(cell)] if is_test(cell) else cell.source for cell in nb.cells if cell.cell_type == "code"]
            cells = [cell for cell in [*cells, places[None]] if cell]
            return outside.ask_sandbox(cells, code, limits=self.limits, fonts=self.fonts, sandboxed=self.sandboxed)

        return ask


def canary(token: str) -> str:
    """A cell that must end in an AssertionError with the token, by way of every check that must fail."""
    lines = ["numpy = __import__('numpy'); __import__('numpy.testing')"]
    for depth, check in enumerate(MUST_FAIL):
        indent = "    " * depth
        lines += [f"{indent}try:", f"{indent}    {check}", f"{indent}except AssertionError:"]
    lines.append(f"{'    ' * len(MUST_FAIL)}assert False, {token!r}")
    return "\n".join(lines)


def clean(output: dict, test: bool, hidden: list[str]) -> NotebookNode | None:
    """An output as it may be kept: text, a figure or an error, and no hidden test. Of a test only the error's message."""
    kind, data = output["output_type"], output.get("data", {})
    lines = [str(line) for line in list(output.get("traceback") or [])[:50]]
    error, text = str(output.get("evalue")), str(output.get("text") or data.get("text/plain") or "")
    if kind == "error":
        name = str(output["ename"])[:80]
        lines = [] if test else [line[:4000] for line in lines]  # a test's own lines are in its traceback
        if leaks.leaks(hidden, re.sub(r"\x1b\[[\d;]*m", "", "\n".join([*lines, error]))):
            lines, error = [], LEFT_OUT
        return v4.new_output("error", ename=name, evalue=error[:600], traceback=lines or [f"{name}: {error[:600]}"])
    if test:
        return None
    if leaks.leaks(hidden, text):
        text = f"{LEFT_OUT}\n"
    if kind == "stream":
        return v4.new_output("stream", name="stderr" if output.get("name") == "stderr" else "stdout", text=text[:100_000])
    shown = {"text/plain": text[:100_000]} if "text/plain" in data else {}
    shown |= {figure: str(data[figure]) for figure in ("image/png", "image/svg+xml") if isinstance(data.get(figure), str)}
    return v4.new_output("display_data", data=shown) if shown else None


def read_points(nb: NotebookNode, assignment: Assignment, written: dict[str, bool]) -> tuple[dict[str, float | None], dict[str, str]]:
    """Points of each question as its test says, None if a person marks it; 0 for a written answer that is absent. And what tests said."""
    cells = {grade_id(cell): cell for cell in nb.cells}
    tests, messages = {}, {}
    for name, most in assignment.questions.items():
        cell = cells[name]
        if is_solution(cell):
            tests[name] = None if written[name] else 0.0
            continue
        errors = [output for output in cell.outputs if output.output_type == "error"]
        tests[name] = 0.0 if errors else most
        if errors:
            messages[name] = f"{errors[0].ename}: {errors[0].evalue}"
    return tests, messages


def stopped_early(nb: NotebookNode, tests: dict[str, float | None]) -> list[str]:
    """A module that is not installed here, or a question to a person, may cost points that the answer deserves."""
    if not any(points == 0 for points in tests.values()):
        return []
    gone = {output.evalue: assemble.called(cell) for cell in nb.cells if cell.cell_type == "code" and not is_test(cell)
            for output in cell.outputs if output.output_type == "error" and output.ename in ("ModuleNotFoundError", "StdinNotImplementedError")}
    return [f"{cell} stopped: {text}; if the answer does not need it, take the line out in the student's file and grade again" for text, cell in gone.items()]


def kept(nb: NotebookNode) -> NotebookNode:
    """The notebook without its hidden tests, as it is kept for the pages."""
    made = deepcopy(nb)
    for cell in made.cells:
        if is_test(cell):
            cell.source = re.sub(r"### BEGIN HIDDEN TESTS\n.*?### END HIDDEN TESTS\n?", "", cell.source, flags=re.DOTALL)
    return made
