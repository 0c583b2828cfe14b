"""Grade a folder of submissions: `python assignments/grade.py SUBMISSIONS OUT` (or `make grade`).

Every notebook is put together anew from the master's own tests and the student's own answers (`submissions.py`), run
alone in a sandbox (`sandbox.py`, `inside.py`), and entered in nbgrader's grade book (`gradebook.py`) by this process,
which runs no student's code. What a student's functions return on fresh data is checked here too (`outside.py`), so
replacing the checker does not help.
"""
import argparse
import base64
import contextlib
import csv
import hashlib
import html
import json
import os
import re
import secrets
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import NamedTuple

import classroom
import gradebook
import numpy as np
import outside
import sandbox
import submissions
from classroom import grade_id
from nbformat import NotebookNode, v4
from nbgrader.utils import is_grade, is_solution
from submissions import Submission
from tqdm import tqdm

STATUSES = ["ok", "failed", "timeout", "flagged"]
COLUMNS = ["student", "assignment", "status", "total", "max", "pending", "note"]
OURS = [Path(__file__).with_name(f"{name}.py") for name in ("grade", "submissions", "gradebook", "outside", "inside", "clock", "sandbox", "classroom")]

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
    """What came out of a submission. `faults` are points that nbgrader gives and the check outside does not confirm."""

    status: str  # one of STATUSES
    note: str = ""
    notebook: NotebookNode | None = None
    faults: dict[str, str] = {}
    slow: bool = False  # it, or the check outside, ran out of time


class Stopped(Exception):
    """A notebook came to no end: the status, and why."""


# --- one submission ----------------------------------------------------------------------------------------------


def is_test(cell: NotebookNode) -> bool:
    """Whether nbgrader reads points off the cell's outputs."""
    return cell.cell_type == "code" and is_grade(cell) and not is_solution(cell)


def canary(token: str) -> str:
    """A cell that must end in an AssertionError with the token, by way of every check that must fail."""
    lines = ["numpy = __import__('numpy'); __import__('numpy.testing')"]
    for depth, check in enumerate(MUST_FAIL):
        indent = "    " * depth
        lines += [f"{indent}try:", f"{indent}    {check}", f"{indent}except AssertionError:"]
    lines.append(f"{'    ' * len(MUST_FAIL)}assert False, {token!r}")
    return "\n".join(lines)


def clean(output: dict, test: bool, hidden: list[str]) -> NotebookNode | None:
    """An output as it may be shown: text, PNG or an error, and no hidden test. Of a test only the error's message."""
    kind, data = output["output_type"], output.get("data", {})
    lines = [str(line) for line in list(output.get("traceback") or [])[:50]]
    error, text = str(output.get("evalue")), str(output.get("text") or data.get("text/plain") or "")
    if classroom.leaks(hidden, re.sub(r"\x1b\[[\d;]*m", "", "\n".join([*lines, error, text]))):
        lines, error, text = [], "left out: it shows a hidden test", "left out: it shows a hidden test\n"
    if kind == "error":
        name = str(output["ename"])[:80]
        lines = [] if test else [line[:4000] for line in lines]
        return v4.new_output("error", ename=name, evalue=error[:600], traceback=lines or [f"{name}: {error[:600]}"])
    if test:
        return None
    if kind == "stream":
        return v4.new_output("stream", name="stderr" if output.get("name") == "stderr" else "stdout", text=text[:100_000])
    shown = {"text/plain": text[:100_000]} if "text/plain" in data else {}
    with contextlib.suppress(ValueError):
        image = str(data.get("image/png", "")).replace("\n", "")
        if base64.b64decode(image, validate=True).startswith(b"\x89PNG"):
            shown["image/png"] = image
    return v4.new_output("display_data", data=shown) if shown else None


