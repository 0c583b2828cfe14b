"""Grade a folder of submissions: `python assignments/grade.py SUBMISSIONS OUT` (or `make grade`).

Every notebook is put together anew from the master's own tests and the student's own answers, run alone in a sandbox,
and entered in nbgrader's grade book by this process, which runs no student's code. What a student's functions return
on fresh data is checked here too (`verify.py` of the assignment), so replacing the checker does not help.
"""
import argparse
import ast
import base64
import contextlib
import csv
import hashlib
import importlib.util
import io
import json
import os
import re
import secrets
import shutil
import subprocess
import sys
import warnings
import zipfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor, as_completed
from copy import deepcopy
from pathlib import Path
from typing import NamedTuple

import classroom
import nbformat
import numpy as np
import sandbox
from classroom import grade_id
from nbconvert.preprocessors import CSSHTMLHeaderPreprocessor
from nbformat import NotebookNode, v4
from nbgrader.api import Gradebook, MissingEntry
from nbgrader.converters import Autograde, GenerateFeedback
from nbgrader.preprocessors import ClearHiddenTests, GetGrades, SaveAutoGrades
from nbgrader.utils import is_grade, is_solution
from sqlalchemy.exc import SAWarning
from tqdm import tqdm

warnings.filterwarnings("ignore", category=SAWarning)  # nbgrader's, on every new submission

LARGEST = 20 * 2**20  # bytes of a submitted notebook
COLUMNS = ["student", "assignment", "status", "total", "max", "pending", "note"]
OURS = [Path(__file__).with_name(name) for name in ("grade.py", "inside.py", "sandbox.py", "classroom.py")]

# For marking by hand in nbgrader's formgrader, which must not run submissions: its button Autograde reads the outputs again.
MARKING = """c = get_config()
c.HTMLExporter.sanitize_html = True
c.Autograde.sanitize_preprocessors = []
c.Autograde.autograde_preprocessors = ["nbgrader.preprocessors.SaveAutoGrades"]
c.GenerateFeedback.preprocessors = [
    "nbgrader.preprocessors.ClearHiddenTests", "nbgrader.preprocessors.GetGrades", "nbconvert.preprocessors.CSSHTMLHeaderPreprocessor"]
"""

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


class Submission(NamedTuple):
    """One notebook of one student, or the reason why there is none (`problem`)."""

    student: str
    slug: str
    path: Path | None
    problem: str = ""
    note: str = ""


class Verdict(NamedTuple):
    """What came out of a submission. `faults` are points that nbgrader gives and the check outside does not confirm."""

    status: str  # ok, failed, timeout or flagged
    note: str = ""
    notebook: NotebookNode | None = None
    faults: dict[str, str] = {}


# --- which submissions there are ---------------------------------------------------------------------------------


def read_notebook(path: Path) -> NotebookNode:
    """A student's notebook, reduced to what is used of it; ValueError if it is none."""
    if path.is_symlink() or not path.is_file():
        raise ValueError("it is a link or no regular file")
    if path.stat().st_size > LARGEST:
        raise ValueError(f"it is larger than {LARGEST >> 20} MB; clear its outputs")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            nb = nbformat.reads(path.read_text(encoding="utf-8-sig"), as_version=4)
        cells = []
        for cell in nb.cells:
            made = v4.new_code_cell(str(cell.source)) if cell.cell_type == "code" else v4.new_markdown_cell(str(cell.source))
            made.id = str(cell.get("id", made.id))
            if name := grade_id(cell):
                made.metadata.nbgrader = {"grade_id": name}
            cells.append(made)
    except (Exception, RecursionError) as error:
        raise ValueError(f"it cannot be read as a notebook ({type(error).__name__})") from None
    return v4.new_notebook(cells=cells)


def recognize(nb: NotebookNode, path: Path, templates: dict[str, NotebookNode]) -> str | None:
    """Which assignment a notebook is, by its cells, and only if they do not say so by its name."""
    votes = Counter()
    for slug, template in templates.items():
        names = {grade_id(cell) for cell in template.cells} - {None}
        for cell in nb.cells:
            votes[slug] += cell.id.startswith(f"{slug}-") + (grade_id(cell) in names)
    slug, count = votes.most_common(1)[0]
    if count:
        return slug
    return next((slug for slug in templates if slug in f"{path.parent.name}/{path.name}"), None)


