"""A hundred odd hand-ins: what students, platforms, editors and operating systems do to notebooks, names, zips and lists.

Each goes through the grader itself, but for the sandbox: honest code runs in this process. `test_grading.py` has the
sandbox and what is hostile. Each gets what it deserves, and the point that a person gives is never lost in silence.
"""
import contextlib
import json
import os
import re
import shutil
import signal
import unicodedata
import zipfile
from copy import deepcopy

import nbformat
import numpy as np
import pytest
from nbformat import v4
from test_grading import FULL, MASTER, NONE, ONLY_TOTAL, RIGHT, VERIFY, WRONG, notebook

from grading import asking, course, grade, handins, judge, outside, release, roster, sandbox, similar
from grading.marks import Late
from grading.store import Store

WHY = {"why": "Because of this and that, as everybody can see who has read the chapter, and for no other reason at all."}
GOOD = RIGHT | WHY
STUDENTS = [{"student": "ada", "name": "Lovelace, Ada", "canvas_id": "1001", "participant": "4711", "email": "ada@uni.example"},
            {"student": "José Müller", "name": "José Müller", "canvas_id": "1002"}, {"student": "Jörg", "name": "Jörg J", "canvas_id": "1003", "sis_id": "S003"},
            {"student": "4712", "name": "Nan O’Neill"}]
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


class StdinNotImplementedError(Exception):
    """What a kernel without a person says to `input()`."""


def ask_nobody(prompt=""):
    raise StdinNotImplementedError("raw_input was called")


def run_here(sources):
    """Run honest cells as a kernel would: an error ends a cell, not the notebook."""
    names, results = {"__name__": "__main__", "input": ask_nobody}, []
    for source in sources:
        outputs = []
        if isinstance(source, dict):
            results.append(asking.answers(names, source))
            continue
        try:
            exec("\n".join(line for line in source.splitlines() if not line.startswith(("%", "!"))), names)
        except Exception as error:
            outputs = [{"output_type": "error", "ename": type(error).__name__, "evalue": str(error), "traceback": []}]
        results.append({"ran": True, "outputs": outputs})
    return results


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    folder = tmp_path_factory.mktemp("odd-masters") / "tiny"
    folder.mkdir()
    (folder / "tiny.md").write_text(MASTER)
    (folder / "verify.py").write_text(VERIFY)
    return course.read_all(folder.parent)


@pytest.fixture
def hand_in(tiny, tmp_path, monkeypatch):
    """Grade what lies in a folder; return the rows by student, and what was left aside."""
    monkeypatch.setattr(judge.Judge, "execute", lambda self, sources, numbers: run_here(sources))
    monkeypatch.setattr(outside, "ask_sandbox", lambda cells, code, **where: {
        name: array for answers in run_here([code and f"pass\n{code}", *cells]) if "ran" not in answers for name, array in answers.items()})
    folder = tmp_path / "in"
    folder.mkdir()

    def graded(listed=STUDENTS):
        found = handins.collect(folder, tiny, listed)
        judging = judge.Judge(tiny, sandbox.Limits(), tmp_path, None, True)
        results = grade.grade(judging, found.found, Store(tmp_path / "state"), workers=1)
        rows = grade.to_rows(results, judging, listed, {}, {}, Late())
        table = grade.export(tmp_path / "out", rows, judging, listed, ",")
        assert all(isinstance(row["note"].encode(), bytes) and (tmp_path / "out" / "grades.csv").exists() for row in table)
        return {row.result.submission.student: row for row in rows}, found.aside

    return folder, graded


def named(nb, name):
    return next(i for i, cell in enumerate(nb.cells) if cell.metadata.get("nbgrader", {}).get("grade_id") == name)


def change(**wanted):
    """What to do with a notebook: cells by name to delete, blank, or put elsewhere."""
    def apply(nb):
        for name in wanted.get("delete", ()):
            del nb.cells[named(nb, name)]
        return nb
    return apply


def nameless(nb, ids=True):
    for i, cell in enumerate(nb.cells):
        cell.metadata = {}
        if ids:
            cell.id = f"x{i}"
    return nb


def move(name, to):
    def apply(nb):
        nb.cells.insert(to if to >= 0 else len(nb.cells), nb.cells.pop(named(nb, name)))
        return nb
    return apply


def copied(name, source, above=False):
    """A copy of a cell, with the same name as editors make it, above or below."""
    def apply(nb):
        at = named(nb, name)
        copy = deepcopy(nb.cells[at])
        copy.id, copy.source = "copy", source
        nb.cells.insert(at if above else at + 1, copy)
        return nb
    return apply


def put(source, by=None, above=False, kind="code", **more):
    """A new cell at a named one, or at the end."""
    def apply(nb):
        made = v4.new_code_cell(source) if kind == "code" else v4.new_raw_cell(source) if kind == "raw" else v4.new_markdown_cell(source, **more)
        nb.cells.insert(len(nb.cells) if by is None else named(nb, by) + (not above), made)
        return nb
    return apply


def retyped(name, **more):
    """The cell deleted and typed anew in its place."""
    def apply(nb):
        at = named(nb, name)
        old = nb.cells[at]
        nb.cells[at] = (v4.new_code_cell if old.cell_type == "code" else v4.new_markdown_cell)(old.source, **more)
        return nb
    return apply


