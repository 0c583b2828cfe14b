"""From the masters to what students get: `python assignments/classroom.py OUT` (or `make assignments`).

A master is a notebook in Markdown, `<slug>/<slug>.md`, with the solutions and the hidden tests in it. jupytext makes
it a notebook, nbgrader strips it, and nothing is written that still holds a line of either.
"""
import argparse
import csv
import hashlib
import html
import logging
import os
import re
import sys
import tempfile
import zipfile
from collections import Counter
from copy import deepcopy
from pathlib import Path

import jupytext
import nbformat
from nbformat import NotebookNode
from nbgrader.api import Gradebook
from nbgrader.converters import GenerateAssignment
from nbgrader.coursedir import CourseDirectory
from nbgrader.utils import is_solution
from traitlets.config import Config

os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"  # nbgrader calls alembic by name

HERE = Path(__file__).resolve().parent
SECRET_REGION = re.compile(r"### BEGIN (SOLUTION|HIDDEN TESTS)\n(.*?)### END \1", re.DOTALL)
SEED = "STUDENT_SEED = 0"
NEEDS = "numpy\nscipy\nmatplotlib\n"
CANVAS = re.compile(r".*?_(\d+)_\d+_.*")  # lovelaceada_LATE_1001_98765_01-rescaling.ipynb: the student's ID, the file's
MOODLE = re.compile(r"(.*)_\d+_assignsubmission_file_?")  # Ada Lovelace_4711_assignsubmission_file_, a folder
LONG = 40  # from this length on, a single line of a solution is a leak


def masters(folder: Path = HERE) -> dict[str, Path]:
    """The masters in a folder, by name."""
    return {path.stem: path for path in sorted(folder.glob("*/*.md")) if path.stem == path.parent.name}


def course(root: Path, slug: str = "", student: str = "*") -> CourseDirectory:
    """An nbgrader course: source, release, submitted, autograded, feedback and the grade book."""
    config = Config()
    config.CourseDirectory.root = str(root.resolve())
    config.CourseDirectory.assignment_id = slug
    config.CourseDirectory.student_id = student
    return CourseDirectory(config=config, log=quiet())


def quiet() -> logging.Logger:
    """nbgrader's messages, less those that are no trouble."""
    log = logging.getLogger("classroom")
    log.setLevel(logging.ERROR)
    return log


def convert(root: Path, master: Path) -> NotebookNode:
    """Enter a master in the course; return the student's notebook, checked for leaks."""
    slug = master.stem
    text = master.read_text()
    source = root / "source" / slug / f"{slug}.ipynb"
    release = root / "release" / slug / f"{slug}.ipynb"
    mark = root / "source" / f"{slug}.sha256"
    digest = hashlib.sha256(text.encode()).hexdigest()
    if not (release.exists() and mark.exists() and mark.read_text() == digest):
        nb = jupytext.reads(text, fmt="md:myst")
        for i, cell in enumerate(nb.cells):  # the same id in every release: the grader knows a cell by it
            cell.id = f"{slug}-{i}"
        nb.metadata = {"kernelspec": nb.metadata["kernelspec"], "language_info": {"name": "python"}}
        source.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(nb, source)
        GenerateAssignment(coursedir=course(root, slug), force=True, log=quiet()).start()
        mark.write_text(digest)
    nb = nbformat.read(release, as_version=4)
    refuse_leaks(markers(text), "\n".join(cell.source for cell in nb.cells), f"{slug}.ipynb")
    return nb


def with_tests(root: Path, slug: str) -> NotebookNode:
    """The student's notebook with the hidden tests put back, as the grader runs it."""
    nb = nbformat.read(root / "release" / slug / f"{slug}.ipynb", as_version=4)
    with Gradebook(course(root).db_url) as book:
        source = {cell.name: cell.source for cell in book.find_notebook(slug, slug).source_cells}
    for cell in nb.cells:
        name = grade_id(cell)
        if name in source:
            cell.source = source[name]
    return nb


def grade_id(cell: NotebookNode) -> str | None:
    """nbgrader's name of a cell, None for an ordinary one (or for nonsense in a student's file)."""
    named = cell.metadata.get("nbgrader")
    name = named.get("grade_id") if isinstance(named, dict) else None
    return name if isinstance(name, str) else None


def student_seed(student: str, secret: str | None) -> int:
    """The seed of a student's own data; 0, the same for all, without a course secret."""
    return int(hashlib.sha256(f"{secret}:{student}".encode()).hexdigest()[:7], 16) if secret else 0


def set_seed(nb: NotebookNode, seed: int) -> NotebookNode:
    """Write a student's seed into the set-up cell."""
    for cell in nb.cells:
        if cell.cell_type == "code":
            cell.source = re.sub(rf"^{SEED}$", f"STUDENT_SEED = {seed}", cell.source, flags=re.MULTILINE)
    return nb


def squeeze(text: str) -> str:
    """Text without its white space: a leak is a leak however it is laid out."""
    return re.sub(r"\s+", "", text)


def markers(master: str) -> list[str]:
    """What must not be seen: every solution, model answer and hidden test as a whole, and every long line of one."""
    regions, public = [], []
    for cell in jupytext.reads(master, fmt="md:myst").cells:
        inside = [region[2] for region in SECRET_REGION.finditer(cell.source)]
        if is_solution(cell) and not inside:
            inside = [cell.source]
        else:
            public.append(SECRET_REGION.sub("", cell.source))
        regions += inside
    lines = [line for region in regions for line in region.splitlines() if len(squeeze(line)) >= LONG]
    shown = squeeze("\n".join(public))
    return [marker for marker in map(squeeze, [*regions, *lines]) if marker and marker not in shown]