def collect(folder: Path, templates: dict[str, NotebookNode]) -> list[Submission]:
    """All submissions in a folder with a folder or a file for each student."""
    found = []
    for entry in sorted(folder.iterdir()):
        if entry.name.startswith((".", "__MACOSX")):
            continue
        student = entry.name if entry.is_dir() else entry.stem
        if not entry.is_dir():
            for slug in templates:
                student = student.replace(slug, "")
            student = student.strip("_- ") or entry.stem
        if entry.is_symlink():
            found.append(Submission(student, "", None, "the submission is a link, not a file"))
            continue
        paths = [entry] if not entry.is_dir() else sorted(
            p for p in entry.rglob("*.ipynb") if ".ipynb_checkpoints" not in p.parts and not p.name.startswith("."))
        if not paths:
            found.append(Submission(student, "", None, "the folder holds no notebook (*.ipynb)"))
        for path in paths:
            named = next((slug for slug in templates if slug in f"{path.parent.name}/{path.name}"), "")
            try:
                slug = recognize(read_notebook(path), path, templates)
            except ValueError as error:
                found.append(Submission(student, named, None, f"{path.name}: {error}"))
                continue
            if slug is None:
                found.append(Submission(student, "", None, f"{path.name} is none of the assignments"))
            else:
                note = "" if slug in f"{path.parent.name}/{path.name}" else f"handed in as {path.name}"
                found.append(Submission(student, slug, path, note=note))
    count = Counter((s.student, s.slug) for s in found if s.path)
    return [s if count[s.student, s.slug] < 2 else s._replace(path=None, problem=f"{count[s.student, s.slug]} notebooks for one assignment")
            for s in found]


# --- one submission ----------------------------------------------------------------------------------------------


def assemble(nb: NotebookNode, template: NotebookNode) -> tuple[NotebookNode, list[str]]:
    """The student's answers among the master's own locked cells; and what had to be put back.

    A cell is known by nbgrader's name, else by its id, else by its text. Every locked cell of the master stands in the
    result exactly once, as in the master, at the student's place for it or after the cell it follows in the master.
    """
    names = {grade_id(cell): cell for cell in template.cells if grade_id(cell)}
    ids = {cell.id: grade_id(cell) for cell in template.cells if grade_id(cell)}
    texts = {cell.source.strip(): grade_id(cell) for cell in template.cells if grade_id(cell)}
    owner, stripped = {}, False
    for i, cell in enumerate(nb.cells):  # of two cells with one name, the last counts
        name = grade_id(cell)
        if name not in names:
            name = ids.get(cell.id) or texts.get(cell.source.strip())
            stripped |= name is not None
        if name is not None:
            owner[name] = i
    at = {i: name for name, i in owner.items()}
    cells = []
    for i, cell in enumerate(nb.cells):
        made = deepcopy(names[at[i]] if i in at else cell)
        if i not in at:
            made.metadata = NotebookNode()
        if i not in at or is_solution(made):
            made.source = cell.source
            if made.cell_type == "markdown":  # no HTML of a student's in the browser of the one who marks
                made.source = re.sub(r"<(?=[A-Za-z/!?])", "< ", made.source)
        made.id = f"cell-{i}"
        cells.append(made)
    missing = [name for name in names if name not in owner]
    for name in missing:
        order = list(names)
        before = order[: order.index(name)]
        place = max((i + 1 for i, cell in enumerate(cells) if grade_id(cell) in before), default=0)
        cells.insert(place, deepcopy(names[name]))
        cells[place].id = f"back-{order.index(name)}"
    notes = []
    if stripped:
        notes.append("cell metadata were missing and put back")
    if missing:
        notes.append(f"deleted cells put back: {', '.join(missing)}")
    result = v4.new_notebook(cells=cells, metadata=deepcopy(template.metadata))
    return result, notes


def canary(token: str) -> str:
    """A cell that must end in an AssertionError with the token, by way of every check that must fail."""
    lines = ["numpy = __import__('numpy'); __import__('numpy.testing')"]
    for depth, check in enumerate(MUST_FAIL):
        indent = "    " * depth
        lines += [f"{indent}try:", f"{indent}    {check}", f"{indent}except AssertionError:"]
    lines.append(f"{'    ' * len(MUST_FAIL)}assert False, {token!r}")
    return "\n".join(lines)


