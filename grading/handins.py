"""What was handed in: which file is whose answer to what.

Touches: reads the folder of hand-ins, and writes nothing there.
"""
import json
import re
import warnings
import zipfile
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import nbformat
from nbformat import NotebookNode, v4

from grading import roster
from grading.course import SEED, Assignment, grade_id

LARGEST = 20 * 2**20  # bytes of a submitted notebook
NOTEBOOK = re.compile(r".*\.ipynb(\.(json|txt))*", re.IGNORECASE | re.DOTALL)
PICTURES = ("image/png", "image/jpeg", "image/gif")


class Submission(NamedTuple):
    """One notebook of one student; if there is a `problem`, the file or folder that cannot be graded, and why."""

    student: str
    slug: str
    path: Path
    member: str = ""  # of a zip
    problem: str = ""
    note: str = ""


class HandIns(NamedTuple):
    """The submissions, and the names of what was left aside: no notebook, and nobody's."""

    found: list[Submission]
    aside: list[str]


def collect(folder: Path, course: dict[str, Assignment], listed: list[dict[str, str]]) -> HandIns:
    """All submissions in a folder with a folder or a file for each student, named as in the class list or by the platform."""
    found, aside, submitters = {}, [], roster.submitters(folder)
    for entry in entries(folder, course):
        students = [roster.submitter(who, listed) for who in submitters.get(entry.name, [])]
        for submission in of_student(entry, course, listed, students):
            if not submission.slug and submission.problem.startswith("no notebook") and not any(
                    row["student"] == submission.student for row in listed) and not entry.is_dir():
                aside.append(roster.shown(entry.name))
            else:
                found.setdefault((submission.student, submission.slug), []).append(submission)
    graded = {student for (student, slug), _ in found.items() if slug}
    lone = [key for key, same in found.items() if not key[1] and key[0] in graded and all(s.problem.startswith("no notebook") for s in same)]
    for key in lone:  # a file beside the notebook costs nothing
        aside += [roster.shown(submission.path.name) for submission in found.pop(key)]
    return HandIns([one(folder, same, course) for same in found.values()], aside)


def entries(folder: Path, course: dict[str, Assignment]) -> list[Path]:
    """What lies in the folder, and in folders that are an assignment's with the students inside."""
    listed = []
    for entry in sorted(folder.iterdir()):
        if entry.name.startswith((".", "__MACOSX")) or entry.name.lower() in ("desktop.ini", "thumbs.db", roster.GRADESCOPE):
            continue
        export = (entry / roster.GRADESCOPE).is_file()
        inside = entry.is_dir() and not entry.is_symlink() and (export or entry.name.lower().replace(" ", "-") in course)
        listed += entries(entry, course) if inside else [entry]
    return listed


def one(folder: Path, same: list[Submission], course: dict[str, Assignment]) -> Submission:
    """The one submission of a student for an assignment: of several that differ, a problem that names them all."""
    if len(same) == 1:
        return same[0]
    if not same[0].slug:
        return same[0]._replace(problem="; ".join(submission.problem for submission in same))
    good = {}
    for submission in same:
        if not submission.problem:
            text = "\n".join(cell.source for cell in read_notebook(submission).cells)
            good.setdefault(text, submission)
    blank = "\n".join(cell.source for cell in course[same[0].slug].released.cells)
    answered = [submission for text, submission in good.items() if SEED.sub("", text) != SEED.sub("", blank)] or list(good.values())[:1]
    names = ", ".join(sorted(where(folder, submission) for submission in same))
    if len(answered) == 1:
        return answered[0]._replace(note="; ".join(filter(None, [
            answered[0].note, f"of {len(same)} files ({names}) the others hold nothing else or cannot be read"])))
    return same[0]._replace(problem=f"{len(same)} notebooks for one assignment: {names}; delete all but one")


def where(folder: Path, submission: Submission) -> str:
    """The name of a submission's file, to be read by a person."""
    return roster.shown(str(submission.path.relative_to(folder))) + (f"/{roster.shown(submission.member)}" if submission.member else "")


def of_student(entry: Path, course: dict[str, Assignment], listed: list[dict[str, str]], students: list[str]) -> list[Submission]:
    """The submissions in a student's folder, or the one in a student's file; of a group's folder (`students`) those of each."""
    if len(students) > 1:
        return [submission for student in students for submission in of_student(entry, course, listed, [student])]
    name = entry.name
    student = name if entry.is_dir() else student_of_file(name, course)
    student = students[0] if students else roster.owner(name, student, listed)
    if entry.is_symlink():
        return [Submission(student, "", entry, problem="the submission is a link, not a file")]
    files = [p for p in sorted(entry.rglob("*")) if not p.is_dir() or p.is_symlink()] if entry.is_dir() else [entry]
    files = [p for p in files if not {".ipynb_checkpoints", "__MACOSX"} & set(p.relative_to(entry.parent).parts) and not p.name.startswith(".")]
    notebooks = [(p, "") for p in files if NOTEBOOK.fullmatch(p.name)] or [pair for p in files for pair in in_zip(p)]
    if not notebooks:
        what = f": {', '.join(roster.shown(p.name) for p in files[:5])}" if files else " (*.ipynb)"
        return [Submission(student, "", entry, problem=f"no notebook in what was handed in{what}; ask for the file that ends in .ipynb")]
    rest = [roster.shown(p.name) for p in files if p not in {path for path, _ in notebooks} and p.name.lower() not in ("requirements.txt", "readme.txt")]
    note = f"not looked at: {', '.join(rest[:5])}" if rest else ""
    return [read_one(student, path, member, course, note) for path, member in notebooks]


