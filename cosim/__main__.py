"""The command `cosim`, the same as `python -m cosim`: audit your own embeddings.

Exit status: 0 done; 1 a condition of --fail-if is met; 2 bad input; 130 interrupted.
"""

import argparse
import operator
import re
import sys
from pathlib import Path

import numpy as np

from . import audit_files as files
from . import audit_report as report
from .audit import METRICS, audit, sentences

CONDITION = re.compile(r"\s*(\w+)\s*(<=|>=|<|>)\s*(\S+)\s*")
COMPARE = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}


def main(arguments=None):
    """Run the command; returns its exit status."""
    options = _parser().parse_args(arguments)
    try:
        found, failed = _audit(options)
    except KeyboardInterrupt:
        print("cosim audit: interrupted, nothing written", file=sys.stderr)
        return 130
    except (ValueError, OSError, MemoryError) as error:
        print(f"cosim audit: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    if not options.quiet:
        _print(report.as_text(found, options.book))
    for condition, value in failed:
        print(f"cosim audit: fails, since {condition}: it is {value:.6g}", file=sys.stderr)
    return 1 if failed else 0


def _print(text):
    """Text on a terminal of any encoding."""
    encoding = sys.stdout.encoding or "utf-8"
    sys.stdout.write(text.encode(encoding, "replace").decode(encoding))


def _parser():
    parser = argparse.ArgumentParser(prog="cosim", description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(required=True, metavar="audit")
    command = commands.add_parser(
        "audit", help="which of your cosines can be trusted, and what to do about the others",
        description=("Report what of a table's cosines is fixed by the model and what is an accident. Files: "
                     f"{', '.join(files.READERS)} (.txt and .vec: word2vec text)."), epilog=__doc__.splitlines()[2])
    add = command.add_argument
    add("items", help="table of item vectors, one row each")
    add("--users", metavar="FILE", help="the other table: its dot products with the items are the predictions")
    add("--previous", metavar="FILE", help="the items of another version")
    add("--previous-users", metavar="FILE", help="the users of that version, the same in the same order")
    add("--ids", metavar="FILE", help="ids of the items, one a line, if they are not in the table")
    add("--previous-ids", metavar="FILE", help="the same for --previous")
    add("--id-column", metavar="NAME", help="the column of a csv or parquet file that holds the ids")
    add("--pairs", metavar="FILE", help='csv of "id,id" or "id,id,similar" with similar 0 or 1')
    add("--labels", metavar="FILE", help='csv of "id,label": items of one label are similar')
    add("--trained", choices=tuple(sentences()["trained"]["says"]), default="unknown", help="the training objective")
    add("--metric", choices=METRICS, default="cosine", help="what the index ranks by")
    add("--threshold", type=float, metavar="T", help="the level from which a pair counts as similar today")
    add("--want", default="precision=0.9", metavar="AIM=SHARE",
        help="look for a threshold with this precision or recall (default: precision=0.9)")
    add("--leave-out", action="store_true", help="leave rows that are not finite out, and say so")
    add("--html", metavar="FILE", help="write the report as one HTML page")
    add("--json", metavar="FILE", help="write the report as JSON")
    add("--book", default="", metavar="ADDRESS", help="address of the book, for links")
    add("--fail-if", action="append", default=[], metavar="CONDITION", help=(
        "exit with status 1 if it holds, for example 'zero_rows>0' or 'neighbour_overlap<0.8'; any number of the "
        "report can stand in it (see --json); may be repeated"))
    add("--seed", type=int, default=0, help="of the samples (default: 0)")
    add("--quiet", action="store_true", help="no text and no progress bar")
    return parser


def _audit(options):
    """Read, audit, write; the findings, and the conditions that are met."""
    conditions = [_condition(text) for text in options.fail_if]
    items = files.read_table(options.items, options.ids, options.id_column)
    aim, _, share = options.want.partition("=")
    files.require(options.seed >= 0, "--seed", "a whole number >= 0", options.seed)
    files.require(aim in ("precision", "recall") and files.is_number(share) and 0 < float(share) <= 1, "--want",
                  "precision=SHARE or recall=SHARE, with a share in (0, 1]", repr(options.want))
    given = dict(ids=items.ids, trained=options.trained, metric=options.metric, threshold=options.threshold,
                 wanted=(aim, float(share)), leave_out=options.leave_out, rng=np.random.default_rng(options.seed),
                 progress=not options.quiet and sys.stderr.isatty())
    for name, path in (("users", options.users), ("previous_users", options.previous_users)):
        given[name] = path and files.read_table(path).E
    if options.previous:
        given["previous"], given["previous_ids"] = files.read_table(options.previous, options.previous_ids,
                                                                    options.id_column)
    if options.pairs:
        given["pairs"], given["similar"] = files.read_pairs(options.pairs, items.ids, len(items.E))
    if options.labels:
        given["labels"] = files.read_labels(options.labels, items.ids, len(items.E))
    found = audit(items.E, **given)
    failed = [(text, found.numbers[name]) for text, name, holds in conditions
              if _measured(found, name) and holds(found.numbers[name])]
    for path, text in ((options.html, options.html
                        and report.as_html(found, options.book)), (options.json, options.json
                                                                   and report.as_json(found))):
        if path:
            Path(path).write_text(text, encoding="utf-8")
    return found, failed


def _condition(text):
    match = CONDITION.fullmatch(text)
    files.require(match and files.is_number(match[3]), "--fail-if",
                  "a name, one of < <= > >=, and a number, as in 'zero_rows>0'", repr(text))
    return text, match[1], lambda value: COMPARE[match[2]](value, float(match[3]))


def _measured(found, name):
    files.require(name in found.numbers, "--fail-if", f"about something that was measured: {', '.join(found.numbers)}",
                  repr(name))
    return True


if __name__ == "__main__":
    sys.exit(main())