def each(**fields):
    def apply(nb):
        for cell in nb.cells:
            cell.metadata.update(deepcopy(fields))
        return nb
    return apply


def source(name, text):
    def apply(nb):
        nb.cells[named(nb, name)].source = text
        return nb
    return apply


def split(name, at):
    """The editor's command: two cells with one name."""
    def apply(nb):
        lines = nb.cells[named(nb, name)].source.splitlines()
        nb.cells[named(nb, name)].source = "\n".join(lines[:at])
        return copied(name, "\n".join(lines[at:]))(nb)
    return apply


def fields(**more):
    """Fields of a cell that no format knows."""
    def apply(nb):
        for cell in nb.cells:
            cell.update(deepcopy(more))
        return nb
    return apply


def kind(name, new):
    def apply(nb):
        at = named(nb, name)
        old = nb.cells[at]
        nb.cells[at] = {"markdown": v4.new_markdown_cell, "code": v4.new_code_cell, "raw": v4.new_raw_cell}[new](old.source, metadata=old.metadata, id=old.id)
        return nb
    return apply


def one_cell(nb):
    return v4.new_notebook(cells=[v4.new_markdown_cell(nb.cells[0].source), v4.new_code_cell(
        "\n\n".join(cell.source for cell in nb.cells if cell.cell_type == "code" and not cell.source.startswith("np.testing")))])