class Grader(NamedTuple):
    """Everything that is the same for all submissions."""

    out: Path
    folder: Path
    templates: dict[str, NotebookNode]
    markers: dict[str, list[str]]
    limits: sandbox.Limits
    fonts: Path
    secret: str | None
    sandboxed: bool

    @property
    def course(self) -> Path:
        return self.out / "course"

    def state(self, submission: Submission, kind: str) -> Path:
        """The file that remembers what has been done for a submission."""
        name = hashlib.sha256(f"{submission.student}\n{submission.slug}".encode()).hexdigest()[:24]
        return self.out / "state" / f"{name}.{kind}"

    def digest(self, submission: Submission) -> str:
        """Changes when anything does that the result depends on."""
        parts = [submission.slug, str(classroom.student_seed(submission.student, self.secret)), str(self.limits), submission.note]
        files = [submission.path, *OURS, *(self.folder / submission.slug / name for name in (f"{submission.slug}.md", "verify.py"))]
        hashed = hashlib.sha256(repr(parts).encode())
        for path in files:
            hashed.update(path.read_bytes() if path.exists() else b"none")
        return hashed.hexdigest()

    def judge(self, submission: Submission) -> Verdict:
        """Run one submission and say what came of it. Runs in a thread; touches no other submission."""
        nb, notes = submissions.assemble(submissions.read_notebook(submission.path), self.templates[submission.slug])
        notes = [note for note in [submission.note, *notes] if note]
        classroom.set_seed(nb, classroom.student_seed(submission.student, self.secret))
        try:
            late, tampered = self.run(submission, nb)
        except Stopped as stopped:
            status, why = stopped.args
            return Verdict(status, "; ".join([*notes, why]), slow=status == "timeout")
        passed = {grade_id(cell) for cell in nb.cells if is_test(cell) and not any(o.output_type == "error" for o in cell.outputs)}
        faults = self.faults(submission, nb, passed)
        status = "ok"
        if late:
            status = "timeout"
            notes.append(f"stopped after {self.limits.cell_seconds} s: cell {', '.join(map(str, late))}")
        if tampered or faults:
            status = "flagged"
            notes += ["the checks were replaced"] * tampered + [f"{name}: {text}" for name, text in faults.items()]
        if notes:
            nb.cells.insert(0, v4.new_markdown_cell(f"**{status}**: {'; '.join(notes)}".replace("<", "&lt;")))
        return Verdict(status, "; ".join(notes), nb, faults, bool(late) or any("timeout" in text for text in faults.values()))

    def run(self, submission: Submission, nb: NotebookNode) -> tuple[list[int], bool]:
        """Run the notebook in a sandbox and enter its outputs; return the cells that took too long, and whether the checks were replaced."""
        token = secrets.token_hex(8)
        steps = []  # (number of the cell, the cell, what is run); a canary after each test belongs to no cell
        for number, cell in enumerate(nb.cells, 1):
            if cell.cell_type == "code":
                steps.append((number, cell, cell.source))
                if is_test(cell):
                    steps.append((number, None, canary(token)))
        shown = classroom.squeeze("\n".join(cell.source for cell in nb.cells if not is_test(cell)))
        hidden = [marker for marker in self.markers[submission.slug] if marker not in shown]
        results = self.execute([source for _, _, source in steps], [number for number, _, _ in steps])
        late, tampered = [], False
        try:
            for (number, cell, _), result in zip(steps, results, strict=True):
                errors = [(o["ename"], o["evalue"]) for o in result["outputs"] if o["output_type"] == "error"]
                if cell is None:
                    tampered |= ("AssertionError", token) not in errors
                    continue
                if is_test(cell) and not result["ran"]:
                    raise Stopped("failed", f"the test {grade_id(cell)} did not run")
                if any(name == "CellTimeoutError" for name, _ in errors):
                    late.append(number)
                cell.outputs = [o for o in (clean(output, is_test(cell), hidden) for output in result["outputs"]) if o]
                cell.execution_count = number
        except (KeyError, TypeError, AttributeError, ValueError):
            raise Stopped("failed", "ended with a result that makes no sense") from None
        return late, tampered

    def execute(self, sources: list[str], numbers: list[int]) -> list[dict]:
        """Run cells in a sandbox; return whether each ran, and its outputs, as told. Stopped if they came to no end."""
        why, data = sandbox.run({"what": "execute", "cells": sources}, self.limits, self.fonts, self.sandboxed)
        where = ""
        try:
            answer = json.loads(data or b"{}")
            why, cells = why or answer.get("stopped"), answer.get("cells")
            if why in ("died", "output") and "cell" in answer:
                where = f" in cell {numbers[answer['cell']]}"
        except (ValueError, AttributeError, TypeError, LookupError, RecursionError):
            raise Stopped("failed", "ended with a result that makes no sense") from None
        if why == "timeout":
            raise Stopped("timeout", f"stopped after {self.limits.seconds} s")
        if why or cells is None:
            reasons = {"memory": f"used more than {self.limits.memory >> 20} MB of memory", "died": f"Python ended{where}",
                       "output": f"wrote more than {self.limits.output >> 20} MB of output{where}"}
            raise Stopped("failed", reasons.get(why, "ended without a result"))
        return cells

    def faults(self, submission: Submission, nb: NotebookNode, passed: set[str]) -> dict[str, str]:
        """Of the questions whose tests passed, those that the check outside does not confirm, and why."""
        path = self.folder / submission.slug / "verify.py"
        if not path.exists() or not passed:
            return {}
        cells = [cell.source for cell in nb.cells if cell.cell_type == "code" and not is_test(cell)]

        def ask(code: str, calls: dict[str, outside.Call]) -> dict[str, np.ndarray]:
            return outside.ask_sandbox([*cells, code], calls, limits=self.limits, fonts=self.fonts, sandboxed=self.sandboxed)

        try:
            return outside.faults(outside.load(path), np.random.default_rng(), passed, ask)
        except outside.NoAnswer as error:
            return dict.fromkeys(sorted(passed), f"its values could not be checked outside ({error})")

    def record(self, submission: Submission, verdict: Verdict) -> None:
        """Enter a verdict in the grade book."""
        if verdict.notebook is None:
            gradebook.remove(self.course, submission.slug, submission.student)
        else:
            gradebook.record(self.course, submission.slug, submission.student, verdict.notebook, verdict.faults)


