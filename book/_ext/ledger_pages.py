"""The pages of the ledger and of the equations, written from cosim's files when the site is built.

A Sphinx extension, named in _config.yml. It writes one page of Markdown for each chapter into book/ledger/ (which git
ignores), and fills the places that `<!-- ledger -->` and its like mark in pages and notebooks.
"""

import csv
import json
import re
import tomllib
from collections import Counter
from functools import cache
from html import escape
from itertools import groupby
from pathlib import Path
from urllib.parse import urlencode

import nbformat
import yaml

from cosim import claims

STATUS = ("holds", "holds under conditions", "goes beyond", "differs from the paper", "not testable")
PER_PAGE = 40  # claims on one page, so that it stays below 8,000 pixels
MISTAKES = "cosim/data/mutations.csv"  # claim, reached, red: how many planted mistakes met it, and turned it red
ROOT = Path(__file__).parents[2]


def section(place):
    """The part of the paper that a place begins with: "Section 2.1", "Conclusions", or "beyond the paper"."""
    found = re.match(r"Section [\d.]*\d|Conclusions", place.replace("Abstract", "Section 1"))
    return found[0] if found else "beyond the paper"


@cache
def chapters():
    """Chapter -> short name, in the order of the table of contents."""
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    entries = [{"file": toc["root"], "title": "The first page"}]
    entries += [entry for part in toc.get("parts", []) for entry in part["chapters"]]
    return {Path(entry["file"]).name: entry.get("title") or Path(entry["file"]).name.replace("-", " ").capitalize()
            for entry in entries if "file" in entry}


@cache
def title(chapter):
    """The finding that heads a chapter."""
    path = ROOT / f"book/{chapter}.ipynb"
    first = nbformat.read(path, 4).cells[0].source if path.is_file() else f"# {chapter}"
    return first.partition("\n")[0].lstrip("# ")


def mistakes():
    """Claim -> how many planted mistakes turned it red, and how many reached its check."""
    with (ROOT / MISTAKES).open(encoding="utf-8", newline="") as file:
        return {row["claim"]: (int(row["red"]), int(row["reached"])) for row in csv.DictReader(file)}


@cache
def pages():
    """Name of a page -> its chapter and its claims; a long chapter has several."""
    ledger, found = claims.ledger()["claims"], {}
    order = {chapter: place for place, chapter in enumerate(chapters())}
    names = sorted(ledger, key=lambda name: order.get(ledger[name]["chapter"], len(order)))
    for chapter, group in groupby(names, key=lambda name: ledger[name]["chapter"]):
        group = list(group)
        for start in range(0, len(group), PER_PAGE):
            found[chapter + (f"-{start // PER_PAGE + 1}" if start else "")] = chapter, group[start:start + PER_PAGE]
    return found


@cache
def addresses():
    """Claim -> its address below book/."""
    return {name: f"ledger/{page}.html#claim-{name}" for page, (_, names) in pages().items() for name in names}


def formulas(tex):
    """TeX as inline formulas between which a line may break."""
    return ", ".join(f"${part}$" for part in re.split(r", *\\quad ", tex))


def typeset(text):
    """sigma_i^2 in plain text as it is printed, in HTML."""
    text = escape(text, quote=False)
    for name, sign in {"delta": "δ", "sigma": "σ", "lambda": "λ", "kappa": "κ", "&lt;=": "≤", "&gt;=": "≥", "-&gt;": "→"}.items():
        text = text.replace(name, sign)
    text = re.sub(r"(?<=\b\w)_(?:\{([^}]*)\}|(\d+|[a-z]))(?![a-z])", lambda m: f"<sub>{m[1] or m[2]}</sub>", text)
    return re.sub(r"\^(?:\(([^)]*)\)|(-?\w+))", lambda m: f"<sup>{m[1] or m[2]}</sup>", text)