STUB = "def double(x):\n    # YOUR CODE HERE\n    raise NotImplementedError()"
PICTURE = {"attachments": {"x.png": {"image/png": PIXEL}}}
OK, LOOK = "ok", "flagged"
# name: the answers, what is done to the notebook, the status, the points, whether the words wait for a mark
NOTEBOOKS = {
    "as it should be": (GOOD, None, OK, FULL, True),
    "untouched": ({}, None, OK, NONE, False),
    "only words": (WHY, None, OK, NONE, True),
    "tests deleted": (GOOD, change(delete=["double", "total"]), OK, FULL, True),
    "tests and set-up deleted": (GOOD, change(delete=["double", "total", "setup"]), OK, FULL, True),
    "prompts deleted": (GOOD, change(delete=["why-prompt"]), OK, FULL, True),
    "tests edited": (RIGHT | {"double-answer": WRONG["double-answer"]}, source("double", "pass"), OK, ONLY_TOTAL, False),
    "names lost": (GOOD, lambda nb: nameless(nb, ids=False), OK, FULL, True),
    "names and ids lost": (GOOD, nameless, LOOK, FULL, True),
    "names, ids and tests lost": (GOOD, lambda nb: nameless(change(delete=["double", "total"])(nb)), LOOK, FULL, True),
    "names and ids lost, one wrong": (WRONG | {"total-answer": RIGHT["total-answer"]}, nameless, LOOK, ONLY_TOTAL, False),
    "test moved before its answer": (GOOD, move("double", 1), OK, FULL, True),
    "answer moved to the end": (GOOD, move("double-answer", -1), OK, FULL, True),
    "set-up moved to the end": (GOOD, move("setup", -1), OK, FULL, True),
    "cells in reverse order": (GOOD, lambda nb: (nb.cells.reverse(), nb)[1], OK, FULL, True),
    "an untouched copy below": (GOOD, copied("double-answer", STUB), OK, FULL, True),
    "an untouched copy above": (GOOD, copied("double-answer", STUB, above=True), OK, FULL, True),
    "an old try above": (GOOD, copied("double-answer", WRONG["double-answer"], above=True), OK, FULL, True),
    "an old try below counts, as it did for the student": (GOOD, copied("double-answer", WRONG["double-answer"]), OK, ONLY_TOTAL, True),
    "the test copied": (GOOD, copied("double", "assert True"), OK, FULL, True),
    "answer typed anew": (GOOD, retyped("double-answer"), LOOK, FULL, True),
    "both answers typed anew": (GOOD, lambda nb: retyped("total-answer")(retyped("double-answer")(nb)), LOOK, FULL, True),
    "answer in a new cell above": (WHY | {"total-answer": RIGHT["total-answer"]}, put(RIGHT["double-answer"], "double-answer", above=True), OK, FULL, True),
    "answer in a new cell below": (WHY | {"total-answer": RIGHT["total-answer"]}, put(RIGHT["double-answer"], "double-answer"), OK, FULL, True),
    "answer in a new cell below its test": (WHY | {"total-answer": RIGHT["total-answer"]}, put(RIGHT["double-answer"], "double"), OK, FULL, True),
    "answer in a new cell at the end": (WHY | {"total-answer": RIGHT["total-answer"]}, put(RIGHT["double-answer"]), OK, FULL, True),
    "answer typed into the test's cell": (WHY | {"total-answer": RIGHT["total-answer"]}, source("double", RIGHT["double-answer"]), OK, ONLY_TOTAL, True),
    "all in one cell": (GOOD, one_cell, LOOK, FULL, False),
    "answers under other names": (WHY, put("def my_double(x):\n    return 2 * x"), LOOK, NONE, True),
    "an answer as a lambda": (GOOD | {"double-answer": "double = lambda x: 2 * np.asarray(x)"}, None, OK, FULL, True),
    "a list for an array": (GOOD | {"double-answer": "def double(x):\n    return [2 * v for v in x]"}, None, OK, FULL, True),
    "helpers in cells of their own": (GOOD | {"total-answer": "def total(x):\n    return help_me(x)"}, put("def help_me(x):\n    return np.sum(x)", "total-answer"), OK, FULL, True),
    "another double after the test": (GOOD, put("def double(x):\n    return 0", "double"), OK, FULL, True),
    "names deleted at the end": (GOOD, put("del double, total"), OK, FULL, True),
    "a cell that fails": (GOOD, put("1 / 0", "setup"), OK, FULL, True),
    "a cell of nonsense": (GOOD, put("this is no Python", "setup"), OK, FULL, True),
    "magics on top of an answer": (GOOD | {"double-answer": "%matplotlib inline\n%config InlineBackend.figure_format = 'svg'\n" + RIGHT["double-answer"]}, None, OK, FULL, True),
    "pip in an answer": (GOOD | {"double-answer": "!pip install numpy\n" + RIGHT["double-answer"]}, None, OK, FULL, True),
    "Colab's drive": (GOOD | {"double-answer": "from google.colab import drive\n" + RIGHT["double-answer"]}, None, LOOK, ONLY_TOTAL, True),
    "a module that is not here": (GOOD, put("import no_such_module", "setup"), OK, FULL, True),
    "tabs for spaces": (GOOD | {"double-answer": "def double(x):\n\treturn 2 * np.asarray(x)"}, None, OK, FULL, True),
    "Windows line ends": (GOOD | {"double-answer": RIGHT["double-answer"].replace("\n", "\r\n")}, None, OK, FULL, True),
    "words in a new cell below": (RIGHT, put(WHY["why"], "why", kind="markdown"), LOOK, FULL, True),
    "words in a new cell above": (RIGHT, put(WHY["why"], "why", above=True, kind="markdown"), LOOK, FULL, True),
    "words at the very top": (RIGHT, lambda nb: (nb.cells.insert(0, v4.new_markdown_cell(WHY["why"])), nb)[1], LOOK, FULL, True),
    "words in a raw cell": (RIGHT, put(WHY["why"], "why", kind="raw"), LOOK, FULL, True),
    "words in a code cell": (RIGHT, put(f"# {WHY['why']}", "why"), LOOK, FULL, True),
    "words typed under the question": (RIGHT, source("why-prompt", f"Why?\n\n{WHY['why']}"), LOOK, FULL, True),
    "words, lower copy untouched": (GOOD, copied("why", "YOUR ANSWER HERE"), OK, FULL, True),
    "words, upper copy untouched": (GOOD, copied("why", "YOUR ANSWER HERE", above=True), OK, FULL, True),
    "words typed anew": (GOOD, retyped("why"), LOOK, FULL, True),
    "words typed anew in another kind of cell": (RIGHT, lambda nb: put(WHY["why"], kind="raw")(change(delete=["why"])(nb)), LOOK, FULL, True),
    "words in an answer cell made code": (GOOD, kind("why", "code"), OK, FULL, True),
    "words in an answer cell made raw": (GOOD, kind("why", "raw"), OK, FULL, True),
    "an answer cell made markdown": (GOOD, kind("double-answer", "markdown"), OK, FULL, True),
    "words below the mark": (RIGHT | {"why": "YOUR ANSWER HERE\n\nBecause."}, None, OK, FULL, True),
    "the mark in bold": (RIGHT | {"why": "**YOUR ANSWER HERE**"}, None, OK, FULL, False),
    "an emptied answer": (RIGHT | {"why": ""}, None, OK, FULL, False),
    "one word": (RIGHT | {"why": "Because."}, None, OK, FULL, True),
    "a formula alone": (RIGHT | {"why": "$x = 2$"}, None, OK, FULL, True),
    "a heading of the student's": (RIGHT, put("# My homework", "setup", kind="markdown"), OK, FULL, False),
    "a pasted picture as the answer": (RIGHT, put("![x](attachment:x.png)", "why", kind="markdown", **PICTURE), LOOK, FULL, True),
    "a picture's name in Japanese": (GOOD, put("![図](attachment:図.png)", "why", kind="markdown", attachments={"図.png": {"image/png": PIXEL}}), OK, FULL, True),
    "a broken picture": (GOOD, put("![x](attachment:x)", "why", kind="markdown", attachments={"x": {"image/png": "no base 64"}}), OK, FULL, True),
    "a picture of no kind": (GOOD, put("![x](attachment:x)", "why", kind="markdown", attachments={"x": {}}), OK, FULL, True),
    "HTML in an answer": (RIGHT | {"why": "<b>Because</b> <script>alert(1)</script>"}, None, OK, FULL, True),
    "half a character": (RIGHT | {"why": "Because \ud83d"}, None, OK, FULL, True),
    "a zero byte": (RIGHT | {"why": "Because \x00 of"}, None, OK, FULL, True),
    "right to left": (RIGHT | {"why": "כי ככה"}, None, OK, FULL, True),
    "a very long answer": (RIGHT | {"why": "Because. " * 40_000}, None, OK, FULL, True),
    "another's seed": (GOOD, source("setup", "import numpy as np\n\nSTUDENT_SEED = 1234567"), LOOK, FULL, True),
    "set-up edited": (GOOD, source("setup", "import numpy as np\nimport pandas"), OK, FULL, True),
    "Colab's metadata": (GOOD, each(id="aBc", colab={"base_uri": "x"}, outputId="y"), OK, FULL, True),
    "VS Code's metadata": (GOOD, each(vscode={"languageId": "python"}), OK, FULL, True),
    "collapsed and tagged": (GOOD, each(collapsed=True, tags=["x"], jupyter={"outputs_hidden": True}), OK, FULL, True),
    "metadata of nonsense": (GOOD, lambda nb: each(nbgrader=5)(nb), OK, FULL, True),
    "a list for a name": (GOOD, lambda nb: each(nbgrader={"grade_id": ["x"]})(nb), OK, FULL, True),
    "a question to a person after the answer": (GOOD | {"double-answer": RIGHT["double-answer"] + "\nn = input('a number?')"}, None, OK, FULL, True),
    "a question to a person before the answer": (GOOD | {"double-answer": "n = input('a number?')\n" + RIGHT["double-answer"]}, None, LOOK, ONLY_TOTAL, True),
    "an answer split below a helper": (GOOD | {"double-answer": "def twice(x):\n    return 2 * x\ndef double(x):\n    return twice(np.asarray(x))"},
                                       split("double-answer", 2), OK, FULL, True),
    "an answer split above a try of it": (GOOD | {"double-answer": RIGHT["double-answer"] + "\nprint(double([1, 2]))"}, split("double-answer", 2), OK, FULL, True),
    "words split into two cells": (GOOD | {"why": WHY["why"] + "\n\nAnd so on."}, split("why", 1), OK, FULL, True),
    "a space of a word processor": (GOOD | {"double-answer": RIGHT["double-answer"].replace("    ", "\u00a0   ")}, None, OK, ONLY_TOTAL, True),
    "Deepnote's metadata": (GOOD, each(cell_id="00001", deepnote_cell_type="code", source_hash="ab", execution_start=1, deepnote_to_be_reexecuted=False), OK, FULL, True),
    "Kaggle's metadata": (GOOD, each(_uuid="8f2", _cell_guid="b1", trusted=True, **{"_kg_hide-input": True}), OK, FULL, True),
    "Databricks' metadata": (GOOD, each(**{"application/vnd.databricks.v1+cell": {"title": "", "nuid": "x"}}), OK, FULL, True),
    "outputs of widgets": (GOOD, fields(outputs=[{"output_type": "display_data", "metadata": {}, "data": {
        "application/vnd.jupyter.widget-view+json": {"version_major": 2, "version_minor": 0, "model_id": "x"}}}]), OK, FULL, True),
    "outputs of no kind": (GOOD, fields(outputs=[{"output_type": "hologram"}, {}], execution_count="many"), OK, FULL, True),
    "only for a script": (GOOD | {"double-answer": RIGHT["double-answer"] + "\nif __name__ == '__main__':\n    print(double([1]))"}, None, OK, FULL, True),
    "every name the same": (GOOD, lambda nb: each(nbgrader={"grade_id": "why"})(nb), LOOK, FULL, True),
    "a hundred empty cells": (GOOD, lambda nb: (nb.cells.extend(v4.new_code_cell("") for _ in range(100)), nb)[1], OK, FULL, True),
    "one id for all cells": (GOOD, lambda nb: ([cell.update(id="same") for cell in nb.cells], nb)[1], OK, FULL, True),
    "another language": (GOOD, lambda nb: (nb.metadata.update(kernelspec={"name": "ir", "display_name": "R", "language": "R"}), nb)[1], OK, FULL, True),
}