# --- all submissions ---------------------------------------------------------------------------------------------


def grade(grader: Grader, found: list[Submission], workers: int) -> list[tuple[Submission, str, str]]:
    """Judge what is new, two at a time, and enter it one by one. Whatever is finished stays finished."""
    done, waiting = {}, {}
    for submission in found:
        if submission.problem:
            done[submission] = ("failed", submission.problem)
            continue
        digest = grader.digest(submission)
        with contextlib.suppress(OSError, ValueError):
            saved = json.loads(grader.state(submission, "json").read_text())
            if saved["digest"] == digest:
                done[submission] = (saved["status"], saved["note"])
        if submission not in done:
            waiting[submission] = digest
    bar = tqdm(total=len(found), initial=len(done), unit="notebook", disable=None)
    pool = ThreadPoolExecutor(workers)
    try:
        running = {pool.submit(grader.judge, submission): submission for submission in waiting}
        for future in again_when_quiet(running, grader.judge):
            submission = running[future]
            try:
                verdict = future.result()
                grader.record(submission, verdict)
            except Exception as error:  # never stops the others
                verdict = Verdict("failed", f"the grader could not grade it ({type(error).__name__}: {error})"[:300])
                grader.record(submission, verdict)
            part = grader.state(submission, "part")
            part.write_text(json.dumps({"digest": waiting[submission], "status": verdict.status, "note": verdict.note}))
            os.replace(part, grader.state(submission, "json"))
            done[submission] = (verdict.status, verdict.note)
            bar.update()
    except KeyboardInterrupt:
        print("\nInterrupted. The same command goes on where this one stopped.", file=sys.stderr)
        os._exit(130)  # ends the sandboxes too
    bar.close()
    return [(submission, *done[submission]) for submission in found]


def again_when_quiet(running: dict[Future, Submission], judge: Callable) -> Iterator[Future]:
    """The verdicts as they come; what ran out of time on a busy machine gets one more try, alone, when all others are done."""
    slow = []
    for future in as_completed(running):
        busy = os.getloadavg()[0] > 1.5 * (os.cpu_count() or 1)
        if busy and not future.exception() and future.result().slow:
            slow.append(future)
        else:
            yield future
    for future in slow:
        again = Future()
        running[again] = running[future]
        try:
            again.set_result(judge(running[future]))
        except Exception as error:
            again.set_exception(error)
        yield again


