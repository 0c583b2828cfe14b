"""An audit as text for a terminal, as JSON, and as one HTML file that asks for nothing from anywhere."""

import json
import textwrap
from html import escape
from math import isfinite

WIDTH = 96  # characters of a line of text
TITLES = {
    "rows": "Rows", "one table": "The table of items", "users": "Items and users",
    "previous": "Against the previous version", "truth": "Against known pairs", "objective": "What the objective fixes"
}
FIELDS = (("Rests on", "rests_on"), ("Do", "do"), ("Expect", "effect"), ("Verify", "verify"), ("More", "link"))

STYLE = """
:root{color-scheme:light dark;--back:#fff;--text:#1b1f24;--soft:#57606a;--line:#d0d7de;--bar:#3b6ea5;--link:#0a58ca}
@media(prefers-color-scheme:dark){
:root{--back:#14171b;--text:#e6e9ed;--soft:#a9b1ba;--line:#3a424c;--bar:#7fb0e6;--link:#8ab8ff}}
body{background:var(--back);color:var(--text);font:16px/1.5 system-ui,sans-serif;max-width:46rem;margin:auto}
body{padding:1rem}h2{border-top:1px solid var(--line);padding-top:1rem}h3{margin-bottom:.2rem}a{color:var(--link)}
p,dd,h3,li{overflow-wrap:anywhere}dt{color:var(--soft);float:left;clear:left;width:5rem}dd{margin:0 0 .2rem 5.5rem}
.table{overflow-x:auto}table{border-collapse:collapse;font-variant-numeric:tabular-nums}
th,td{text-align:left;padding:.2rem .8rem .2rem 0;border-bottom:1px solid var(--line);vertical-align:top}
figure{margin:.5rem 0}figcaption{color:var(--soft)}svg{width:100%;height:auto}
"""


def as_text(audit, book=""):
    """A page of text; with the address of the book, links begin with it."""
    lines = ["AUDIT OF EMBEDDINGS", *(f"{name}: {value}" for name, value in audit.about.items())]
    for part, findings in _parts(audit):
        lines += ["", TITLES[part].upper()]
        for finding in findings:
            lines += ["", *_wrapped(f"[{finding.name}] {finding.says}", "  ")]
            lines += [
                line for label, value in _fields(finding, book) for line in _wrapped(f"{label}: {value}", "      ")
            ]
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
    body = [
        "<h1>Audit of embeddings</h1><p>" + "<br>".join(f"{escape(name)}: {escape(str(value))}"
                                                        for name, value in audit.about.items()) + "</p>"
    ]
    for part, findings in _parts(audit):
        body.append(f"<section><h2>{TITLES[part]}</h2>" + "".join(_html(finding, book)
                                                                  for finding in findings) + "</section>")
    return (f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Audit of embeddings</title>'
            f'<meta name="viewport" content="width=device-width, initial-scale=1">'
            f'<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; style-src \'unsafe-inline\'">'
            f'<style>{STYLE}</style></head><body><main>{"".join(body)}</main></body></html>\n')


def _parts(audit):
    for part in TITLES:
        findings = [finding for finding in audit.findings if finding.part == part]
        if findings:
            yield part, findings


def _fields(finding, book):
    for label, name in FIELDS:
        value = getattr(finding, name)
        if value:
            yield label, _address(value, book) if name == "link" else value


def _address(link, book):
    """Where a finding is explained: a chapter of the book, or its page under the address of the book."""
    return book.rstrip("/") + "/" + link.replace(".ipynb", ".html").replace(".md", ".html") if book else f"book/{link}"


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


def _html(finding, book):
    fields = []
    for label, value in _fields(finding, book):
        value = escape(value)
        fields.append(f"<dt>{label}</dt><dd>" +
                      (f'<a href="{value}">{escape(finding.link)}</a>' if label == "More" and book else value) +
                      "</dd>")
    return (f"<h3>{escape(finding.name)}</h3><p>{escape(finding.says)}</p><dl>{''.join(fields)}</dl>"
            + (_bars(finding) if finding.name == "conventions" else "") + (_table(finding) if finding.table else ""))


def _table(finding):
    head, *rows = [[escape(cell) for cell in row] for row in finding.table]
    body = "".join(f'<tr><th scope="row">{row[0]}</th>' + "".join(f"<td>{cell}</td>" for cell in row[1:]) + "</tr>"
                   for row in rows)
    return (
        f'<div class="table" role="region" tabindex="0" aria-label="Table of {escape(finding.name)}"><table><thead><tr>'
        + "".join(f'<th scope="col">{cell}</th>'
                  for cell in head) + f"</tr></thead><tbody>{body}</tbody></table></div>")


def _bars(finding):
    """The shares of a table's second column as a bar chart, with what it shows as its alternative text."""
    rows = [(name, float(value.split()[0])) for name, value in finding.table[1:]]
    bars = "".join(f'<text x="0" y="{22 * i + 15}" fill="currentColor" font-size="13">{escape(name)}</text>'
                   f'<rect x="170" y="{22 * i + 3}" width="{1 + 380 * share:.0f}" height="15" fill="var(--bar)"/>'
                   f'<text x="{178 + 380 * share:.0f}" y="{22 * i + 15}" fill="currentColor" font-size="13">'
                   f"{share:.2f}</text>" for i, (name, share) in enumerate(rows))
    alt = escape("Bar chart of neighbours kept: " + ", ".join(f"{name} {share:.2f}" for name, share in rows) + ".")
    return (f'<figure><svg viewBox="0 0 600 {22 * len(rows) + 4}" role="img" aria-label="{alt}">{bars}</svg>'
            "<figcaption>How to read it: the share of nearest items that each convention keeps; 1 is all of them."
            "</figcaption></figure>")