def probe_alone(source: str) -> str:
    """What goes into the sandbox of a `verify.py`: its imports, `probe`, and what that refers to; no check, no formula."""
    tree = ast.parse(source)
    imports = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    named = {name: node for node in tree.body for name in
             ([node.name] if isinstance(node, ast.FunctionDef) else
              [n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)] if isinstance(node, ast.Assign) else [])}
    needed, queue = [], [named["probe"]]
    while queue:
        node = queue.pop()
        if node not in needed:
            needed.append(node)
            queue += [named[n.id] for n in ast.walk(node) if isinstance(n, ast.Name) and n.id in named]
    body = [*imports, *(node for node in tree.body if node in needed)]
    return ast.unparse(ast.Module(body, []))


def clean(output: dict, test: bool) -> NotebookNode | None:
    """An output as it may be shown: text, PNG or an error. Of a test only the error's message, not the test."""
    kind = output.get("output_type")
    if kind == "error":
        ename, evalue = str(output.get("ename"))[:80], str(output.get("evalue"))[:600]
        traceback = [] if test else [str(line)[:4000] for line in list(output.get("traceback") or [])[:50]]
        return v4.new_output("error", ename=ename, evalue=evalue, traceback=traceback or [f"{ename}: {evalue}"])
    if test:
        return None
    if kind == "stream":
        name = "stderr" if output.get("name") == "stderr" else "stdout"
        return v4.new_output("stream", name=name, text=str(output.get("text"))[:100_000])
    data = output.get("data")
    if kind not in ("execute_result", "display_data") or not isinstance(data, dict):
        return None
    shown = {}
    if "text/plain" in data:
        shown["text/plain"] = str(data["text/plain"])[:100_000]
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
    limits: sandbox.Limits
    fonts: Path
    secret: str | None
    sandboxed: bool

    @property
    def course(self) -> Path:
        return self.out / "course"

    def judge(self, submission: Submission) -> Verdict:
        """Run one submission and say what came of it. Runs in a thread; touches no other submission."""
        nb, notes = assemble(read_notebook(submission.path), self.templates[submission.slug])
        notes = [n for n in [submission.note, *notes] if n]
        classroom.set_seed(nb, classroom.student_seed(submission.student, self.secret))
        token = secrets.token_hex(8)
        sources, place, guards = [], {}, []
        for i, cell in enumerate(nb.cells):
            if cell.cell_type == "code":
                place[len(sources)] = i
                sources.append(cell.source)
                if is_test(cell):
                    guards.append(len(sources))
                    sources.append(canary(token))

        why, data = sandbox.run({"what": "execute", "cells": sources}, self.limits, self.fonts, self.sandboxed)
        try:
            answer = json.loads(data) if data else {}
            why = why or answer.get("stopped")
            results = list(answer.get("cells", []))
            at = place.get(answer.get("cell"))
        except (ValueError, AttributeError, TypeError, RecursionError):
            why, results, at = "nonsense", [], None
        where = f" in cell {at + 1}" if at is not None else ""
        if why == "timeout":
            return Verdict("timeout", "; ".join([*notes, f"stopped after {self.limits.seconds} s"]))
        reasons = {"memory": f"used more than {self.limits.memory >> 20} MB of memory", "died": f"Python ended{where}",
                   "output": f"wrote more than {self.limits.output >> 20} MB of output{where}"}
        if why or len(results) != len(sources):
            return Verdict("failed", "; ".join([*notes, reasons.get(why, "ended without a result")]))
        late, tampered = [], False
        try:
            for j, result in enumerate(results):
                outputs = result["outputs"]
                errors = [o for o in outputs if o["output_type"] == "error"]
                if j in guards:
                    tampered |= not any(o["ename"] == "AssertionError" and o["evalue"] == token for o in errors)
                    continue
                cell = nb.cells[place[j]]
                if any(o["ename"] == "CellTimeoutError" for o in errors):
                    late.append(str(place[j] + 1))
                if is_test(cell) and not result["ran"]:
                    return Verdict("failed", "; ".join([*notes, f"the test {grade_id(cell)} did not run"]))
                cell.outputs = [o for o in (clean(output, is_test(cell)) for output in outputs) if o]
                cell.execution_count = 1 + list(place).index(j)
        except (KeyError, TypeError, AttributeError):
            return Verdict("failed", "; ".join([*notes, reasons.get(why, "ended with a result that makes no sense")]))
        passed = {grade_id(cell) for cell in nb.cells if is_test(cell) and not any(o.output_type == "error" for o in cell.outputs)}
        faults = {name: text for name, text in self.verify(submission, nb, passed).items() if name in passed}
        status = "ok"
        if late:
            status = "timeout"
            notes.append(f"stopped after {self.limits.cell_seconds} s: cell {', '.join(late)}")
        if tampered or faults:
            status = "flagged"
            notes += ["the checks were replaced"] * tampered + [f"{name}: {text}" for name, text in faults.items()]
        if notes and nb.cells:
            nb.cells.insert(0, v4.new_markdown_cell(f"**{status}**: {'; '.join(notes)}".replace("<", "&lt;")))
        return Verdict(status, "; ".join(notes), nb, faults)

    def verify(self, submission: Submission, nb: NotebookNode, passed: set[str]) -> dict[str, str]:
        """Check outside the sandbox what the student's functions return on fresh data inside one."""
        path = self.folder / submission.slug / "verify.py"
        if not path.exists() or not passed:
            return {}
        seed = secrets.randbelow(2**31)
        cells = [cell.source for cell in nb.cells if cell.cell_type == "code" and not is_test(cell)]
        job = {"what": "probe", "cells": cells, "seed": seed, "probe": probe_alone(path.read_text())}
        why, data = sandbox.run(job, self.limits, self.fonts, self.sandboxed)
        try:
            if why or not data:
                raise ValueError("no answer")
            if sum(entry.file_size for entry in zipfile.ZipFile(io.BytesIO(data)).infolist()) > self.limits.output:
                raise ValueError("too large")
            with np.load(io.BytesIO(data), allow_pickle=False) as file:
                arrays = {name: file[name] for name in file.files}
            spec = importlib.util.spec_from_file_location("verify", path)
            module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
            with np.errstate(all="ignore"), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return module.verify(arrays, seed)
        except Exception as error:
            text = f"its values could not be checked outside ({error or type(error).__name__})"
            return dict.fromkeys(passed, text[:200])

    def digest(self, submission: Submission) -> str:
        """Changes when anything does that the result depends on."""
        parts = [submission.slug, str(classroom.student_seed(submission.student, self.secret)), str(self.limits), submission.note]
        files = [submission.path, *OURS, *(self.folder / submission.slug / name for name in (f"{submission.slug}.md", "verify.py"))]
        hashed = hashlib.sha256(repr(parts).encode())
        for path in files:
            hashed.update(path.read_bytes() if path.exists() else b"none")
        return hashed.hexdigest()

    def record(self, submission: Submission, verdict: Verdict) -> None:
        """Enter a run notebook in the grade book; nbgrader reads the points off its outputs."""
        student, slug = plain(submission.student), submission.slug
        with Gradebook(classroom.course(self.course).db_url) as book:
            if verdict.notebook is None:  # an older hand-in of the same student must not stand for this one
                with contextlib.suppress(MissingEntry):
                    book.remove_submission(slug, student)
                return
        path = self.course / "submitted" / student / slug / f"{slug}.ipynb"
        path.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(verdict.notebook, path)
        converter = Autograde(coursedir=classroom.course(self.course, slug, student), force=True, log=classroom.quiet())
        converter.sanitize_preprocessors = []  # done already, and nothing is executed here
        converter.autograde_preprocessors = [SaveAutoGrades]
        converter.start()
        with Gradebook(classroom.course(self.course).db_url) as book:
            notebook = book.find_submission_notebook(slug, slug, student)
            for grade in notebook.grades:
                if grade.name in verdict.faults:
                    grade.auto_score = 0
            book.db.commit()

    def grades(self, submission: Submission) -> dict[str, tuple[float | None, float, bool]]:
        """Of each question of a recorded submission: points, of how many, and whether they wait for a mark by hand."""
        with Gradebook(classroom.course(self.course).db_url) as book:
            try:
                notebook = book.find_submission_notebook(submission.slug, submission.slug, plain(submission.student))
            except MissingEntry:
                return {}
            found = {grade.name: (grade, grade.max_score) for grade in notebook.grades}
            names = [grade_id(cell) for cell in self.templates[submission.slug].cells if is_grade(cell)]
            if set(names) - set(found) or any(g.auto_score is None and g.manual_score is None and not g.needs_manual_grade for g, _ in found.values()):
                return {}
            return {name: (None if found[name][0].needs_manual_grade and found[name][0].manual_score is None else found[name][0].score,
                           found[name][1], bool(found[name][0].needs_manual_grade)) for name in names}

    def feedback(self, submission: Submission, status: str, note: str, grades: dict) -> None:
        """A page for the student: answers, points, comments and messages, without the hidden tests."""
        page = self.out / "feedback" / submission.student / f"{submission.slug or 'submission'}.html"
        page.parent.mkdir(parents=True, exist_ok=True)
        if not grades:
            text = f"{submission.slug}: not graded ({status}). {note}".replace("&", "&amp;").replace("<", "&lt;")
            page.write_text(f"<!doctype html><meta charset=utf-8><title>Feedback</title><p>{text}</p>\n")
            return
        student = plain(submission.student)
        coursedir = classroom.course(self.course, submission.slug, student)
        converter = GenerateFeedback(coursedir=coursedir, force=True, log=classroom.quiet())
        converter.preprocessors = [ClearHiddenTests, GetGrades, CSSHTMLHeaderPreprocessor]
        converter.config.HTMLExporter.sanitize_html = True
        converter.start()
        made = self.course / "feedback" / student / submission.slug / f"{submission.slug}.html"
        shutil.copyfile(made, page)