def report_link(repository, name, claim):
    """A new issue about this claim, where the repository is known."""
    if not repository:
        return ""
    text = {"title": f"Claim {name}", "body": f"{claim['statement']}\n\n(chapter {claim['chapter']}, {claim['place']})\n\n"}
    return f' · <a href="{repository}/issues/new?{escape(urlencode(text))}">Report an error in this claim</a>'


def how(claim):
    """Kind, relation and tolerance of a claim, as far as it has them."""
    found = [f"*{claim['kind']}*" + (f" in {claim['draws']} draws" if claim.get("draws", 1) > 1 else "")] if "kind" in claim else []
    if "relation" in claim:
        bound = f"`{claim['relation']}` {claim['tolerance']:g}"
        bound += f" of each {claim['scale']}" if "scale" in claim else ""
        found.append(bound + (f", for a share of {claim['share']:g}" if "share" in claim else ""))
    return found


def entry(name, claim, repository, planted):
    """One claim as Markdown, in a box that has its address."""
    head = " · ".join([f"**{name}**", claim["place"], claim["status"], *how(claim)])
    reason = f"{typeset(claim['reason'])} " if "reason" in claim else ""
    red, reached = planted.get(name, (0, 0))
    caught = f"Planted mistakes that turn it red: {red} of {reached}. " if "relation" in claim else ""
    target, word = (f"check-{name}", "checked") if "relation" in claim else ("what-to-keep", "told")
    back = f'<a href="../{claim["chapter"]}.html#{target}">Where it is {word}</a>'
    note = f"\n\n**Note.** {typeset(claim['note'])}" if "note" in claim else ""
    return (f'<div class="claim" id="claim-{name}">\n\n{head}\n\n{typeset(claim["statement"])} {formulas(claim["symbols"])}\n\n'
            f"{reason}{caught}{back}{report_link(repository, name, claim)}{note}\n\n</div>\n")


def write_pages(app):
    ledger, planted = claims.ledger()["claims"], mistakes()
    repository = app.config.html_theme_options.get("repository_url", "")
    folder, wanted = ROOT / "book/ledger", pages()
    folder.mkdir(exist_ok=True)
    for path in folder.glob("*.md"):
        if path.stem not in wanted:
            path.unlink()
    short = chapters()
    for page, (chapter, names) in wanted.items():
        part = page.removeprefix(chapter).replace("-", ", part ")
        text = (f"# Claims of: {short.get(chapter, chapter)}{part}\n\nThe chapter [{title(chapter)}](../{chapter}.ipynb) checks "
                f"{len(names)} claim{'s' * (len(names) > 1)}. [The ledger](../claims.md) explains the fields and finds claims of all chapters.\n\n"
                + "\n".join(entry(name, ledger[name], repository, planted) for name in names))
        path = folder / f"{page}.md"
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


# --- what is filled into other pages ----------------------------------------------------------


def downloads():
    """The files that a reader can take along."""
    data = [f'<a href="../_static/data/{path.name}">{path.name}</a>' for path in sorted((ROOT / "cosim/data").iterdir())]
    return "- The files that chapters read: " + ", ".join(data)


def evident(ledger):
    """The claims that count as evidence: what can be tested and is no definition."""
    return {name for name, claim in ledger.items() if claim.get("kind", "definition") != "definition"}