def student_of_file(name: str, course: dict[str, Assignment]) -> str:
    """The student that a file's name begins with: ada_01-rescaling-Copy1.ipynb is ada's."""
    stem = re.sub(r"\.(ipynb|json|txt|pdf|zip|rar|7z|tar|t?gz|docx?|odt|html?|py|md|png|jpe?g)\b.*$", "", name, flags=re.IGNORECASE)
    if made := roster.MOODLE.fullmatch(stem):
        return made["name"]
    stem = roster.COPY.sub("", stem)
    return re.sub("|".join(map(re.escape, course)), "", stem, flags=re.IGNORECASE).strip("_- ") or stem


def in_zip(path: Path) -> list[tuple[Path, str]]:
    """The notebooks in a zip."""
    if path.suffix.lower() != ".zip" or not path.is_file() or path.is_symlink():
        return []
    try:
        with zipfile.ZipFile(path) as archive:
            return [(path, info.filename) for info in archive.infolist()[:1000] if NOTEBOOK.fullmatch(info.filename)
                    and not re.search(r"(^|/)(__MACOSX/|\._|\.ipynb_checkpoints/)", info.filename)]
    except (OSError, ValueError, zipfile.BadZipFile, NotImplementedError):
        return []


def read_one(student: str, path: Path, member: str, course: dict[str, Assignment], note: str) -> Submission:
    """One notebook as a submission: which assignment it is, by what is in it, else by its name."""
    place = member or f"{path.parent.name}/{path.name}"
    named = next((slug for slug in course if slug in place.lower()), "")
    made = Submission(student, named, path, member, note=note)
    name = roster.shown(Path(member or path.name).name)
    try:
        slug = recognize(read_notebook(made), course) or named
    except ValueError as error:
        return made._replace(problem=f"{name}: {error}")
    if not slug:
        return made._replace(problem=f"{name} is none of the assignments")
    odd = slug != named or path.suffix.lower() not in (".ipynb", ".zip")
    return made._replace(slug=slug, note="; ".join(filter(None, [f"handed in as {name}" if odd else "", note])))


def read_notebook(submission: Submission) -> NotebookNode:
    """A student's notebook, reduced to what is used of it; ValueError if it is none."""
    data = read_bytes(submission)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            text = data.decode("utf-16" if data.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig")
            raw = json.loads(text)
            nb = nbformat.from_dict(raw) if raw["nbformat"] == 4 else nbformat.reads(text, as_version=4)
            cells = [copy_cell(cell) for cell in nb.cells]  # not validated: what a converter left out or made wrong is not used
        except (Exception, RecursionError) as error:
            raise ValueError(f"it cannot be read as a notebook ({type(error).__name__}); ask for a new file") from None
        return v4.new_notebook(cells=cells)  # cells of one id get others


def read_bytes(submission: Submission) -> bytes:
    """The file, or the member of a zip; ValueError if it is no regular file or too large."""
    path, member = submission.path, submission.member
    if path.is_symlink() or not path.is_file():
        raise ValueError("it is a link or no regular file")
    try:
        with zipfile.ZipFile(path).open(member) if member else path.open("rb") as file:
            data = file.read(LARGEST + 1)
    except (OSError, RuntimeError, NotImplementedError, zipfile.BadZipFile, EOFError) as error:
        raise ValueError(f"it cannot be read ({type(error).__name__}); ask for a new file") from None
    if len(data) > LARGEST:
        raise ValueError(f"it is larger than {LARGEST >> 20} MB; clear its outputs")
    return data


def copy_cell(cell: NotebookNode) -> NotebookNode:
    """A cell's kind, source, id, name and pasted pictures; nothing else of it is used."""
    source = cell.get("source") or ""
    source = source if isinstance(source, str) else "".join(source)
    source = source.encode("utf-8", "replace").decode()
    made = v4.new_code_cell(source) if cell.cell_type == "code" else v4.new_markdown_cell(source)
    made.id, cell.metadata = str(cell.get("id", made.id)), cell.get("metadata", {})
    if name := grade_id(cell):
        made.metadata.nbgrader = {"grade_id": name}
    pasted = cell.get("attachments")
    if made.cell_type == "markdown" and isinstance(pasted, dict):
        made.attachments = {str(name): {kind: str("".join(data)) for kind, data in kinds.items() if kind in PICTURES}
                            for name, kinds in pasted.items() if isinstance(kinds, dict)}
    return made


def recognize(nb: NotebookNode, course: dict[str, Assignment]) -> str | None:
    """Which assignment a notebook is: by the names and ids of its cells, or if they are lost, by their text."""
    votes = Counter()
    for slug, assignment in course.items():
        names = {grade_id(cell) for cell in assignment.released.cells} - {None}
        texts = {cell.source.strip() for cell in assignment.released.cells if len(cell.source) > 30}
        votes[slug] = sum(3 * (cell.id.startswith(f"{slug}-") + (grade_id(cell) in names)) + (cell.source.strip() in texts) for cell in nb.cells)
    slug, count = votes.most_common(1)[0]
    return slug if count else None


def seed(nb: NotebookNode) -> int | None:
    """The seed that stands in a hand-in."""
    found = [int(match[1]) for cell in nb.cells if cell.cell_type == "code" for match in SEED.finditer(cell.source)]
    return found[0] if found else None