def write(path, nb):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(nb), encoding="utf-8")


@pytest.fixture(scope="module")
def released(tiny):
    return nbformat.writes(tiny["tiny"].released)


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_an_odd_notebook_gets_what_it_deserves(hand_in, released, name):
    folder, graded = hand_in
    answers, apply, status, points, waits = NOTEBOOKS[name]
    nb = notebook(released, answers)
    write(folder / "ada" / "tiny.ipynb", apply(nb) if apply else nb)
    write(folder / "Jörg" / "tiny.ipynb", notebook(released, GOOD))  # another's grade, which nothing changes
    rows, _ = graded()
    row = rows["ada"]
    got = {name: row.points[name] for name in FULL}
    assert (row.status, got, row.points["why"] is None) == (status, points, waits), row.note
    assert status == OK or row.note
    assert rows["Jörg"].status == OK and rows["Jörg"].points == FULL | {"why": None}


def raw(text):
    return lambda released: text if isinstance(text, bytes) else text.encode()


def good(released):
    return json.dumps(notebook(released, GOOD)).encode()


# name: the bytes of the file, and whether it can be read
FILES = {
    "BOM": (lambda r: b"\xef\xbb\xbf" + good(r), True), "UTF-16": (lambda r: good(r).decode().encode("utf-16"), True),
    "sources as lists of lines": (lambda r: json.dumps({**json.loads(good(r)), "cells": [
        {**cell, "source": cell["source"].splitlines(keepends=True)} for cell in json.loads(good(r))["cells"]]}).encode(), True),
    "no ids, format 4.0": (lambda r: json.dumps({**json.loads(good(r)), "nbformat_minor": 0, "cells": [
        {key: value for key, value in cell.items() if key != "id"} for cell in json.loads(good(r))["cells"]]}).encode(), True),
    "format 3": (lambda r: nbformat.writes(nbformat.convert(nbformat.reads(good(r).decode(), 4), 3), 3).encode(), True),
    "a cell with nothing in it": (lambda r: json.dumps({**json.loads(good(r)), "cells": [*json.loads(good(r))["cells"], {
        "cell_type": "markdown", "metadata": {}, "source": None}]}).encode(), True),
    "no metadata, no outputs": (lambda r: json.dumps({**json.loads(good(r)), "cells": [
        {key: value for key, value in cell.items() if key in ("cell_type", "id", "source")} for cell in json.loads(good(r))["cells"]]}).encode(), True),
    "spaces around": (lambda r: b"\n  " + good(r) + b"\n\n", True), "a format to come": (lambda r: good(r).replace(b'"nbformat_minor": 5', b'"nbformat_minor": 99'), True),
    "empty": (raw(""), False), "half a file": (lambda r: good(r)[:500], False), "a page to log in": (raw("<!doctype html><title>Log in</title>"), False),
    "a PDF with another name": (raw(b"%PDF-1.7 \xff\xfe"), False), "merge conflict": (lambda r: good(r).replace(b'"cells"', b'<<<<<<< HEAD\n"cells"'), False),
    "a list": (raw("[]"), False), "null": (raw("null"), False), "no cells": (raw('{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": 3}'), False),
    "deep nesting": (raw("[" * 100_000), False), "another notebook": (raw(json.dumps(v4.new_notebook(cells=[v4.new_code_cell("1")]))), False),
    "Latin-1": (raw('{"nbformat": 4, "x": "é"}'.encode("latin-1")), False),
}