def is_test(cell: NotebookNode) -> bool:
    """Whether nbgrader reads points off the cell's outputs."""
    return cell.cell_type == "code" and is_grade(cell) and not is_solution(cell)


def plain(student: str) -> str:
    """A student's name in nbgrader's course, where names are patterns too."""
    name = re.sub(r"[^\w.,'() @-]", "_", student).strip()
    return name if name == student else f"{name}-{hashlib.sha256(student.encode()).hexdigest()[:6]}"


# --- all submissions ---------------------------------------------------------------------------------------------


def grade(grader: Grader, submissions: list[Submission], workers: int) -> list[tuple[Submission, str, str]]:
    """Judge what is new, two at a time, and enter it one by one. Whatever is finished stays finished."""
    done, waiting = {}, []
    for submission in submissions:
        state = state_file(grader, submission)
        if submission.path is None:
            done[submission] = ("failed", submission.problem)
            if submission.slug:
                grader.record(submission, Verdict("failed"))
            state.unlink(missing_ok=True)
            continue
        with contextlib.suppress(OSError, ValueError):
            saved = json.loads(state.read_text())
            if saved["digest"] == grader.digest(submission):
                done[submission] = (saved["status"], saved["note"])
        if submission not in done:
            waiting.append(submission)
    bar = tqdm(total=len(submissions), initial=len(done), unit="notebook", disable=None)
    pool = ThreadPoolExecutor(workers)
    try:
        running = {pool.submit(grader.judge, submission): (submission, grader.digest(submission)) for submission in waiting}
        for future in as_completed(running):
            submission, digest = running[future]
            try:
                verdict = future.result()
                grader.record(submission, verdict)
            except Exception as error:  # never stops the others
                verdict = Verdict("failed", f"the grader could not grade it ({type(error).__name__}: {error})"[:300])
                grader.record(submission, verdict)
            state = state_file(grader, submission)
            state.parent.mkdir(parents=True, exist_ok=True)
            text = json.dumps({"digest": digest, "status": verdict.status, "note": verdict.note})
            state.with_suffix(".part").write_text(text)
            os.replace(state.with_suffix(".part"), state)
            done[submission] = (verdict.status, verdict.note)
            bar.update()
    except KeyboardInterrupt:
        print("\nInterrupted. The same command goes on where this one stopped.", file=sys.stderr)
        os._exit(130)  # ends the sandboxes too
    bar.close()
    return [(submission, *done[submission]) for submission in submissions]


