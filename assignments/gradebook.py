"""nbgrader's grade book and feedback pages of one course. Nothing here runs a student's code."""
import contextlib
import hashlib
import importlib.util
import math
import os
import re
import warnings
from pathlib import Path
from typing import NamedTuple

import classroom
import nbformat
from nbconvert.preprocessors import CSSHTMLHeaderPreprocessor
from nbformat import NotebookNode
from nbgrader.api import Gradebook, MissingEntry
from nbgrader.converters import Autograde, GenerateFeedback
from nbgrader.preprocessors import ClearHiddenTests, GetGrades, SaveAutoGrades
from nbgrader.utils import is_solution
from sqlalchemy.exc import SAWarning

warnings.filterwarnings("ignore", category=SAWarning)  # nbgrader's, on every new submission

# For marking by hand in nbgrader's formgrader, which must not run submissions: its button Autograde reads the outputs again.
MARKING = """c = get_config()
c.HTMLExporter.sanitize_html = True
c.Autograde.sanitize_preprocessors = []
c.Autograde.autograde_preprocessors = ["nbgrader.preprocessors.SaveAutoGrades"]
c.GenerateFeedback.preprocessors = [
    "nbgrader.preprocessors.ClearHiddenTests", "nbgrader.preprocessors.GetGrades", "nbconvert.preprocessors.CSSHTMLHeaderPreprocessor"]
"""

SCRIPT = Path(importlib.util.find_spec("sphinx-mathjax-offline").origin).parent / "static" / "mathjax" / "tex-svg.js"
# In place of nbconvert's MathJax, which comes from the network. A student's formula cannot load anything, nor be a link.
MATHJAX = """<script>
MathJax = {
  tex: {inlineMath: [["$", "$"], ["\\\\(", "\\\\)"]], processEscapes: true, packages: {"[-]": ["autoload", "require"]}},
  options: {enableMenu: false}
};
</script>
<script>""" + SCRIPT.read_text(encoding="utf-8") + "</script>"


class Mark(NamedTuple):
    """Points for a question (None: not marked yet), of how many, and whether it waits for a mark by hand."""

    points: float | None
    most: float
    waits: bool


def plain(student: str) -> str:
    """A student's name in nbgrader's course, where names are patterns too."""
    name = re.sub(r"[^\w.,'() @-]", "_", student).strip()
    return name if name == student else f"{name}-{hashlib.sha256(student.encode()).hexdigest()[:6]}"


def remove(root: Path, slug: str, student: str) -> None:
    """Forget an older hand-in, which must not stand for one that could not be graded."""
    with Gradebook(classroom.course(root).db_url) as book, contextlib.suppress(MissingEntry):
        book.remove_submission(slug, plain(student))


def record(root: Path, slug: str, student: str, notebook: NotebookNode, faults: dict[str, str]) -> None:
    """Enter a notebook that has run; nbgrader reads the points off its outputs. Questions with a fault get none.

    A mark by hand stays as long as its answer does. It goes before the new answer comes, so that an interruption loses nothing.
    """
    name = plain(student)
    path = root / "submitted" / name / slug / f"{slug}.ipynb"
    path.parent.mkdir(parents=True, exist_ok=True)
    with Gradebook(classroom.course(root).db_url) as book, contextlib.suppress(MissingEntry):
        for grade in book.find_submission_notebook(slug, slug, name).grades:
            if grade.manual_score is not None and answer(nbformat.read(path, as_version=4), grade.name) != answer(notebook, grade.name):
                grade.manual_score = None
        book.db.commit()
    part = path.with_suffix(".part")
    nbformat.write(notebook, part)
    os.replace(part, path)
    converter = Autograde(coursedir=classroom.course(root, slug, name), force=True, log=classroom.quiet())
    converter.sanitize_preprocessors = []  # done already, and nothing is executed here
    converter.autograde_preprocessors = [SaveAutoGrades]
    converter.start()
    with Gradebook(classroom.course(root).db_url) as book:
        for grade in book.find_submission_notebook(slug, slug, name).grades:
            if grade.name in faults:
                grade.auto_score = 0
            if grade.manual_score is not None:  # nbgrader lets it wait again
                grade.needs_manual_grade = False
        book.db.commit()


def answer(notebook: NotebookNode, question: str) -> list[str]:
    """What a mark is for: an answer in words alone; for a figure or a test, all code of the student's."""
    own = [cell for cell in notebook.cells if is_solution(cell) or not classroom.grade_id(cell)]
    words = [cell.source for cell in own if classroom.grade_id(cell) == question and cell.cell_type == "markdown"]
    return words or [cell.source for cell in own if cell.cell_type == "code"]


def marks(root: Path, slug: str, student: str, questions: list[str]) -> tuple[dict[str, Mark], list[str]]:
    """The marks of each question of a recorded notebook, and the comments; nothing if there is not a mark for each."""
    with Gradebook(classroom.course(root).db_url) as book:
        try:
            notebook = book.find_submission_notebook(slug, slug, plain(student))
        except MissingEntry:
            return {}, []
        found = {}
        for grade in notebook.grades:
            if grade.needs_manual_grade or grade.manual_score is not None or grade.auto_score is not None:
                points = None if grade.needs_manual_grade else grade.score
                found[grade.name] = Mark(points, grade.max_score, bool(grade.needs_manual_grade))
        if set(questions) - set(found):
            return {}, []
        return {name: found[name] for name in questions}, sorted(f"{c.name}: {c.comment}" for c in notebook.comments)


class Scores(GetGrades):
    """nbgrader's, but a question that waits for its mark has no score yet."""

    def _get_score(self, cell: NotebookNode, resources: dict) -> None:
        super()._get_score(cell, resources)
        grade = self.gradebook.find_grade(classroom.grade_id(cell), self.notebook_id, self.assignment_id, self.student_id)
        if grade.needs_manual_grade:
            cell.metadata.nbgrader.score = math.nan


def feedback(root: Path, slug: str, student: str) -> str:
    """A page for the student: answers, points, comments and messages, without the hidden tests."""
    name = plain(student)
    converter = GenerateFeedback(coursedir=classroom.course(root, slug, name), force=True, log=classroom.quiet())
    converter.preprocessors = [ClearHiddenTests, Scores, CSSHTMLHeaderPreprocessor]
    converter.config.HTMLExporter.sanitize_html = True
    converter.start()
    page = (root / "feedback" / name / slug / f"{slug}.html").read_text(encoding="utf-8")
    page = re.sub(r"Score: nan / ([\d.]+)", r"not marked yet, \1 points", page)
    head, _, rest = page.partition("<!-- Load mathjax -->")
    return head + MATHJAX + rest.partition("<!-- End of mathjax configuration -->")[2]