def leaks(secrets: list[str], text: str) -> list[str]:
    """The markers that stand in a text (of a page: after its markup is taken away)."""
    plain = [squeeze(text), squeeze(html.unescape(re.sub(r"<[^>]*>", "", text)))]
    return [marker for marker in secrets if any(marker in form for form in plain)]


def refuse_leaks(secrets: list[str], text: str, where: str) -> None:
    found = leaks(secrets, text)
    if found or re.search(r"(BEGIN|END) (SOLUTION|HIDDEN TESTS)", text):
        raise SystemExit(f"{where} would give away a solution or a hidden test: {found[:1]}")


def read_class(path: Path) -> list[dict[str, str]]:
    """A class list: a CSV file with the column `student`, the name that submissions come under."""
    rows = read_table(path)
    if unnamed := [row for row in rows or [{}] if not row.get("student")]:
        raise SystemExit(f"{path} must have a column 'student' and a name in it in every row; one is {unnamed[0]}")
    names = Counter(row["student"] for row in rows)
    if twice := [name for name in names if names[name] > 1]:
        raise SystemExit(f"{path} must name every student once; it names more than once: {', '.join(twice)}")
    if unfit := [name for name in names if name.startswith(".") or re.search(r'[/\\:*?"<>|]', name)]:
        raise SystemExit(f"{path}: a student's name becomes a folder's name, so it cannot begin with a dot or hold / \\ : * ? \" < > |; "
                         f"got {', '.join(unfit)}")
    return rows


def owner(entry: str, student: str, listed: list[dict[str, str]]) -> str:
    """Who handed in a file or folder: `student`, or who in the class list is meant by the name that Canvas or Moodle gave it."""
    found = []
    if canvas := CANVAS.fullmatch(entry):
        found = [row["student"] for row in listed if row.get("canvas_id") == canvas[1]]
    elif moodle := MOODLE.fullmatch(entry):
        found = [row["student"] for row in listed if words(row.get("name", "")) == words(moodle[1])]
    return student if len(found) != 1 or any(student == row["student"] for row in listed) else found[0]


def words(name: str) -> list[str]:
    """The words of a name in any order: "Lovelace, Ada" is Ada Lovelace."""
    return sorted(re.findall(r"\w+", name.casefold()))


def read_secret(path: Path | None) -> str | None:
    """The course secret, from a file that stays with the teacher."""
    if path is None:
        return None
    secret = read_text(path).strip()
    if len(secret) < 16:
        raise SystemExit(f"{path} must hold at least 16 characters; make one with: openssl rand -hex 16 > {path}")
    return secret


def read_table(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV file that the teacher wrote, with whatever separator the spreadsheet at hand uses."""
    lines = read_text(path).splitlines()
    separator = max(",;\t", key=lines[0].count) if lines else ","
    rows = [{(key or "").strip().lower(): value.strip() for key, value in row.items() if isinstance(value, str)}
            for row in csv.DictReader(lines, delimiter=separator)]
    return [row for row in rows if any(row.values())]


def read_text(path: Path) -> str:
    """A file that the teacher wrote."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise SystemExit(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise SystemExit(f"{path} must be text in UTF-8 (in a spreadsheet: save as 'CSV UTF-8')") from None


def pack(nb: NotebookNode, path: Path) -> None:
    """Zip a student's notebook, the same bytes every time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in {f"{path.stem}.ipynb": nbformat.writes(nb) + "\n", "requirements.txt": NEEDS}.items():
            archive.writestr(zipfile.ZipInfo(f"{path.stem}/{name}"), text)


def release(out: Path, folder: Path = HERE, students: list[str] = (), secret: str | None = None) -> list[Path]:
    """Write a zip per assignment, or per assignment and student if there is a class list; return what was written."""
    written = []
    with tempfile.TemporaryDirectory() as temporary:
        for slug, master in masters(folder).items():
            nb = convert(Path(temporary), master)
            if not secret:
                written.append(out / f"{slug}.zip")
                pack(nb, written[-1])
            for student in students if secret else ():
                written.append(out / student / f"{slug}.zip")
                pack(set_seed(deepcopy(nb), student_seed(student, secret)), written[-1])
    return written


def path(text: str) -> Path:
    """A path as typed: make does not expand ~."""
    return Path(text).expanduser().resolve()


def main() -> None:
    parser = argparse.ArgumentParser(description="Make the student notebooks of a course.")
    parser.add_argument("out", type=path, help="folder for the zip files")
    parser.add_argument("--masters", type=path, default=HERE, help="folder with the masters (a private copy, perhaps)")
    parser.add_argument("--class", dest="students", type=path, help="CSV file with a column 'student': data of their own for each")
    parser.add_argument("--secret", type=path, help="file with the course secret, needed with --class")
    args = parser.parse_args()
    if bool(args.students) != bool(args.secret):
        parser.error("--class and --secret go together: the data of a student come from both")
    if not masters(args.masters):
        parser.error(f"{args.masters} must hold masters, <name>/<name>.md; it holds none")
    students = [row["student"] for row in read_class(args.students)] if args.students else []
    written = release(args.out, args.masters, students, read_secret(args.secret))
    print(f"{len(written)} zips in {args.out}" + (f", for {len(students)} students" if students else ""))


if __name__ == "__main__":
    sys.exit(main())
