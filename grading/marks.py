"""Points of a hand-in: what the tests say, what the check outside says, marks by hand, the teacher's decisions, late days.

Touches: reads decisions.csv and late.csv in OUT; reads and writes marks.csv there.
"""
import csv
import hashlib
import io
from pathlib import Path
from typing import NamedTuple

from grading import roster, store
from grading.course import Assignment
from grading.judge import STATUSES
from grading.store import Result

COLUMNS = ["assignment", "question", "code", "points", "max", "comment", "answer", "earlier", "student"]
Key = tuple[str, str, str]  # student, assignment, question


class Late(NamedTuple):
    """Late days: how many are free for each student, and the share of the points that a later hand-in can have."""

    days: dict[tuple[str, str], int] = {}
    free: int = 0
    cap: float = 1.0


class Row(NamedTuple):
    """A hand-in with its points: None is a question that waits for a mark."""

    result: Result
    status: str
    note: str
    points: dict[str, float | None]
    comments: dict[str, str]
    cap: float = 1.0

    @property
    def pending(self) -> list[str]:
        """The questions that wait."""
        return [name for name, points in self.points.items() if points is None]

    def total(self, most: float) -> float:
        """The sum so far, no more than late days leave."""
        return min(sum(points or 0 for points in self.points.values()), self.cap * most)


def code(student: str, slug: str) -> str:
    """What stands for a student while marking."""
    return hashlib.sha256(f"{slug}\n{student}".encode()).hexdigest()[:6]


def points(result: Result, decision: str | None, marks: dict[Key, dict], assignment: Assignment) -> tuple[dict, dict]:
    """Points and comments of each question of a hand-in. A row that the teacher has decided to be ok has what its tests gave."""
    verdict, found, comments = result.verdict, {}, {}
    for name in assignment.questions if verdict.tests else ():
        found[name] = 0.0 if name in verdict.faults and decision != "ok" else verdict.tests[name]
        mark = marks.get((result.submission.student, result.submission.slug, name))
        if mark and mark["comment"]:
            comments[name] = mark["comment"]
        if mark and mark["points"] and mark["answer"] in ("", store.fingerprint(verdict.notebook, name)):
            found[name] = min(number(mark, "points"), assignment.questions[name])
    return found, comments


def number(row: dict, column: str) -> float:
    """A number as a spreadsheet writes it; SystemExit if it is none."""
    try:
        value = float(row[column].replace(",", "."))
        if not 0 <= value < 1e6:
            raise ValueError
        return value
    except ValueError:
        raise SystemExit(f"{column} must be a number, 0 or more; got {row[column]!r} in the row of {row.get('student')}, {row.get('assignment')}. "
                         "Put it right and run the command again") from None


def read_marks(path: Path) -> dict[Key, dict]:
    """The marks by hand, as the teacher left them."""
    rows = [dict.fromkeys(COLUMNS, "") | row for row in roster.read_table(path)] if path.exists() else []
    for row in rows:
        if not (row["student"] and row["assignment"] and row["question"]):
            raise SystemExit(f"{path} must have a student, an assignment and a question in every row; got {row}. Put it right and run the command again")
        if row["points"]:
            number(row, "points")
    return {(roster.shown(row["student"]), row["assignment"], row["question"]): row for row in rows}


def write_marks(path: Path, marks: dict[Key, dict], rows: list[Row], course: dict[str, Assignment], separator: str) -> None:
    """Add what waits for a mark, keep what was marked, and take back a mark whose answer has changed."""
    for row in rows:
        submission, verdict = row.result.submission, row.result.verdict
        for question in verdict.tests:
            key = (submission.student, submission.slug, question)
            if verdict.tests[question] is not None and key not in marks:
                continue
            answer, most = store.fingerprint(verdict.notebook, question), course[submission.slug].questions[question]
            mark = marks.setdefault(key, dict.fromkeys(COLUMNS, "") | {"answer": answer})
            if mark["points"] and mark["answer"] not in ("", answer):
                mark |= {"earlier": mark["points"], "points": ""}
            mark |= {"assignment": submission.slug, "question": question, "student": submission.student, "max": f"{most:g}", "answer": answer,
                     "code": code(submission.student, submission.slug)}
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, delimiter=separator, extrasaction="ignore")
    writer.writeheader()
    writer.writerows(sorted(marks.values(), key=lambda mark: [mark[column] for column in COLUMNS[:3]]))
    if marks:
        store.write(path, text.getvalue(), "utf-8-sig")


def read_decisions(path: Path) -> dict[tuple[str, str], str]:
    """The teacher's own status for a student's assignment, from decisions.csv, if there is one."""
    rows = roster.read_table(path) if path.exists() else []
    for row in rows:
        if not row.get("student") or not row.get("assignment") or row.get("status") not in STATUSES:
            raise SystemExit(f"{path} must have the columns student, assignment and status, filled in every row, and a status is one of "
                             f"{', '.join(STATUSES)}; got {row}. Put it right and run the command again")
    return {(roster.shown(row["student"]), row["assignment"]): row["status"] for row in rows}


def read_late(path: Path, free: int, cap: float) -> Late:
    """How many days late each hand-in was, from late.csv, if there is one."""
    rows = roster.read_table(path) if path.exists() else []
    for row in rows:
        if not (row.get("student") and row.get("assignment") and row.get("days")):
            raise SystemExit(f"{path} must have the columns student, assignment and days, filled in every row; got {row}. Put it right and run the command again")
    return Late({(roster.shown(row["student"]), row["assignment"]): -int(-number(row, "days") // 1) for row in rows}, free, cap)


def late_rows(rows: list[Row], late: Late) -> list[Row]:
    """Spend each student's free days on the assignments in order; cap what is later."""
    left, done = {}, []
    for row in sorted(rows, key=lambda row: row.result.submission.slug):
        student, days = row.result.submission.student, late.days.get(row.result.submission[:2], 0)
        rest = left.setdefault(student, late.free)
        if days > rest:
            text = f"{days} days late, {rest} free days left: at most {late.cap:.0%} of the points"
            row = row._replace(cap=late.cap, note="; ".join(filter(None, [row.note, text])))
        elif days:
            left[student] = rest - days
            row = row._replace(note="; ".join(filter(None, [row.note, f"{days} days late, {left[student]} free days left"])))
        done.append(row)
    return sorted(done, key=lambda row: row.result.submission[:2])
