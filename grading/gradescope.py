"""The points in the form that Gradescope takes.

It takes points only from a program that it runs itself. So each assignment's zip holds a program that runs nothing of the
student's: it looks up the file that was handed in, by its digest, among those graded here.

Touches: reads the hand-ins; writes zips into OUT/gradescope.
"""
import hashlib
import io
import json
import zipfile
from pathlib import Path

from grading import handins, pages, store
from grading.course import Assignment
from grading.marks import Row

SETUP = "#!/bin/sh\ncommand -v python3 || apt-get install -y python3\n"
PROGRAM = """#!/usr/bin/env python3
import hashlib
import json
from pathlib import Path

top = Path("/autograder")
graded = json.loads((top / "source" / "graded.json").read_text())
handed_in = [hashlib.sha256(path.read_bytes()).hexdigest() for path in (top / "submission").rglob("*") if path.is_file()]
# Without a score Gradescope says that grading failed: a file that was not graded gets no 0.
found = next((graded[digest] for digest in handed_in if digest in graded), {"output": "This file has not been graded yet."})
(top / "results" / "results.json").write_text(json.dumps(found))
"""


def result(row: Row, assignment: Assignment) -> dict:
    """A hand-in's points as Gradescope reads them; late days and marks by hand are in them."""
    most = sum(assignment.questions.values())
    tests = [{"name": name, "score": row.points[name], "max_score": of, "output": "\n".join(filter(None, [pages.message(row, name), row.comments.get(name)]))}
             for name, of in assignment.questions.items()]
    return {"score": row.total(most), "output": row.note, "output_format": "text", "tests": tests}


def write(out: Path, rows: list[Row], course: dict[str, Assignment]) -> None:
    """Write a zip for each assignment, with the rows that are final."""
    for slug, assignment in course.items():
        final = [row for row in rows if row.result.submission.slug == slug and row.status == "ok" and row.points and not row.pending]
        graded = {hashlib.sha256(handins.read_bytes(row.result.submission)).hexdigest(): result(row, assignment) for row in final}
        if not graded:
            continue
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, text in (("setup.sh", SETUP), ("run_autograder", PROGRAM), ("graded.json", json.dumps(graded, indent=1))):
                info = zipfile.ZipInfo(name)
                info.external_attr = 0o755 << 16
                archive.writestr(info, text)
        store.write_bytes(out / "gradescope" / f"{slug}.zip", file.getvalue())
