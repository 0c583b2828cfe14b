"""grades.csv, and the files for Canvas and Moodle.

Touches: writes them into OUT.
"""
import csv
import io
from pathlib import Path

from grading import store
from grading.course import Assignment
from grading.marks import Row

COLUMNS = ["student", "assignment", "status", "total", "max", "pending", "note"]


def grades(row: Row, assignment: Assignment | None) -> dict[str, str]:
    """The row of grades.csv. The maximum of a question stands in the name of its column."""
    submission = row.result.submission
    made = {"student": submission.student, "assignment": submission.slug, "status": row.status, "note": row.note}
    if not assignment:
        return made
    most = sum(assignment.questions.values())
    made["max"] = f"{most:g}"
    if row.points:
        made["total"] = f"{row.total(most):g}"
        made["pending"] = f"{sum(assignment.questions[name] for name in row.pending):g}"
        made |= {column(assignment, name): "" if points is None else f"{points:g}" for name, points in row.points.items()}
    return made


def column(assignment: Assignment, question: str) -> str:
    """The name of a question's column."""
    return f"{assignment.slug}:{question} (of {assignment.questions[question]:g})"


def write(out: Path, rows: list[dict[str, str]], course: dict[str, Assignment], students: list[dict[str, str]], separator: str) -> None:
    """Write the tables: all of it for the teacher, in the teacher's own separator; final grades for the platforms."""
    used = [assignment for slug, assignment in course.items() if any(row["assignment"] == slug for row in rows)]
    columns = [column(assignment, name) for assignment in used for name in assignment.questions]
    write_csv(out / "grades.csv", [*COLUMNS, *columns], rows, separator, "utf-8-sig")
    final = {(r["student"], r["assignment"]): r["total"] for r in rows if r["status"] == "ok" and not float(r.get("pending") or 0) and r.get("total")}
    slugs = [assignment.slug for assignment in used]
    canvas, moodle = [{"Student": "    Points Possible", **{a.slug: f"{sum(a.questions.values()):g}" for a in used}}], []
    for about in students or [{"student": student} for student in dict.fromkeys(row["student"] for row in rows)]:
        student = about["student"]
        points = {slug: final.get((student, slug), "") for slug in slugs}
        canvas.append({"Student": about.get("name") or student, "ID": about.get("canvas_id"), "SIS User ID": about.get("sis_id"),
                       "SIS Login ID": student, "Section": about.get("section"), **points})
        moodle.append({"username": student, "email": about.get("email"), **points})
    write_csv(out / "canvas.csv", ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", *slugs], canvas)
    write_csv(out / "moodle.csv", ["username", "email", *slugs], moodle)


def write_csv(path: Path, columns: list[str], rows: list[dict], separator: str = ",", encoding: str = "utf-8") -> None:
    """Write a table; a cell that a spreadsheet would run as a formula is written as text."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", delimiter=separator)
    writer.writeheader()
    for row in rows:
        writer.writerow({key: f"'{value}" if str(value).startswith(("=", "+", "@", "-", "\t")) else value for key, value in row.items()})
    store.write(path, text.getvalue(), encoding)