def state_file(grader: Grader, submission: Submission) -> Path:
    name = hashlib.sha256(f"{submission.student}\n{submission.slug}".encode()).hexdigest()[:24]
    return grader.out / "state" / f"{name}.json"


def export(grader: Grader, judged: list[tuple[Submission, str, str]], students: list[dict[str, str]]) -> list[dict]:
    """Write grades.csv, the feedback pages and the files for Canvas and Moodle."""
    decisions = {}
    with contextlib.suppress(FileNotFoundError), (grader.out / "decisions.csv").open(newline="") as file:
        decisions = {(row["student"], row["assignment"]): row["status"] for row in csv.DictReader(file)}
    rows, questions = [], []
    for submission, status, note in tqdm(judged, unit="page", disable=None):
        status = decisions.get((submission.student, submission.slug), status)
        grades = grader.grades(submission) if submission.path and submission.slug else {}
        if not grades and status == "ok":
            status, note = "failed", "; ".join(filter(None, [note, "nbgrader has no points for it"]))
        row = {"student": submission.student, "assignment": submission.slug, "status": status, "note": note}
        if grades:
            row["total"] = number(sum(points or 0 for points, _, _ in grades.values()))
            row["pending"] = number(sum(most for points, most, waits in grades.values() if waits))
            for name, (points, _, _) in grades.items():
                row[f"{submission.slug}:{name}"] = "" if points is None else number(points)
        if submission.slug:
            most = {grade_id(c): c.metadata.nbgrader.points for c in grader.templates[submission.slug].cells if is_grade(c)}
            row["max"] = number(sum(most.values()))
            questions += [q for q in (f"{submission.slug}:{name}" for name in most) if q not in questions]
        rows.append(row)
        page = repr((row, comments(grader, submission) if grades else None))
        mark = state_file(grader, submission).with_suffix(f".{hashlib.sha256(page.encode()).hexdigest()[:24]}")
        if not mark.exists():
            grader.feedback(submission, status, note, grades)
            mark.parent.mkdir(parents=True, exist_ok=True)
            for old in mark.parent.glob(f"{mark.stem}.*"):
                if old.suffix not in (".json", ".part"):
                    old.unlink()
            mark.touch()
    write_csv(grader.out / "grades.csv", [*COLUMNS, *sorted(questions)], rows)
    final = {(r["student"], r["assignment"]): r["total"] for r in rows if r["status"] == "ok" and not float(r["pending"])}
    slugs = sorted({r["assignment"] for r in rows if r["assignment"]})
    known = {row["student"]: row for row in students} or {r["student"]: {"student": r["student"]} for r in rows}
    most = {r["assignment"]: r["max"] for r in rows if r["assignment"]}
    canvas = [{"Student": "    Points Possible", **most}]
    moodle = []
    for student, about in known.items():
        points = {slug: final.get((student, slug), "") for slug in slugs}
        canvas.append({"Student": about.get("name") or student, "ID": about.get("canvas_id"), "SIS User ID": about.get("sis_id"),
                       "SIS Login ID": student, "Section": about.get("section"), **points})
        moodle.append({"username": student, "email": about.get("email"), **points})
    write_csv(grader.out / "canvas.csv", ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", *slugs], canvas)
    write_csv(grader.out / "moodle.csv", ["username", "email", *slugs], moodle)
    return rows


def comments(grader: Grader, submission: Submission) -> list[str]:
    with Gradebook(classroom.course(grader.course).db_url) as book:
        notebook = book.find_submission_notebook(submission.slug, submission.slug, plain(submission.student))
        return sorted(f"{comment.name}: {comment.comment}" for comment in notebook.comments)


def number(value: float) -> str:
    return f"{value:g}"


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
    templates = {}
    for slug, master in classroom.masters(args.masters).items():
        classroom.convert(course, master)
        templates[slug] = classroom.with_tests(course, slug)
    if not templates:
        raise SystemExit(f"{args.masters} must hold masters, <name>/<name>.md; it holds none")
    (course / "nbgrader_config.py").write_text(MARKING)
    return Grader(args.out, args.masters, templates, limits, fonts, classroom.read_secret(args.secret), sandboxed)


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
    judged = grade(grader, collect(args.submissions, grader.templates), args.workers)
    rows = export(grader, judged, students)
    print(", ".join(f"{count} {status}" for status, count in sorted(Counter(row["status"] for row in rows).items())), "in", args.out / "grades.csv")
    unknown = sorted({row["student"] for row in rows} - {row["student"] for row in students}) if students else []
    absent = sorted({row["student"] for row in students} - {row["student"] for row in rows})
    if unknown:
        print("not in the class list:", ", ".join(unknown))
    if absent:
        print("nothing handed in:", ", ".join(absent))


if __name__ == "__main__":
    main()
