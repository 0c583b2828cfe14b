"""Pages for students (feedback) and for the one who marks. They hold no script, load nothing and forbid both.

Touches: writes OUT/feedback, OUT/marking and OUT/statistics.html; reads the rubrics.
"""
import html
import io
import re
import zipfile
from pathlib import Path

from jinja2 import Environment, FileSystemLoader
from markupsafe import Markup
from nbformat import NotebookNode
from nbgrader.utils import is_solution
from pygments.formatters import HtmlFormatter

from grading import inert, marks, roster, store
from grading.course import Assignment, grade_id, is_test
from grading.marks import Row

TEMPLATES = Environment(loader=FileSystemLoader(Path(__file__).parent), autoescape=True, trim_blocks=True, lstrip_blocks=True)
HEAVIEST = 280_000  # bytes of a page
LOUD = {"failed": "could not be graded", "timeout": "not final: a part of it took too long", "flagged": "not final: your teacher has still to look at it"}


def render(template: str, **values: object) -> str:
    """A page, in one style."""
    return TEMPLATES.get_template(template).render(colours=Markup(HtmlFormatter(style="a11y-high-contrast-light").get_style_defs(".code")), **values)


def feedback(row: Row, assignment: Assignment | None, total: str) -> str:
    """A student's page: points, messages, comments and where to read, then the notebook without hidden tests."""
    submission, verdict = row.result.submission, row.result.verdict
    said = row.note if row.status in ("failed", "timeout") else ""
    if not row.points:
        return render("feedback.html.j2", title=submission.slug or "Hand-in", status=LOUD.get(row.status, row.status), note=row.note or verdict.note, questions=[], cells=[])
    questions = [{
        "name": name, "points": "not marked yet," if points is None else f"{points:g} of", "most": f"{assignment.questions[name]:g}",
        "message": message(row, name), "comment": row.comments.get(name, ""), "read": where_to_read(assignment, name) if points is not None and points < assignment.questions[name] else "",
    } for name, points in row.points.items()]
    cells, budget = [], HEAVIEST
    for cell in verdict.notebook.cells:
        made = show(cell)
        budget -= len(made["source"]) + sum(map(len, made["outputs"]))
        if budget < 0:
            made["outputs"] = [Markup("<p>[left out, this page is long enough: open your notebook]</p>")]
            made["source"] = made["source"] if len(made["source"]) < 5000 else Markup("<p>[left out, this page is long enough]</p>")
        cells.append(made)
    return render("feedback.html.j2", title=submission.slug, status=LOUD.get(row.status, ""), note=said, total=total, questions=questions, cells=cells)


def message(row: Row, name: str) -> str:
    """What went wrong in a question."""
    verdict = row.result.verdict
    if name in verdict.faults and row.points[name] == 0:
        return f"on other data than the test's: {verdict.faults[name]}"
    return plainly(verdict.messages.get(name, "")) if row.points[name] != verdict.tests.get(name) or not row.points[name] else ""


def plainly(text: str) -> str:
    """What a failed test said, in words: an error that is not the test's own is the student's code stopping."""
    kind, _, said = text.partition(": ")
    if kind == "NotImplementedError":
        return "there is no answer yet: raise NotImplementedError() still stands in a function"
    if kind == "CellTimeoutError":
        return "it took too long and was stopped"
    return said.strip() if kind == "AssertionError" or not kind.isidentifier() else f"your code stopped with {text}"


def where_to_read(assignment: Assignment, question: str) -> str:
    """The question's own text, its equations, and the chapters that the assignment names."""
    heading, prompt = "", ""
    for cell in assignment.released.cells:
        found = re.match(r"#+ (Question \d+)", cell.source) if cell.cell_type == "markdown" else None
        if found:
            heading, prompt = found[1], cell.source
        if grade_id(cell) == question:
            break
    equations = ", ".join(dict.fromkeys(re.findall(r"Eq\. ?\d+|Section \d+(?:\.\d+)?", prompt)))
    about = "\n".join(cell.source for cell in assignment.released.cells if cell.cell_type == "markdown")
    chapters = " and ".join(dict.fromkeys(re.findall(r"\*([^*]+)\*", (re.search(r"\*\*Read first:\*\*(.*?)of\s+the\s+book", about, re.DOTALL) or [""])[0].replace("**", ""))))
    parts = [f"{heading} below" * bool(heading), f"{equations} of the paper" * bool(equations), f"the chapter “{' '.join(chapters.split())}”" * bool(chapters)]
    return ", ".join(filter(None, parts))