PLACE_MARK = "raise ModuleNotFoundError('look here')"


@pytest.mark.parametrize("apply", [
    lambda nb: nb, put("spare = 1", "setup", above=True), lambda nb: put("spare = 1", "setup")(change(delete=["double"])(nb)),
    lambda nb: (nb.cells.insert(0, v4.new_markdown_cell("Ada")), nb)[1]], ids=["plain", "one more above", "one more, one less", "a title"])
def test_a_cell_has_the_number_that_it_has_in_the_students_file(hand_in, released, apply):
    """The assembled notebook has the master's cells back and in order: its numbers are other ones."""
    folder, graded = hand_in
    nb = apply(put(PLACE_MARK, "total")(notebook(released, WRONG | WHY)))
    write(folder / "ada" / "tiny.ipynb", nb)
    number = next(i for i, cell in enumerate(nb.cells, 1) if cell.source == PLACE_MARK)
    (row,) = graded()[0].values()
    assert f"cell {number} stopped: look here" in row.note


@pytest.mark.parametrize("name", FILES)
def test_an_odd_file_is_read_or_said_to_be_unreadable(hand_in, released, name):
    folder, graded = hand_in
    make, readable = FILES[name]
    (folder / "ada").mkdir()
    (folder / "ada" / "homework.ipynb").write_bytes(make(released))
    write(folder / "Jörg" / "tiny.ipynb", notebook(released, GOOD))
    rows, _ = graded()
    assert (rows["ada"].status, bool(rows["ada"].points)) == (("ok", True) if readable else ("failed", False)), rows["ada"].note
    assert readable or rows["ada"].note
    assert rows["Jörg"].points == FULL | {"why": None}


NFD = unicodedata.normalize("NFD", "José Müller")
# where the notebook lies, whose it is
PLACES = {
    "ada/tiny.ipynb": "ada", "ada/Untitled.ipynb": "ada", "ada/a/b/tiny.ipynb": "ada", "ada_tiny.ipynb": "ada", "ada-tiny.ipynb": "ada", "ada tiny.ipynb": "ada",
    "Ada_tiny.ipynb": "ada", "ADA/tiny.ipynb": "ada", "ada_tiny-Copy1.ipynb": "ada", "ada_tiny (1).ipynb": "ada", "ada_tiny(2).ipynb": "ada",
    "ada_tiny copy.ipynb": "ada", "ada_tiny copy 2.ipynb": "ada", "ada_Tiny.ipynb": "ada", "tiny_ada.ipynb": "ada", "ada.ipynb": "ada", "ada_tiny.IPYNB": "ada",
    "ada_tiny.ipynb.json": "ada", "ada_tiny.ipynb.txt": "ada", "ada/tiny.ipynb.txt": "ada", "tiny/ada.ipynb": "ada", "Tiny/ada/x.ipynb": "ada", "tiny/tiny/ada.ipynb": "ada",
    "Ada Lovelace/tiny.ipynb": "ada", "Lovelace, Ada/tiny.ipynb": "ada", "ada lovelace_tiny.ipynb": "ada",
    "lovelaceada_1001_98765_tiny.ipynb": "ada", "lovelaceada_LATE_1001_98765_tiny.ipynb": "ada", "lovelaceada_1001_98765_tiny-1.ipynb": "ada",
    "Ada Lovelace_99_assignsubmission_file_/tiny.ipynb": "ada", "Ada Lovelace_99_assignsubmission_file_tiny.ipynb": "ada",
    "Group 1-Ada Lovelace_99_assignsubmission_file_/tiny.ipynb": "ada", "Participant_4711_assignsubmission_file_/tiny.ipynb": "ada",
    "Homework 1_ada_attempt_2026-10-01-12-00-00_tiny.ipynb": "ada", "My_HW_ADA_attempt_2026-10-01-12-00-00_final.ipynb": "ada",
    "004712/tiny.ipynb": "4712", "004712_tiny.ipynb": "4712", "Nan O'Neill_99_assignsubmission_file_/tiny.ipynb": "4712",
    "tiny/Ada Lovelace_99_assignsubmission_file_/tiny.ipynb": "ada", f"{NFD}/tiny.ipynb": "José Müller", f"{NFD}_tiny.ipynb": "José Müller",
    f"{NFD}_99_assignsubmission_file_/tiny.ipynb": "José Müller", os.fsdecode(b"J\xf6rg/tiny.ipynb"): "Jörg", os.fsdecode(b"J\xf6rg_tiny.ipynb"): "Jörg",
}
STRANGERS = ["eve/tiny.ipynb", "javascript:alert(1)/tiny.ipynb", "ada/javascript:alert(1).ipynb", "<img src=x onerror=alert(1)>/tiny.ipynb", "=cmd|' !A0/tiny.ipynb",
             "a\nb/tiny.ipynb", "😀/tiny.ipynb", "x" * 200 + "/tiny.ipynb", os.fsdecode(b"\xff\xfe/tiny.ipynb"), "..a/tiny.ipynb"[2:], "con/tiny.ipynb", "%s %n/tiny.ipynb", "[x]/tiny.ipynb"]


