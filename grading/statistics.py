"""Statistics of a class: for each question who lost what, and which mistake is common, with a figure.

Touches: nothing.
"""
import base64
import io
import re
from collections import defaultdict

from markupsafe import Markup
from matplotlib.figure import Figure

from grading import inert, pages
from grading.course import Assignment
from grading.marks import Row

GREYS = {"all points": "#1f3b57", "some": "#7d9bb8", "none": "#e3e3e3", "waiting": "white"}


def page(rows: list[Row], course: dict[str, Assignment]) -> str:
    """The page for the teacher."""
    parts = []
    for slug, assignment in course.items():
        mine = [row for row in rows if row.result.submission.slug == slug and row.points]
        if mine:
            questions = [of_question(mine, name, most) for name, most in assignment.questions.items()]
            parts.append({"slug": slug, "count": len(mine), "questions": questions, "figure": Markup(figure(slug, questions))})
    return pages.render("statistics.html.j2", parts=parts)


def of_question(rows: list[Row], name: str, most: float) -> dict:
    """How a question went, and what its tests said to whom. Numbers in a message are left out, to put like with like."""
    given = [row.points[name] for row in rows if row.points[name] is not None]
    said = defaultdict(list)
    for row in rows:
        text = headline(pages.message(row, name))
        if text:
            said[re.sub(r"-?\d+(\.\d+)?(e-?\d+)?", "#", text)[:200]].append(row.result.submission.student)
    return {
        "name": name, "most": f"{most:g}", "mean": f"{sum(given) / len(given):.2f}" if given else "–", "none": sum(points == 0 for points in given),
        "all": sum(points == most for points in given), "waiting": len(rows) - len(given), "some": sum(0 < points < most for points in given),
        "messages": sorted(said.items(), key=lambda item: (-len(item[1]), item[0]))[:5],
    }


def headline(text: str) -> str:
    """The line of a message that says what is wrong: numpy puts it behind a heading."""
    lines = [line.strip() for line in text.splitlines()]
    return next((line for line in lines if line and not re.match(r"Not equal to tolerance|Arrays are not|Items are not equal", line)), "")


def figure(slug: str, questions: list[dict]) -> str:
    """One bar a question: how many have all, some or no points, and how many wait."""
    drawing = Figure(figsize=(7, 0.6 + 0.32 * len(questions)), layout="constrained")
    axis, names = drawing.subplots(), [q["name"] for q in questions]
    start = [0] * len(questions)
    for label, key in (("all points", "all"), ("some", "some"), ("none", "none"), ("waiting", "waiting")):
        counts = [q[key] for q in questions]
        axis.barh(names, counts, left=start, color=GREYS[label], edgecolor="black", linewidth=0.5, label=label, hatch="///" if key == "waiting" else None)
        start = [s + c for s, c in zip(start, counts)]
    axis.invert_yaxis()
    axis.set(xlabel="hand-ins")
    axis.xaxis.get_major_locator().set_params(integer=True)
    drawing.legend(loc="outside right upper", frameon=False)
    file = io.BytesIO()
    drawing.savefig(file, format="png", dpi=100)
    words = "; ".join(f"{q['name']}: {q['all']} all, {q['some']} some, {q['none']} none, {q['waiting']} waiting" for q in questions)
    return inert.picture(base64.b64encode(file.getvalue()).decode(), f"Bars for {slug}. {words}")
