"""Who handed in whose code: `python -m grading.similar HANDINS OUT` (or `make similar`).

copydetect compares the code of all hand-ins of an assignment, by fingerprints of its tokens (names and layout do not matter);
what everybody was given is left out. Similar is not copied: there are few ways to write a short function. Look before you ask.

Touches: reads the hand-ins; writes OUT/similar.csv; runs nothing.
"""
import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np
from copydetect import CopyDetector

from grading import course, handins, roster, tables
from grading.course import Assignment, grade_id, is_test
from grading.handins import Submission

COLUMNS = ["assignment", "student", "share", "other", "share of the other", "tokens in common", "words alike"]
LEAST = 25  # tokens in a row that count as alike


def code(submission: Submission, assignment: Assignment) -> str:
    """The code of a hand-in, less the cells that everybody was given."""
    given = {cell.source.strip() for cell in assignment.released.cells} | {""}
    tests = {grade_id(cell) for cell in assignment.tested.cells if is_test(cell)}
    cells = handins.read_notebook(submission).cells
    return "\n\n".join(cell.source for cell in cells if cell.cell_type == "code" and cell.source.strip() not in given and grade_id(cell) not in tests) + "\n"


def texts(submission: Submission, assignment: Assignment) -> str:
    """The written answers of a hand-in."""
    given = {cell.source.strip() for cell in assignment.released.cells}
    return " ".join(" ".join(cell.source.split()) for cell in handins.read_notebook(submission).cells
                    if cell.cell_type == "markdown" and cell.source.strip() not in given).casefold()


def compare(found: list[Submission], assignment: Assignment) -> list[dict[str, str]]:
    """Pairs of hand-ins of one assignment, the most alike first."""
    if len(found) < 2:
        return []
    with tempfile.TemporaryDirectory() as folder:
        for i, submission in enumerate(found):
            (Path(folder) / f"{i}.py").write_text(code(submission, assignment), encoding="utf-8", errors="replace")
        detector = CopyDetector(test_dirs=[folder], extensions=["py"], noise_t=LEAST, guarantee_t=LEAST, display_t=0, silent=True)
        detector.run()
    written, rows = [texts(submission, assignment) for submission in found], []
    place = {int(Path(name).stem): at for at, name in enumerate(detector.test_files)}
    for i in range(len(found)):
        for j in range(i):
            same = bool(written[i]) and written[i] == written[j]
            if i in place and j in place:
                shares = np.nan_to_num(np.maximum(detector.similarity_matrix[place[i], place[j]], 0))
                tokens = int(max(detector.token_overlap_matrix[place[i], place[j]], 0))
            else:
                shares, tokens = np.zeros(2), 0
            if tokens or same:
                rows.append({"assignment": assignment.slug, "student": found[i].student, "share": f"{shares[0]:.2f}", "other": found[j].student,
                             "share of the other": f"{shares[1]:.2f}", "tokens in common": tokens, "words alike": "yes" * same})
    return sorted(rows, key=lambda row: (row["words alike"] != "yes", -max(float(row["share"]), float(row["share of the other"]))))


def main() -> None:
    parser = argparse.ArgumentParser(description="Compare the code of hand-ins.")
    parser.add_argument("submissions", type=roster.path, help="folder with the hand-ins")
    parser.add_argument("out", type=roster.path, help="folder for similar.csv")
    parser.add_argument("--masters", type=roster.path, default=course.HERE, help="folder with the masters")
    parser.add_argument("--class", dest="students", type=roster.path, help="class list")
    args = parser.parse_args()
    assignments = course.read_all(args.masters)
    students = roster.read_class(args.students) if args.students else []
    found = [one for one in handins.collect(args.submissions, assignments, students).found if not one.problem]
    rows = [row for slug, assignment in assignments.items() for row in compare([one for one in found if one.slug == slug], assignment)]
    tables.write_csv(args.out / "similar.csv", COLUMNS, rows, encoding="utf-8-sig")
    print(f"{len(rows)} pairs with code or words in common, of {len(found)} hand-ins, in {args.out / 'similar.csv'}: the most alike come first")


if __name__ == "__main__":
    sys.exit(main())