@pytest.mark.parametrize("place", PLACES, ids=ascii)
def test_the_owner_of_an_odd_name_is_found(hand_in, released, place):
    folder, graded = hand_in
    write(folder / place, notebook(released, GOOD))
    rows, aside = graded()
    assert list(rows) == [PLACES[place]] and not aside
    if any(form.search(place) for form in (roster.MOODLE, roster.CANVAS, roster.BLACKBOARD)):
        with zipfile.ZipFile(folder.parent / "out" / "return.zip") as archive:
            (name,) = archive.namelist()
        entry = unicodedata.normalize("NFC", next(part for part in place.split("/") if roster.from_platform(part)))
        assert name == (f"{entry}/tiny.html" if entry.endswith("_file_") else entry.replace(".ipynb", ".html"))
    assert (rows[PLACES[place]].status, rows[PLACES[place]].points) == ("ok", FULL | {"why": None}), rows[PLACES[place]].note


@pytest.mark.parametrize("place", STRANGERS, ids=ascii)
def test_a_stranger_is_graded_flagged_and_harmless(hand_in, released, place):
    folder, graded = hand_in
    write(folder / place, notebook(released, GOOD))
    rows, _ = graded()
    (row,) = rows.values()
    assert row.points == FULL | {"why": None}
    assert row.status == ("ok" if place.startswith("ada") else "flagged")
    table = (folder.parent / "out" / "grades.csv").read_text(encoding="utf-8-sig")
    assert not re.search(r"(^|,)=", table, re.MULTILINE)
    for page in (folder.parent / "out").rglob("*.html"):
        assert not re.search(r"<img[^>]*onerror|href=.javascript", page.read_text())


def beside(*names):
    def make(folder, nb):
        write(folder / "ada" / "tiny.ipynb", nb)
        for name in names:
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_bytes(b"%PDF x")
    return make


def lone(place):
    def make(folder, nb):
        (folder / place).parent.mkdir(parents=True, exist_ok=True)
        (folder / place).write_bytes(json.dumps(nb).encode() if place.endswith(".ipynb") else b"x")
    return make


def zipped(place, *members):
    def make(folder, nb):
        (folder / place).parent.mkdir(exist_ok=True)
        with zipfile.ZipFile(folder / place, "w") as archive:
            for member in members:
                archive.writestr(member, json.dumps(nb) if "ipynb" in member else "x")
    return make


def two(other):
    def make(folder, nb):
        write(folder / "ada" / "tiny.ipynb", nb)
        write(folder / "ada" / "tiny-Copy1.ipynb", other(nb))
    return make