def overview():
    """How the claims of each chapter fared, as a table that leads to their pages."""
    ledger, short = claims.ledger()["claims"], chapters()
    found = Counter((claim["chapter"], claim["status"]) for claim in ledger.values())
    columns = [*STATUS, *sorted({claim["status"] for claim in ledger.values()} - set(STATUS))]
    rows = [["chapter", *columns, "turned red by a planted mistake"], ["---"] * (len(columns) + 2)]
    red, evidence = {name for name, (count, _) in mistakes().items() if count}, evident(ledger)
    for page, (chapter, _) in pages().items():
        if page == chapter:
            here = {name for name in evidence if ledger[name]["chapter"] == chapter}
            more = (f", [{other.removeprefix(f'{chapter}-')}](ledger/{other}.md)" for other, (of, _) in pages().items()
                    if of == chapter and other != chapter)
            rows.append([f"[{short.get(chapter, chapter)}](ledger/{page}.md){''.join(more)}",
                         *(str(found[chapter, status] or "–") for status in columns), f"{len(here & red)} of {len(here)}"])
    totals = Counter(claim["status"] for claim in ledger.values())
    rows.append(["all", *(str(totals[status]) for status in columns), f"{len(evidence & red)} of {len(evidence)}"])
    kinds = Counter(claim["kind"] for claim in ledger.values() if "kind" in claim).most_common()
    return ('<div id="ledger-filter"></div>\n\n' + "\n".join(f"| {' | '.join(row)} |" for row in rows)
            + f"\n\nBy kind: {', '.join(f'{n} {kind}' for kind, n in kinds)}.")


def equations():
    """For each equation its formula, function, test and claims."""
    ledger, address = claims.ledger(), addresses()
    text = []
    for number, eq in ledger["equations"].items():
        named = [f'<a href="{address[name]}">{name}</a>' for name, claim in ledger["claims"].items()
                 if re.search(rf"\bEq\. {number}\b", claim["place"])]
        broken = formulas(eq["formula"]).replace(r" + \lambda", r"$ $+ \lambda")  # a line may break there
        text.append(f"## Equation {number}\n\n{broken}\n\n- introduced in [{title(eq['chapter'])}]({eq['chapter']}.ipynb) (Eq. {number})\n"
                    f"- function: `cosim.{eq['function']}`\n- test: `{eq['test'].replace('::', '`, `')}`\n- claims: {', '.join(named)}")
    return "\n\n".join(text)


def loose(point):
    """The claims that show one point of "Where the paper is loose", by chapter."""
    ledger, address, text = claims.ledger()["claims"], addresses(), []
    shown = [name for _, names in pages().values() for name in names if str(ledger[name].get("loose")) == point]
    for chapter, names in groupby(shown, key=lambda name: ledger[name]["chapter"]):
        text.append(f"*[{title(chapter)}]({chapter}.ipynb)*\n\n" + "\n".join(
            f'- {typeset(ledger[name]["statement"])} <a href="{address[name]}">[{name}]</a>' for name in names))
    return "\n\n".join(text)


def changelog():
    """CHANGELOG.md without its title."""
    return (ROOT / "CHANGELOG.md").read_text(encoding="utf-8").partition("\n")[2].strip()


@cache
def glossary():
    """Term -> how it stands in text, its definition and the chapter that explains it."""
    return tomllib.loads(Path(__file__).with_name("terms.toml").read_text(encoding="utf-8"))


def terms():
    """Every definition, with its address, in the order of the alphabet."""
    found = {name: (term["words"][0], term) for name, term in glossary().items()}
    return "\n\n".join(
        f'<div class="claim" id="term-{name}">\n\n**{word[0].upper()}{word[1:]}**'
        + "".join(f", ${tex}$" for tex in term.get("tex", []))
        + f". {term['text']} *Explained in* [{chapters()[term['chapter']]}]({term['chapter']}.ipynb).\n\n</div>"
        for name, (word, term) in sorted(found.items(), key=lambda item: item[1][0].lower()))


MARKS = {"changelog": changelog, "downloads": downloads, "ledger": overview, "equations": equations, "loose": loose, "terms": terms}
MARK = re.compile(rf"<!-- ({'|'.join(MARKS)})(?: (\d+))? -->")


def filled(text):
    """A page's text with its marks replaced."""
    return MARK.sub(lambda match: MARKS[match[1]](*filter(None, [match[2]])), text)


def fill(app, docname, source):
    if app.env.doc2path(docname).endswith(".ipynb"):
        source[0] = MARK.sub(lambda match: json.dumps(filled(match[0]))[1:-1], source[0])
    else:
        source[0] = filled(source[0])


def setup(app):
    app.connect("builder-inited", write_pages)
    app.connect("source-read", fill)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