def read_decisions(path: Path) -> dict[tuple[str, str], str]:
    """The teacher's own status for a student's assignment, from decisions.csv, if there is one."""
    rows = classroom.read_table(path) if path.exists() else []
    for row in rows:
        if not row.get("student") or not row.get("assignment") or row.get("status") not in STATUSES:
            raise SystemExit(f"{path} must have the columns student, assignment and status, filled in every row, and a status is one of "
                             f"{', '.join(STATUSES)}; got {row}. Put it right and run the command again")
    return {(row["student"], row["assignment"]): row["status"] for row in rows}


def export(grader: Grader, judged: list[tuple[Submission, str, str]], students: list[dict[str, str]],
           decisions: dict[tuple[str, str], str]) -> list[dict]:
    """Write grades.csv, the feedback pages and the files for Canvas and Moodle."""
    rows, listed = [], {about["student"] for about in students}
    for submission, status, note in tqdm(judged, unit="page", disable=None):
        if listed and submission.student not in listed:
            status = "flagged" if status == "ok" else status
            note = "; ".join(filter(None, [note, "not in the class list: rename the file or folder, or add the student to the list"]))
        rows.append(publish(grader, submission, decisions.get((submission.student, submission.slug), status), note))
    questions = {name for row in rows for name in row} - set(COLUMNS)
    write_csv(grader.out / "grades.csv", [*COLUMNS, *sorted(questions)], rows)
    final = {(r["student"], r["assignment"]): r["total"] for r in rows if r["status"] == "ok" and not float(r["pending"])}
    most = {r["assignment"]: r["max"] for r in rows if r["assignment"]}
    slugs = sorted(most)
    canvas, moodle = [{"Student": "    Points Possible", **most}], []
    for about in students or [{"student": student} for student in dict.fromkeys(row["student"] for row in rows)]:
        student = about["student"]
        points = {slug: final.get((student, slug), "") for slug in slugs}
        canvas.append({"Student": about.get("name") or student, "ID": about.get("canvas_id"), "SIS User ID": about.get("sis_id"),
                       "SIS Login ID": student, "Section": about.get("section"), **points})
        moodle.append({"username": student, "email": about.get("email"), **points})
    write_csv(grader.out / "canvas.csv", ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", *slugs], canvas)
    write_csv(grader.out / "moodle.csv", ["username", "email", *slugs], moodle)
    return rows


def publish(grader: Grader, submission: Submission, status: str, note: str) -> dict[str, str]:
    """Write the student's feedback page, if it is not as it should be already; return the row of grades.csv."""
    student, slug = submission.student, submission.slug
    row = {"student": student, "assignment": slug, "status": status, "note": note}
    marks, comments = {}, []
    if slug:
        most = {grade_id(cell): cell.metadata.nbgrader.points for cell in grader.templates[slug].cells if is_grade(cell)}
        row |= {"max": f"{sum(most.values()):g}"} | {f"{slug}:{name}": "" for name in most}
        if not submission.problem:
            marks, comments = gradebook.marks(grader.course, slug, student, list(most))
    if marks:
        row["total"] = f"{sum(mark.points or 0 for mark in marks.values()):g}"
        row["pending"] = f"{sum(mark.most for mark in marks.values() if mark.waits):g}"
        row |= {f"{slug}:{name}": "" if mark.points is None else f"{mark.points:g}" for name, mark in marks.items()}
    elif status == "ok":
        row |= {"status": "failed", "note": "; ".join(filter(None, [note, "nbgrader has no points for it"]))}
    digest, made = repr((row, comments, not submission.problem and grader.digest(submission))), grader.state(submission, "page")
    if not made.exists() or made.read_text() != digest:
        page = grader.out / "feedback" / student / f"{slug or 'submission'}.html"
        page.parent.mkdir(parents=True, exist_ok=True)
        if marks:
            text = gradebook.feedback(grader.course, slug, student)
        else:
            text = html.escape(f"{slug}: not graded ({row['status']}). {row['note']}")
            text = f"<!doctype html><meta charset=utf-8><title>Feedback</title><p>{text}</p>\n"
        page.write_text(text, encoding="utf-8")
        made.write_text(digest)
    return row


def write_csv(path: Path, columns: list[str], rows: list[dict]) -> None:
    """Write a table; a cell that a spreadsheet would run as a formula is written as text."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, restval="")
        writer.writeheader()
        for row in rows:
            writer.writerow({key: f"'{value}" if str(value).startswith(("=", "+", "@", "-")) else value for key, value in row.items()})


def prepare(args: argparse.Namespace) -> Grader:
    """Make the course, the fonts and sure that the sandbox works; SystemExit if it does not."""
    limits = sandbox.Limits(args.cell_seconds, args.seconds, args.memory << 20, args.output << 20, args.processes)
    course = args.out / "course"
    course.mkdir(parents=True, exist_ok=True)
    fonts = args.out / "state" / "fonts"
    if not fonts.exists():
        subprocess.run([sys.executable, "-c", "import matplotlib.font_manager"], env=os.environ | {"MPLCONFIGDIR": str(fonts)}, check=True)
    sandboxed = os.environ.get("ALLOW_UNSANDBOXED") != "1"
    if sandboxed:
        try:
            sandbox.check([args.masters, args.submissions, course, Path(__file__), Path.home() / ".bashrc"], limits, fonts)
        except sandbox.Unavailable as error:
            raise SystemExit(
                f"Not grading: {error}.\nSubmissions are programs of other people. To run them without a sandbox all the same, with everything "
                "that you may read, write and reach, set ALLOW_UNSANDBOXED=1.") from None
    else:
        print("Grading WITHOUT a sandbox, as ALLOW_UNSANDBOXED=1 says.", file=sys.stderr)
    templates, markers = {}, {}
    for slug, master in classroom.masters(args.masters).items():
        classroom.convert(course, master)
        templates[slug] = classroom.with_tests(course, slug)
        markers[slug] = classroom.markers(master.read_text())
    if not templates:
        raise SystemExit(f"{args.masters} must hold masters, <name>/<name>.md; it holds none")
    (course / "nbgrader_config.py").write_text(gradebook.MARKING)
    return Grader(args.out, args.masters, templates, markers, limits, fonts, classroom.read_secret(args.secret), sandboxed)


def main() -> None:
    parser = argparse.ArgumentParser(description="Grade a folder of submissions.", formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("submissions", type=classroom.path, help="folder with a folder or a notebook for each student")
    parser.add_argument("out", type=classroom.path, help="folder for grades.csv, the feedback and the grade book")
    parser.add_argument("--masters", type=classroom.path, default=classroom.HERE, help="folder with the masters")
    parser.add_argument("--class", dest="students", type=classroom.path, help="CSV: student, and perhaps name, email, canvas_id, sis_id, section")
    parser.add_argument("--secret", type=classroom.path, help="file with the course secret, if the release was made with one")
    parser.add_argument("--workers", type=int, default=max(2, os.cpu_count() or 2), help="submissions at a time")
    limits = sandbox.Limits()
    parser.add_argument("--cell-seconds", type=int, default=limits.cell_seconds, help="time for one cell")
    parser.add_argument("--seconds", type=int, default=limits.seconds, help="time for one notebook")
    parser.add_argument("--memory", type=int, default=limits.memory >> 20, help="MB of memory")
    parser.add_argument("--output", type=int, default=limits.output >> 20, help="MB of output")
    parser.add_argument("--processes", type=int, default=limits.processes, help="processes and threads")
    args = parser.parse_args()
    if not args.submissions.is_dir():
        parser.error(f"{args.submissions} must be a folder")
    grader = prepare(args)
    students = classroom.read_class(args.students) if args.students else []
    decisions = read_decisions(args.out / "decisions.csv")
    judged = grade(grader, submissions.collect(args.submissions, grader.templates, students), args.workers)
    rows = export(grader, judged, students, decisions)
    print(", ".join(f"{count} {status}" for status, count in sorted(Counter(row["status"] for row in rows).items())), "in", args.out / "grades.csv")
    graded, listed = ({row["student"] for row in table} for table in (rows, students))
    if students and graded - listed:
        print("not in the class list:", ", ".join(sorted(graded - listed)))
    if unknown := sorted(decisions.keys() - {(row["student"], row["assignment"]) for row in rows}):
        print("decisions.csv names what is not in grades.csv:", ", ".join(map(" ".join, unknown)))
    if listed - graded:
        print("nothing handed in:", ", ".join(sorted(listed - graded)))


if __name__ == "__main__":
    main()
