"""Grade a folder of hand-ins: `python -m grading.grade HANDINS OUT` (or `make grade`).

Touches: writes into OUT, and makes the list of fonts there; runs no student's code (`judge.py` has it run in sandboxes).
"""
import argparse
import contextlib
import hashlib
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from pathlib import Path

from tqdm import tqdm

from grading import course, gradescope, handins, marks, pages, roster, sandbox, statistics, store, tables
from grading.handins import HandIns, Submission
from grading.judge import Judge, Verdict
from grading.marks import Row
from grading.store import Result, Store

NOT_LISTED = "not in the class list: rename the file or folder, or add the student to the list"
NO_LIST = "the name is a platform's, and there is no class list to look it up in: run the command again with CLASS="


def grade(judge: Judge, found: list[Submission], kept: Store, workers: int, only: str = "") -> list[Result]:
    """Judge what is new, a few at a time, and keep each verdict. Whatever is finished stays finished."""
    done, waiting = {}, {}
    for submission in found:
        try:
            if submission.problem:
                raise ValueError(submission.problem)
            digest = store.digest(judge, submission)
        except (OSError, ValueError) as error:
            done[submission] = Result(submission, Verdict("failed", str(error)))
            continue
        done[submission] = kept.load(submission, digest)
        if not done[submission]:
            waiting[submission] = digest
    bar = tqdm(total=len(found), initial=len(found) - len(waiting), unit="notebook", disable=None)
    pool = ThreadPoolExecutor(workers)
    try:
        running = {pool.submit(judge.judge, submission): submission for submission in waiting}
        for future in again_when_quiet(running, judge.judge):
            submission = running[future]
            try:
                verdict = future.result()
            except Exception as error:  # never stops the others
                verdict = Verdict("failed", f"the grader could not grade it ({type(error).__name__}: {error})"[:300])
            done[submission] = kept.save(submission, waiting[submission], regrade(kept.load(submission), verdict, submission, only))
            bar.update()
    except KeyboardInterrupt:
        print("\nInterrupted. The same command goes on where this one stopped.", file=sys.stderr)
        os._exit(130)  # ends the sandboxes too
    bar.close()
    return [done[submission] for submission in found]


def regrade(before: Result | None, verdict: Verdict, submission: Submission, only: str) -> Verdict:
    """Of a verdict, only one question, if only that is to be graded again (its test was mended); the others stay as they were."""
    slug, _, question = only.partition(":")
    if not question or slug != submission.slug or before is None or not before.verdict.tests or not verdict.tests:
        return verdict
    old = before.verdict

    def mix(new: dict, was: dict) -> dict:
        return {name: value for name, value in was.items() if name != question} | {name: value for name, value in new.items() if name == question}

    order = {name: mix(verdict.tests, old.tests).get(name) for name in verdict.tests}
    return verdict._replace(tests=order, faults=mix(verdict.faults, old.faults), messages=mix(verdict.messages, old.messages))


def again_when_quiet(running: dict[Future, Submission], judge: Callable) -> Iterator[Future]:
    """The verdicts as they come; what ran out of time on a busy machine gets one more try, alone, when all others are done."""
    slow = []
    for future in as_completed(list(running)):
        busy = os.getloadavg()[0] > 1.5 * (os.cpu_count() or 1)
        if busy and not future.exception() and future.result().slow:
            slow.append(future)
        else:
            yield future
    for future in slow:
        again = Future()
        running[again] = running[future]
        try:
            again.set_result(judge(running[future]))
        except Exception as error:
            again.set_exception(error)
        yield again


def to_rows(results: list[Result], judge: Judge, students: list[dict[str, str]], decisions: dict, given: dict, late: marks.Late) -> list[Row]:
    """Points, status and note of every hand-in."""
    rows, listed = [], {about["student"] for about in students}
    for result in results:
        submission, verdict = result
        status, notes = verdict.status, [verdict.note]
        doubt = NOT_LISTED if listed and submission.student not in listed else NO_LIST if not listed and roster.from_platform(submission.path.name) else ""
        if doubt:
            status, notes = "flagged" if status == "ok" else status, [*notes, doubt]
        decision = decisions.get((submission.student, submission.slug))
        points, comments = marks.points(result, decision, given, judge.course[submission.slug]) if submission.slug in judge.course else ({}, {})
        if decision == "ok" and not points:
            decision, notes = None, [*notes, "there are no points that decisions.csv could accept"]
        rows.append(Row(result, decision or status, "; ".join(filter(None, notes)), points, comments))
    return marks.late_rows(rows, late)


def export(out: Path, rows: list[Row], judge: Judge, students: list[dict[str, str]], separator: str) -> list[dict]:
    """Write the pages and the tables."""
    table = [tables.grades(row, judge.course.get(row.result.submission.slug)) for row in rows]
    totals = {i: f"{row.get('total', '–')} of {row.get('max', '–')}" for i, row in enumerate(table)}
    for problem in pages.write(out, rows, judge.course, totals):
        print(problem, file=sys.stderr)
    pages.returned(out, rows)
    gradescope.write(out, rows, judge.course)
    store.write(out / "statistics.html", statistics.page(rows, judge.course))
    tables.write(out, table, judge.course, students, separator)
    return table