# what lies there, the status of ada (None: no row), how much is left aside
THINGS = {
    "a PDF beside": (beside("ada/report.pdf"), "ok", 0), "requirements.txt beside": (beside("ada/requirements.txt"), "ok", 0),
    "desktop.ini, Thumbs.db, .DS_Store": (beside("ada/desktop.ini", "ada/Thumbs.db", "ada/.DS_Store", "desktop.ini", "Thumbs.db", ".DS_Store"), "ok", 0),
    "a PDF of ada's at the top": (beside("ada_report.pdf"), "ok", 1), "a list at the top": (beside("class.csv", "requirements.txt"), "ok", 2),
    "checkpoints": (beside("ada/.ipynb_checkpoints"), "ok", 0), "macOS's folder": (beside("__MACOSX/._tiny.ipynb"), "ok", 0), "._ files": (beside("ada/._tiny.ipynb"), "ok", 0),
    "a zip": (zipped("ada/tiny.zip", "tiny/tiny.ipynb", "tiny/requirements.txt"), "ok", 0), "a zip at the top": (zipped("ada_tiny.zip", "tiny.ipynb"), "ok", 0),
    "a zip of macOS": (zipped("ada_tiny.zip", "tiny.ipynb", "__MACOSX/._tiny.ipynb"), "ok", 0), "a zip with a path": (zipped("ada_tiny.zip", "../../tiny.ipynb"), "ok", 0),
    "a zip without a notebook": (zipped("ada/tiny.zip", "tiny.pdf"), "failed", 0),
    "a broken zip": (lambda folder, nb: ((folder / "ada").mkdir(), (folder / "ada" / "tiny.zip").write_bytes(b"PK\3\4 no")), "failed", 0),
    "only a PDF": (lambda folder, nb: ((folder / "ada").mkdir(), (folder / "ada" / "tiny.pdf").write_bytes(b"%PDF")), "failed", 0),
    "only a PDF at the top": (lambda folder, nb: (folder / "ada_tiny.pdf").write_bytes(b"%PDF"), "failed", 0),
    "Blackboard's receipt": (beside("HW_ada_attempt_2026-10-01-12-00-00.txt"), "ok", 1),
    "Moodle's page of words": (beside("Ada Lovelace_99_assignsubmission_onlinetext_/onlinetext.html"), "ok", 1),
    "a zip by Windows": (zipped("ada/tiny.zip", "tiny\\tiny.ipynb"), "ok", 0), "a zip in a zip": (zipped("ada/tiny.zip", "tiny.zip"), "failed", 0),
    "a placeholder of a cloud": (lone("ada/.tiny.ipynb.icloud"), "failed", 0), "a shortcut of Windows": (lone("ada/tiny.ipynb - Shortcut.lnk"), "failed", 0),
    "a script": (lone("ada/tiny.py"), "failed", 0), "a web page": (lone("ada/tiny.html"), "failed", 0), "a rar": (lone("ada_tiny.rar"), "failed", 0),
    "only a checkpoint": (lone("ada/.ipynb_checkpoints/tiny-checkpoint.ipynb"), "failed", 0),
    "somebody's PDF": (lambda folder, nb: (folder / "handout.pdf").write_bytes(b"%PDF"), None, 1),
    "an empty folder": (lambda folder, nb: (folder / "ada").mkdir(), "failed", 0),
    "two that are the same": (two(deepcopy), "ok", 0), "one of two is untouched": (two(lambda nb: "untouched"), "ok", 0),
    "two that differ": (two(lambda nb: "half"), "failed", 0), "one of two is broken": (two(lambda nb: {"x": 1}), "ok", 0),
}


@pytest.mark.parametrize("name", THINGS)
def test_what_lies_beside_a_notebook_costs_nothing(hand_in, released, name):
    folder, graded = hand_in
    make, status, left = THINGS[name]
    make(folder, notebook(released, GOOD))
    copy = folder / "ada" / "tiny-Copy1.ipynb"
    if copy.exists() and copy.read_text() in ('"untouched"', '"half"'):
        write(copy, notebook(released, {} if "untouched" in copy.read_text() else WRONG))
    rows, aside = graded()
    assert (rows["ada"].status if "ada" in rows else None, len(aside)) == (status, left), (rows, aside)
    if status == "ok":
        assert rows["ada"].points == FULL | {"why": None}
    if status == "failed":
        assert rows["ada"].note and not rows["ada"].points


@pytest.mark.parametrize("entry", ["lovelaceada_1001_98765_tiny.ipynb", "Ada Lovelace_99_assignsubmission_file_tiny.ipynb"])
def test_a_forgotten_class_list_is_noticed(hand_in, released, entry):
    folder, graded = hand_in
    write(folder / entry, notebook(released, GOOD))
    ((row,), _) = (list(rows.values()) if isinstance(rows, dict) else rows for rows in graded(listed=[]))
    assert row.status == "flagged" and "run the command again with CLASS=" in row.note


EXPORT = """submission_11:
  :submitters:
  - :name: Ada Lovelace
    :sid: '1'
    :email: ADA@uni.example
  - :name: Jörg Unknown
    :sid: s003
    :email: j@uni.example
  :created_at: 2026-10-01 12:00:00.000000000 Z
  :score:
submission_12:
  :submitters:
  - :name: O'Neill, Nan
    :sid:
    :email:
submission_13:
  :submitters:
  - :name: Eve
    :sid:
    :email: eve@uni.example
"""


@pytest.mark.parametrize("place", ["", "assignment_9_export/", "tiny/"])
def test_gradescope_its_export_is_read_and_gets_its_points(hand_in, released, monkeypatch, place):
    """The program in the zip is run as it would run there: files that were graded get their points, others no 0."""
    folder, graded = hand_in
    for number, answers in ((11, RIGHT), (12, WRONG), (13, RIGHT)):
        write(folder / f"{place}submission_{number}" / "tiny.ipynb", notebook(released, answers))
    (folder / f"{place}submission_metadata.yml").write_text(EXPORT, encoding="utf-8")
    rows, aside = graded()
    assert not aside and {student: row.status for student, row in rows.items()} == {"ada": "ok", "Jörg": "ok", "4712": "ok", "Eve": "flagged"}
    top = folder.parent / "autograder"
    with zipfile.ZipFile(folder.parent / "out" / "gradescope" / "tiny.zip") as archive:
        archive.extractall(top / "source")
        assert archive.getinfo("run_autograder").external_attr >> 16 & 0o111
    (top / "results").mkdir()
    write(top / "submission" / "tiny.ipynb", notebook(released, WRONG))
    program = (top / "source" / "run_autograder").read_text().replace("/autograder", str(top))
    exec(program, {})
    got = json.loads((top / "results" / "results.json").read_text())
    assert got["score"] == 0 and [test["max_score"] for test in got["tests"]] == [2, 3, 1] and "twice 1 is 2" in got["tests"][0]["output"]
    write(top / "submission" / "tiny.ipynb", notebook(released, RIGHT))
    exec(program, {})
    assert json.loads((top / "results" / "results.json").read_text())["score"] == 5
    write(top / "submission" / "tiny.ipynb", notebook(released, GOOD))
    exec(program, {})
    assert "score" not in json.loads((top / "results" / "results.json").read_text())


