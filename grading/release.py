"""From the masters to what students get: `python -m grading.release OUT` (or `make assignments`).

Touches: writes zips into OUT, and nothing that still holds a line of a solution or a hidden test.
"""
import argparse
import re
import sys
import zipfile
from copy import deepcopy
from pathlib import Path

import jupytext
import nbformat
from nbformat import NotebookNode

from grading import course, roster

NEEDS = "numpy\nscipy\nmatplotlib\n"
README = """Open {name}.ipynb in Jupyter (or upload it to Colab), answer the questions, then restart the kernel and run all cells.
Hand in {name}.ipynb: the notebook with your answers, not this zip, not a PDF. Keep its name.
"""


def pack(nb: NotebookNode, path: Path) -> None:
    """Zip a student's notebook, the same bytes every time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    files = {f"{path.stem}.ipynb": nbformat.writes(nb) + "\n", "requirements.txt": NEEDS, "README.txt": README.format(name=path.stem)}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(zipfile.ZipInfo(f"{path.stem}/{name}"), text)


def release(out: Path, folder: Path, students: list[str], secret: str | None) -> list[Path]:
    """Write a zip per assignment, or per assignment and student if there is a class list; return what was written."""
    written = []
    for slug, assignment in course.read_all(folder).items():
        if not secret:
            written.append(out / f"{slug}.zip")
            pack(assignment.released, written[-1])
        for student in students if secret else ():
            written.append(out / student / f"{slug}.zip")
            pack(course.set_seed(deepcopy(assignment.released), course.student_seed(student, secret)), written[-1])
    if secret:  # one file to send each, for platforms and mail programs that attach one
        for student in students:
            written.append(out / f"{student}.zip")
            with zipfile.ZipFile(written[-1], "w", zipfile.ZIP_DEFLATED) as archive:
                for path in sorted((out / student).glob("*.zip")):
                    archive.writestr(zipfile.ZipInfo(path.name), path.read_bytes())
    return written


def solutions(out: Path, folder: Path) -> list[Path]:
    """Write the model solution of each assignment, with the checks that students saw, and nothing hidden."""
    written = []
    for slug, path in course.masters(folder).items():
        nb = jupytext.reads(re.sub(r"### BEGIN HIDDEN TESTS\n.*?### END HIDDEN TESTS\n?", "", path.read_text(encoding="utf-8"), flags=re.DOTALL), fmt="md:myst")
        for i, cell in enumerate(nb.cells):
            cell.source = re.sub(r"^ *### (BEGIN|END) SOLUTION\n?", "", cell.source, flags=re.MULTILINE).rstrip("\n")
            cell.metadata, cell.id = {}, f"{slug}-{i}"
        nb.metadata = {"kernelspec": nb.metadata["kernelspec"], "language_info": {"name": "python"}}
        written.append(out / f"{slug}-solution.ipynb")
        written[-1].parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(nb, written[-1])
    return written


def main() -> None:
    parser = argparse.ArgumentParser(description="Make the student notebooks of a course.")
    parser.add_argument("out", type=roster.path, help="folder for the zip files")
    parser.add_argument("--masters", type=roster.path, default=course.HERE, help="folder with the masters (a private copy, perhaps)")
    parser.add_argument("--class", dest="students", type=roster.path, help="CSV file with a column 'student': data of their own for each")
    parser.add_argument("--secret", type=roster.path, help="file with the course secret, needed with --class")
    parser.add_argument("--solutions", action="store_true", help="write the model solutions instead, to be handed out after the last hand-in")
    args = parser.parse_args()
    if args.solutions:
        print(f"{len(solutions(args.out, args.masters))} solutions in {args.out}")
        return
    if bool(args.students) != bool(args.secret):
        parser.error("--class and --secret go together: the data of a student come from both")
    students = [row["student"] for row in roster.read_class(args.students)] if args.students else []
    written = release(args.out, args.masters, students, roster.read_secret(args.secret))
    print(f"{len(written)} zips in {args.out}" + (f", for {len(students)} students; <name>.zip holds all of a student's" if students else ""))


if __name__ == "__main__":
    sys.exit(main())
