"""What an audit says, and how it is shown: text for a terminal, JSON, and one HTML file that loads nothing."""

import json
import textwrap
import tomllib
from fnmatch import fnmatch
from functools import cache
from importlib import resources
from math import isfinite
from typing import NamedTuple

WIDTH = 96  # characters of a line of text
FIELDS = {"Rests on": "rests_on", "Do": "do", "Expect": "effect", "Verify": "verify"}


class Finding(NamedTuple):
    """One finding; `numbers` (name -> float) can be compared, `table` has a first row of headings."""

    part: str
    name: str
    says: str
    rests_on: str
    link: str
    do: str = ""
    effect: str = ""
    verify: str = ""
    numbers: dict = {}
    table: tuple = ()


class Audit(NamedTuple):
    """`about`: what was audited and how (name -> text). `findings`: what came out, in order."""

    about: dict
    findings: tuple

    @property
    def numbers(self):
        """The numbers of all findings, by name."""
        return {name: float(value) for finding in self.findings for name, value in finding.numbers.items()}

    @property
    def parts(self):
        """The findings of each part, by its title."""
        titles = dict.fromkeys(finding.part for finding in self.findings)
        return {title: [finding for finding in self.findings if finding.part == title] for title in titles}


def content(name):
    """A text that comes with the package."""
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")


@cache
def sentences():
    """What the findings say, from sentences.toml: name -> fields."""
    return tomllib.loads(content("sentences.toml"))


def counted(n, noun):
    """A number of things: "1 row", "2,000 rows"."""
    return f"{n:,} {noun}" + "s" * (n != 1)


def more(n):
    """What is said of n things that a list leaves out."""
    return f" and {n:,} more" if n > 0 else ""


def slug(name):
    """A name as a number has it: "centred, whitened" is centred_whitened."""
    return name.replace(",", "").replace(" ", "_").replace("-", "_")


def say(finding, case, table=(), suffix="", **words):
    """A finding in the words of sentences.toml, in one of its cases, with `words` filled in.

    Those of them whose names stand under its `numbers` are its numbers.
    """
    entry = sentences()[finding]
    fields = ["says", "rests_on", *(() if case in entry.get("at_rest", ()) else ("do", "effect", "verify"))]
    texts = {key: by if isinstance(by := entry[key], str) else by.get(case) or by["any"] for key in fields}
    numbers = {name: value for name, value in words.items()
               if any(fnmatch(name, pattern) for pattern in entry.get("numbers", ()))}
    head, forms = entry.get("table", ((), ()))
    table = (tuple(head), *(tuple(form.format(*row) for form in forms) for row in table)) if table else ()
    return Finding(entry["part"], finding + suffix, link=entry["link"], numbers=numbers, table=table,
                   **{key: text.format(**words) for key, text in texts.items()})


def as_text(audit, book=""):
    """A page of text; with the address of the book, links begin with it."""
    lines = ["AUDIT OF EMBEDDINGS", *(f"{name}: {value}" for name, value in audit.about.items())]
    for title, findings in audit.parts.items():
        lines += ["", title.upper()]
        for finding in findings:
            lines += ["", *_wrapped(f"[{finding.name}] {finding.says}", "  ")]
            for label, value in (*_fields(finding), ("More", _address(finding, book))):
                lines += _wrapped(f"{label}: {value}", "      ")
            lines += ["      " + line for line in _columns(finding.table)]
    return "\n".join(lines) + "\n"


def as_json(audit):
    """All of it as JSON (RFC 8259); a number that is not finite is null."""
    numbers = {name: value if isfinite(value) else None for name, value in audit.numbers.items()}
    findings = [{name: value for name, value in finding._asdict().items() if name != "numbers"}
                for finding in audit.findings]
    return json.dumps({"about": audit.about, "numbers": numbers, "findings": findings}, indent=1, ensure_ascii=False,
                      allow_nan=False) + "\n"


def as_html(audit, book=""):
    """One page, light and dark, that loads nothing; ids and labels are text in it, whatever they contain."""
    return template().render(about=audit.about, parts=audit.parts, fields=_fields, book=book,
                             address=lambda finding: _address(finding, book))


@cache
def template():
    """The page that findings are filled into; what is filled in is escaped."""
    from jinja2 import Environment, StrictUndefined
    return Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True).from_string(
        content("report.html"))


def _fields(finding):
    return [(label, getattr(finding, name)) for label, name in FIELDS.items() if getattr(finding, name)]


def _address(finding, book):
    """Where a finding is explained: a chapter of the book, or its page under the address of the book."""
    page = finding.link.replace(".ipynb", ".html").replace(".md", ".html")
    return f"{book.rstrip('/')}/{page}" if book else f"book/{finding.link}"


def _wrapped(text, indent):
    return textwrap.wrap(_printable(text), WIDTH, initial_indent=indent, subsequent_indent=indent + "  ",
                         break_on_hyphens=False)


def _printable(text):
    """Without what a terminal would obey, such as an escape sequence in an id."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def _columns(table):
    rows = [[_printable(cell)[:40] for cell in row] for row in table]
    widths = [max(map(len, column)) for column in zip(*rows)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows]
