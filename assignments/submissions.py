"""What was handed in: which notebook is whose answer to what, and the student's answers among the master's own tests."""
import re
import warnings
from collections import Counter
from copy import deepcopy
from pathlib import Path
from typing import NamedTuple

import nbformat
from classroom import grade_id, owner
from nbformat import NotebookNode, v4
from nbgrader.utils import is_solution

LARGEST = 20 * 2**20  # bytes of a submitted notebook


class Submission(NamedTuple):
    """One notebook of one student; if there is a `problem`, the file or folder that cannot be graded, and why."""

    student: str
    slug: str
    path: Path
    problem: str = ""
    note: str = ""


def collect(folder: Path, templates: dict[str, NotebookNode], listed: list[dict[str, str]]) -> list[Submission]:
    """All submissions in a folder with a folder or a file for each student, named as in the class list or by the platform."""
    found = {}
    for entry in sorted(folder.iterdir()):
        if not entry.name.startswith((".", "__MACOSX")):
            for submission in collect_student(entry, templates, listed):
                found.setdefault((submission.student, submission.slug), []).append(submission)
    return [one(folder, same) for same in found.values()]


def one(folder: Path, same: list[Submission]) -> Submission:
    """The one submission of a student for an assignment: of several, a problem that names them all."""
    if len(same) == 1:
        return same[0]
    if not same[0].slug:
        return same[0]._replace(problem="; ".join(submission.problem for submission in same))
    names = ", ".join(str(submission.path.relative_to(folder)) for submission in same)
    return same[0]._replace(problem=f"{len(same)} notebooks for one assignment: {names}; delete all but one")


def collect_student(entry: Path, templates: dict[str, NotebookNode], listed: list[dict[str, str]]) -> list[Submission]:
    """The submissions in a student's folder, or the one in a student's file."""
    if entry.is_dir():
        student, paths = entry.name, sorted(
            p for p in entry.rglob("*.ipynb") if ".ipynb_checkpoints" not in p.parts and not p.name.startswith("."))
    else:
        student, paths = re.sub("|".join(map(re.escape, templates)), "", entry.stem).strip("_- ") or entry.stem, [entry]
    student = owner(entry.name, student, listed)
    if entry.is_symlink():
        return [Submission(student, "", entry, "the submission is a link, not a file")]
    if not paths:
        return [Submission(student, "", entry, "the folder holds no notebook (*.ipynb)")]
    found = []
    for path in paths:
        named = next((slug for slug in templates if slug in f"{path.parent.name}/{path.name}"), "")
        try:
            slug = recognize(read_notebook(path), templates) or named
        except ValueError as error:
            found.append(Submission(student, named, path, f"{path.name}: {error}"))
            continue
        if slug:
            found.append(Submission(student, slug, path, note="" if slug == named else f"handed in as {path.name}"))
        else:
            found.append(Submission(student, "", path, f"{path.name} is none of the assignments"))
    return found


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
        raise ValueError(f"it cannot be read as a notebook ({type(error).__name__}); ask for a new file") from None
    return v4.new_notebook(cells=cells)


def recognize(nb: NotebookNode, templates: dict[str, NotebookNode]) -> str | None:
    """Which assignment a notebook is, by its cells."""
    votes = Counter()
    for slug, template in templates.items():
        names = {grade_id(cell) for cell in template.cells} - {None}
        votes[slug] = sum(cell.id.startswith(f"{slug}-") + (grade_id(cell) in names) for cell in nb.cells)
    slug, count = votes.most_common(1)[0]
    return slug if count else None


def assemble(nb: NotebookNode, template: NotebookNode) -> tuple[NotebookNode, list[str]]:
    """The student's answers among the master's own locked cells; and what had to be put back.

    A cell is known by nbgrader's name, else by its id, else by its text. Every locked cell of the master stands in the
    result exactly once, as in the master, at the student's place for it or after the cell it follows in the master.
    """
    names = {grade_id(cell): cell for cell in template.cells if grade_id(cell)}
    ids = {cell.id: name for name, cell in names.items()}
    texts = {cell.source.strip(): name for name, cell in names.items()}
    place, stripped = {}, False
    for i, cell in enumerate(nb.cells):  # of two cells with one name, the last counts
        name = grade_id(cell)
        if name not in names:
            name = ids.get(cell.id) or texts.get(cell.source.strip())
            stripped |= name is not None
        if name is not None:
            place[name] = i
    at = {i: name for name, i in place.items()}
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
    order = list(names)
    missing = [name for name in names if name not in place]
    for name in missing:
        before = order[: order.index(name)]
        after = max((i + 1 for i, cell in enumerate(cells) if grade_id(cell) in before), default=0)
        cells.insert(after, deepcopy(names[name]))
        cells[after].id = f"back-{order.index(name)}"
    notes = []
    if stripped:
        notes.append("cell metadata were missing and put back")
    if missing:
        notes.append(f"deleted cells put back: {', '.join(missing)}")
    return v4.new_notebook(cells=cells, metadata=deepcopy(template.metadata)), notes