def show(cell: NotebookNode) -> dict:
    """A cell of a student's notebook as it can be shown."""
    name = grade_id(cell) or ""
    if cell.cell_type == "markdown":
        source = Markup(inert.markdown(cell.source, cell.get("attachments"), level=1))
    else:
        source = Markup(inert.code(cell.source))
    outputs = [Markup(inert.output(output)) for output in cell.get("outputs", [])]
    return {"name": name, "kind": cell.cell_type, "test": is_test(cell), "own": is_solution(cell) or not name, "source": source, "outputs": outputs}


def marking(rows: list[Row], assignment: Assignment, question: str) -> str:
    """A page for the one who marks: the question, the rubric, and all answers under the codes of marks.csv."""
    rubric = assignment.path.with_name("rubric.md")
    answers = []
    for row in rows:
        nb = row.result.verdict.notebook
        if nb is None or row.result.verdict.tests.get(question, 0) is not None:
            continue
        mine = next(cell for cell in nb.cells if grade_id(cell) == question)
        near = [cell for cell in nb.cells if not grade_id(cell) and cell.source.strip() and (
            cell.cell_type == "markdown" or mine.cell_type == "code")]
        answers.append({"code": marks.code(*row.result.submission[:2]), "points": row.points.get(question), "cells": [show(mine)],
                        "near": [show(cell) for cell in near], "note": row.result.verdict.note})
    prompt = where_prompt(assignment, question)
    return render("marking.html.j2", title=f"{assignment.slug}: {question}", answers=sorted(answers, key=lambda one: one["code"]),
                  most=f"{assignment.questions[question]:g}", prompt=Markup(inert.markdown(prompt, level=1)),
                  rubric=Markup(inert.markdown(rubric.read_text(encoding="utf-8"), level=2)) if rubric.exists() else "")


def where_prompt(assignment: Assignment, question: str) -> str:
    """The text that stands before an answer."""
    prompt = ""
    for cell in assignment.released.cells:
        if grade_id(cell) == question:
            break
        prompt = cell.source if cell.cell_type == "markdown" else prompt
    return prompt


def write(out: Path, rows: list[Row], course: dict[str, Assignment], totals: dict[int, str]) -> list[str]:
    """Write every page that is not as it should be; an error in one costs that page only. Return what could not be written."""
    failed = []
    for i, row in enumerate(rows):
        submission = row.result.submission
        path = out / "feedback" / safe(submission.student) / f"{submission.slug or 'submission'}.html"
        try:
            text = feedback(row, course.get(submission.slug), totals[i])
        except Exception as error:
            failed.append(f"{submission.student} {submission.slug}: the page could not be made ({type(error).__name__}: {error})"[:300])
            text = f"<!doctype html><html lang=en><meta charset=utf-8><title>Feedback</title><p>{html.escape(submission.slug)}: {totals[i]} points</p></html>"
        store.write(path, text)
    for slug, assignment in course.items():
        for question in assignment.by_hand:
            mine = [row for row in rows if row.result.submission.slug == slug]
            try:
                if mine:
                    store.write(out / "marking" / f"{slug}--{question}.html", marking(mine, assignment, question))
            except Exception as error:
                failed.append(f"{slug} {question}: the page for marking could not be made ({type(error).__name__}: {error})"[:300])
    return failed


def returned(out: Path, rows: list[Row]) -> None:
    """The pages under the names that the platform gave to the hand-ins, in one file to be uploaded there."""
    named = [row.result.submission for row in rows if row.result.submission.slug]
    file, used = io.BytesIO(), 0
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for submission in named:
            entry = next((part for part in submission.path.parts if roster.from_platform(part)), None)
            if entry:
                entry = roster.shown(entry)
                name = f"{entry}/{submission.slug}.html" if entry.endswith("_file_") else f"{Path(entry).stem}.html"
                archive.writestr(zipfile.ZipInfo(name), (out / "feedback" / safe(submission.student) / f"{submission.slug}.html").read_bytes())
                used += 1
    if used:
        store.write_bytes(out / "return.zip", file.getvalue())


def safe(student: str) -> str:
    """A student's name as a folder's."""
    name = re.sub(r"[^\w.,'() @\[\]-]", "_", student).strip(". ") or "_"
    return name if name == student and len(name) < 100 else f"{name[:100]}-{marks.code(student, '')}"
