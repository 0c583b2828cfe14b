"""What has been done, one file a hand-in, written in one go: an interruption loses nothing and changes nothing.

Touches: reads and writes OUT/state; reads the masters and these programs, to notice a change.
"""
import hashlib
import json
import os
from pathlib import Path
from typing import NamedTuple

import nbformat
from nbformat import NotebookNode
from nbgrader.utils import is_solution

from grading import handins, judge
from grading.course import grade_id
from grading.handins import Submission
from grading.judge import Judge, Verdict

JUDGING = ("judge", "assemble", "handins", "course", "leaks", "outside", "asking", "inside", "clock", "sandbox", "seccomp")
OURS = b"".join(Path(__file__).with_name(f"{name}.py").read_bytes() for name in JUDGING)


class Result(NamedTuple):
    """A verdict as it is kept."""

    submission: Submission
    verdict: Verdict


class Store(NamedTuple):
    """The folder OUT/state."""

    folder: Path

    def file(self, submission: Submission, kind: str = "json") -> Path:
        """The file that remembers what has been done for a submission."""
        name = hashlib.sha256(f"{submission.student}\n{submission.slug}".encode()).hexdigest()[:24]
        return self.folder / f"{name}.{kind}"

    def load(self, submission: Submission, digest: str | None = None) -> Result | None:
        """What was kept for a submission, if nothing has changed that it depends on."""
        try:
            saved = json.loads(self.file(submission).read_text(encoding="utf-8"))
            if digest not in (None, saved.pop("digest")):
                return None
            saved.pop("digest", None)
            nb = saved.pop("notebook")
            return Result(submission, Verdict(**saved, notebook=nb and nbformat.from_dict(nb)))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def save(self, submission: Submission, digest: str, verdict: Verdict) -> Result:
        """Keep a verdict."""
        nb = verdict.notebook and judge.kept(verdict.notebook)
        write(self.file(submission), json.dumps({**verdict._asdict(), "notebook": nb, "digest": digest}))
        return Result(submission, verdict._replace(notebook=nb))


def write(path: Path, text: str, encoding: str = "utf-8") -> None:
    """Write a file in one go, unless it is so already."""
    write_bytes(path, text.encode(encoding, "replace"))


def write_bytes(path: Path, data: bytes) -> None:
    """The same with bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists() and path.read_bytes() == data:
        return
    part = path.with_name(f"{path.name}.part")
    part.write_bytes(data)
    os.replace(part, path)


def digest(judge: Judge, submission: Submission) -> str:
    """Changes when anything does that the verdict depends on."""
    assignment = judge.course[submission.slug]
    parts = [submission.slug, submission.student, judge.secret, tuple(judge.limits), submission.note, submission.problem]
    hashed = hashlib.sha256(repr(parts).encode() + OURS + assignment.path.read_bytes())
    if assignment.verify.exists():
        hashed.update(assignment.verify.read_bytes())
    hashed.update(handins.read_bytes(submission))
    return hashed.hexdigest()


def fingerprint(nb: NotebookNode, question: str) -> str:
    """What a mark is for: of an answer in words, the words of the student's own; of a figure or a test, all code of the student's."""
    own = [cell for cell in nb.cells if is_solution(cell) or not grade_id(cell)]
    mine = next((cell for cell in own if grade_id(cell) == question), None)
    words = mine is not None and mine.cell_type == "markdown"
    kind = "markdown" if words else "code"
    parts = [cell.source for cell in own if cell.cell_type == kind and (not words or grade_id(cell) in (question, None))]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:8]