def prepare(args: argparse.Namespace, students: list[dict[str, str]]) -> Judge:
    """Make the fonts, and sure that the sandbox works and that the secret is that of before; SystemExit if not."""
    state = args.out / "state"
    state.mkdir(parents=True, exist_ok=True)
    fonts, secret, mark = state / "fonts", roster.read_secret(args.secret), state / "secret.sha256"
    if secret is None and mark.exists():
        raise SystemExit(f"{args.out} was graded with a secret: say SECRET= again, or take another folder OUT")
    if secret:
        store.write(mark, hashlib.sha256(secret.encode()).hexdigest())
    limits = sandbox.Limits(args.cell_seconds, args.seconds, args.memory << 20, args.output << 20, args.processes)
    if not fonts.exists():
        subprocess.run([sys.executable, "-c", "import matplotlib.font_manager"], env=os.environ | {"MPLCONFIGDIR": str(fonts)}, check=True)
    sandboxed = os.environ.get("ALLOW_UNSANDBOXED") != "1"
    if sandboxed:
        try:
            sandbox.check([args.masters, args.submissions, state, Path(__file__), Path.home() / ".bashrc"], limits, fonts)
        except sandbox.Unavailable as error:
            raise SystemExit(
                f"Not grading: {error}.\nSubmissions are programs of other people. To run them without a sandbox all the same, with everything "
                "that you may read, write and reach, set ALLOW_UNSANDBOXED=1.") from None
    else:
        print("Grading WITHOUT a sandbox, as ALLOW_UNSANDBOXED=1 says.", file=sys.stderr)
    seeds = {course.student_seed(about["student"], secret): about["student"] for about in students} if secret else {}
    return Judge(course.read_all(args.masters), limits, fonts, secret, sandboxed, seeds)


def tell(table: list[dict], students: list[dict[str, str]], decisions: dict, aside: list[str], out: Path) -> None:
    """The last lines: how it went, and what the teacher should know."""
    print(", ".join(f"{count} {status}" for status, count in sorted(Counter(row["status"] for row in table).items())), "in", out / "grades.csv")
    graded, listed = {row["student"] for row in table}, {row["student"] for row in students}
    for what, names in (("not in the class list", graded - listed if students else ()), ("nothing handed in", listed - graded),
                        ("decisions.csv names what is not in grades.csv", map(" ".join, decisions.keys() - {(r["student"], r["assignment"]) for r in table})),
                        ("left aside, no notebook", aside)):
        if names := sorted(names):
            print(f"{what}: {', '.join(names)}")
    if waiting := sum(float(row.get("pending") or 0) > 0 for row in table):
        print(f"{waiting} hand-ins wait for marks: look at {out / 'marking'}, type into {out / 'marks.csv'}, then run this again")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Grade a folder of submissions.", formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("submissions", type=roster.path, help="folder with a folder or a notebook for each student")
    parser.add_argument("out", type=roster.path, help="folder for grades.csv, the feedback and the marks")
    parser.add_argument("--masters", type=roster.path, default=course.HERE, help="folder with the masters")
    parser.add_argument("--class", dest="students", type=roster.path, help="CSV: student, and perhaps name, email, canvas_id, sis_id, section, participant")
    parser.add_argument("--secret", type=roster.path, help="file with the course secret, if the release was made with one")
    parser.add_argument("--only", default="", metavar="ASSIGNMENT:QUESTION", help="grade this question again, keep the points of all others")
    parser.add_argument("--free-days", type=int, default=0, help="late days that each student may use without loss")
    parser.add_argument("--late-cap", type=float, default=1.0, help="share of the points that a later hand-in can have at most")
    parser.add_argument("--workers", type=int, default=max(2, os.cpu_count() or 2), help="submissions at a time")
    limits = sandbox.Limits()
    parser.add_argument("--cell-seconds", type=int, default=limits.cell_seconds, help="time for one cell, waiting for a processor not counted")
    parser.add_argument("--seconds", type=int, default=limits.seconds, help="time for one notebook, likewise")
    parser.add_argument("--memory", type=int, default=limits.memory >> 20, help="MB of memory")
    parser.add_argument("--output", type=int, default=limits.output >> 20, help="MB of output")
    parser.add_argument("--processes", type=int, default=limits.processes, help="processes and threads")
    args = parser.parse_args()
    if not args.submissions.is_dir():
        parser.error(f"{args.submissions} must be a folder")
    return args


def main() -> None:
    args = arguments()
    students = roster.read_class(args.students) if args.students else []
    separator = roster.separator(args.students) if args.students else ","
    judge = prepare(args, students)
    if args.only and (args.only.partition(":")[0] not in judge.course or args.only.partition(":")[2] not in judge.course[args.only.partition(":")[0]].questions):
        raise SystemExit(f"--only must name an assignment and a question of it, such as 01-rescaling:cosine; got {args.only}")
    decisions = marks.read_decisions(args.out / "decisions.csv")
    given, late = marks.read_marks(args.out / "marks.csv"), marks.read_late(args.out / "late.csv", args.free_days, args.late_cap)
    found: HandIns = handins.collect(args.submissions, judge.course, students)
    results = grade(judge, found.found, Store(args.out / "state"), args.workers, args.only)
    rows = to_rows(results, judge, students, decisions, given, late)
    with contextlib.suppress(BrokenPipeError):
        table = export(args.out, rows, judge, students, separator)
        marks.write_marks(args.out / "marks.csv", given, rows, judge.course, separator)
        tell(table, students, decisions, found.aside, args.out)


if __name__ == "__main__":
    main()
