"""The command `cosim audit`: audit your own embeddings.

Exit status: 0 done; 1 a condition of --fail-if is met; 2 bad input; 130 interrupted.
"""

import argparse
import operator
import re
import sys
import tomllib
from fnmatch import fnmatch
from math import isnan
from pathlib import Path

import numpy as np

from .._checks import require
from . import files, report
from .findings import METRICS, audit

CONDITION = re.compile(r"\s*([\w.]+)\s*(<=|>=|<|>)\s*(\S+)\s*")
COMPARE = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}


def main(arguments=None):
    """Run the command; returns its exit status."""
    options = _parser().parse_args(arguments)
    try:
        found, failed = _audit(options)
    except KeyboardInterrupt:
        print("cosim audit: interrupted, nothing written", file=sys.stderr)
        return 130
    except (ValueError, OSError, MemoryError, ImportError) as error:
        print(f"cosim audit: {' '.join(str(error).split()) or type(error).__name__}", file=sys.stderr)
        return 2
    if not options.quiet:
        encoding = sys.stdout.encoding or "utf-8"
        sys.stdout.write(report.as_text(found, options.book).encode(encoding, "replace").decode(encoding))
    for condition, value in failed:
        print(f"cosim audit: fails, since {condition}: it is {value:.6g}", file=sys.stderr)
    return 1 if failed else 0


def _parser():
    """All options, in the words of options.toml."""
    parser = argparse.ArgumentParser(prog="cosim", description=__doc__.splitlines()[0])
    command = parser.add_subparsers(required=True, metavar="audit").add_parser(
        "audit", help="which of your cosines can be trusted, and what to do about the others",
        formatter_class=argparse.RawDescriptionHelpFormatter, epilog=_epilog())
    code = {"trained": {"choices": tuple(report.sentences()["trained"]["says"])}, "metric": {"choices": METRICS},
            "threshold": {"type": float}, "seed": {"type": int}}
    for name, words in tomllib.loads(report.content("options.toml")).items():
        command.add_argument(name if name == "items" else f"--{name}", **words, **code.get(name, {}))
    return parser


def _epilog():
    numbers = "".join(f"  {name:<28} {meaning}\n" for name, meaning in documented().items())
    return f"{__doc__.splitlines()[2]}\n\nNumbers for --fail-if (* stands for a convention, as in --json):\n{numbers}"


def documented():
    """What --fail-if can be about: name or pattern -> meaning."""
    return {name: meaning for entry in report.sentences().values()
            for name, meaning in entry.get("numbers", {}).items()}


def _audit(options):
    """Read, audit, write; the findings, and the conditions that are met."""
    conditions = [_condition(text) for text in options.fail_if]
    for path in filter(None, (options.html, options.json)):
        require(Path(path).parent.is_dir() and not Path(path).is_dir(), path, "a file in a folder that exists",
                      "a folder" if Path(path).is_dir() else "no such folder")
    require(options.html is None or options.html != options.json, "--json", "another file than --html", options.json)
    if options.html:
        report.template()  # fails now if jinja2 is not there
    found = audit(**_given(options))
    for text, name, _ in conditions:
        require(name in found.numbers, "--fail-if", f"about something that was measured: {', '.join(found.numbers)}",
                repr(text))
    failed = [(text, found.numbers[name]) for text, name, holds in conditions if holds(found.numbers[name])]
    pages = {options.html: report.as_html, options.json: lambda found, book: report.as_json(found)}
    for path, text in [(path, show(found, options.book)) for path, show in pages.items() if path]:
        Path(path).write_text(text, encoding="utf-8")
    return found, failed


def _given(options):
    """The arguments of the function `audit`, read from files where they are."""
    aim, _, share = options.want.partition("=")
    require(options.seed >= 0, "--seed", "a whole number >= 0", options.seed)
    require(aim in ("precision", "recall") and files.is_number(share) and 0 < float(share) <= 1, "--want",
                  "precision=SHARE or recall=SHARE, with a share in (0, 1]", repr(options.want))
    items, ids = files.read_table(options.items, options.ids, options.id_column)
    given = dict(items=items, ids=ids, trained=options.trained, metric=options.metric, threshold=options.threshold,
                 wanted=(aim, float(share)), leave_out=options.leave_out, rng=np.random.default_rng(options.seed),
                 progress=not options.quiet and sys.stderr.isatty())
    sides = {name: getattr(options, name) for name in ("users", "previous_users")}
    given |= {name: files.read_table(path).E for name, path in sides.items() if path}
    if options.previous:
        given["previous"], given["previous_ids"] = files.read_table(options.previous, options.previous_ids,
                                                                    options.id_column)
    if options.pairs:
        given["pairs"], given["similar"] = files.read_pairs(options.pairs, ids, len(items))
    if options.labels:
        given["labels"] = files.read_labels(options.labels, ids, len(items))
    return given


def _condition(text):
    """A condition as its text, the name of a number, and a function that says whether it holds (NaN: yes)."""
    match = CONDITION.fullmatch(text)
    require(match and files.is_number(match[3]) and not isnan(float(match[3])), "--fail-if",
                  "a name, one of < <= > >=, and a number, as in 'zero_rows>0'", repr(text))
    require(any(fnmatch(match[1], name) for name in documented()), "--fail-if",
                  "about a number that `cosim audit --help` lists", repr(match[1]))
    return text, match[1], lambda value: isnan(value) or COMPARE[match[2]](value, float(match[3]))