def test_what_gradescope_did_not_write_is_refused(tmp_path):
    for text in ("- a\n", "a: 1\n", "a: [\n", ""):
        (tmp_path / roster.GRADESCOPE).write_text(text)
        with pytest.raises(SystemExit, match="must be as Gradescope wrote it"):
            roster.submitters(tmp_path)


def test_an_error_in_a_page_costs_that_page_only(hand_in, released, monkeypatch):
    from grading import pages

    def broken(row, *rest, real=pages.feedback):
        if row.result.submission.student == "ada":
            raise UnicodeError("no page")
        return real(row, *rest)

    monkeypatch.setattr(pages, "feedback", broken)
    folder, graded = hand_in
    for student in ("ada", "Jörg"):
        write(folder / student / "tiny.ipynb", notebook(released, GOOD))
    rows, _ = graded()
    assert {student: row.points for student, row in rows.items()} == dict.fromkeys(("ada", "Jörg"), FULL | {"why": None})
    out = folder.parent / "out"
    assert "5 of 6 points" in (out / "feedback" / "ada" / "tiny.html").read_text() and "Your notebook" in (out / "feedback" / "Jörg" / "tiny.html").read_text()


LONG = """def total(values):
    result, seen = 0.0, []
    for value in np.asarray(values).ravel():
        if value > 0:
            seen.append(value)
            result = result + value
        else:
            result = result - abs(value)
    return float(result)
"""


def test_similar_code_and_words_are_found_under_other_names(released, tiny, tmp_path, caplog):
    answers = {"ada": LONG, "bob": re.sub(r"\bvalue\b", "v", LONG).replace("seen", "liste").replace("    ", "  "), "cem": RIGHT["total-answer"], "dot": None}
    for student, text in answers.items():
        given = RIGHT | {"total-answer": text, "why": "My own." if student in ("ada", "bob") else f"Words of {student}."}
        write(tmp_path / student / "tiny.ipynb", notebook(released, {} if text is None else given))
    found = handins.collect(tmp_path, tiny, []).found
    rows = similar.compare(found, tiny["tiny"])
    assert {(rows[0]["student"], rows[0]["other"])} == {("bob", "ada")} and rows[0]["words alike"] == "yes"
    assert float(rows[0]["share"]) > 0.7
    assert similar.compare(found[:1], tiny["tiny"]) == similar.compare([], tiny["tiny"]) == [] and "No files" not in caplog.text
    assert all("dot" not in (row["student"], row["other"]) for row in rows)  # what everybody was given is alike for all


def test_solutions_to_hand_out_hold_no_hidden_test(tmp_path):
    written = release.solutions(tmp_path, course.HERE)
    assert len(written) == 7
    for path in written:
        text = "\n".join(cell.source for cell in nbformat.read(path, as_version=4).cells)
        assert "HIDDEN" not in text and "SOLUTION" not in text and "def check_" not in text and "raise NotImplementedError()" not in text.replace("`raise NotImplementedError()`", "")
        master = course.masters()[path.stem.removesuffix("-solution")].read_text()
        assert re.search(r"### BEGIN SOLUTION\n(.*?)\s*### END", master, re.DOTALL)[1] in text


@pytest.mark.filterwarnings("ignore:.*fork")
def test_killed_at_twenty_moments_the_grades_are_the_same(hand_in, released):
    """Not interrupted politely, killed, in a child of this process: at a random one of its writes, before or after it."""
    folder, graded = hand_in
    out, state = folder.parent / "out", folder.parent / "state"
    for i in range(6):
        write(folder / f"s{i}" / "tiny.ipynb", notebook(released, GOOD if i % 2 else WRONG | WHY))

    def written():
        return {path.relative_to(out): path.read_bytes() for path in sorted(out.rglob("*")) if path.is_file() and path.suffix != ".part"}

    graded(listed=[])
    wanted = written()
    assert len(wanted) > 10
    shutil.rmtree(out), shutil.rmtree(state)
    rng, cut = np.random.default_rng(0), 0
    while cut < 20:
        left, after = int(rng.integers(1, 20)), rng.random() < 0.5
        child = os.fork()
        if not child:
            real = os.replace

            def replace(source, target):
                nonlocal left
                left -= 1
                if after or left:
                    real(source, target)
                if not left:
                    os.kill(os.getpid(), signal.SIGKILL)

            os.replace = replace
            with contextlib.suppress(BaseException):
                graded(listed=[])
            os._exit(0)
        if os.WIFSIGNALED(os.waitpid(child, 0)[1]):
            cut += 1
        else:  # there was nothing left to write: from the beginning
            shutil.rmtree(out), shutil.rmtree(state)
    graded(listed=[])
    assert written() == wanted


def test_there_are_a_hundred_of_them():
    assert len(NOTEBOOKS) + len(FILES) + len(PLACES) + len(STRANGERS) + len(THINGS) >= 150
    assert roster.shown(NFD) == "José Müller"
