"""The index of the search page: sections, claims, equations and functions, each with its text.

A Sphinx extension, named in _config.yml. sphinx-searchlite collects the sections and its script ranks them; it would fetch its
index, which browsers forbid to a page opened from a folder, so the index is written as a script.
"""

import json
import re
import shutil
import tomllib
from html import unescape
from pathlib import Path

import ledger_pages
import links
from cosim_site import GREEK
from docutils import nodes
from sphinx_searchlite import ENGINE_DIR, collect_records

SYNONYMS = Path(__file__).with_name("synonyms.toml")
ACCENTS = re.compile(r"\\(?:hat|tilde|bar|mathrm|text|operatorname|left|right|bigl?|bigr|tfrac|frac|,|;|!|quad|tag|begin|end)(?![a-z])")


def readable(text):
    """TeX in a text as letters."""
    text = re.sub(r"</?[a-z][^<>]*>", "", ACCENTS.sub(" ", text))
    text = re.sub(r"\\([A-Za-z]+) ?", lambda m: GREEK.get(m[1], m[0]), text)
    return " ".join(re.sub(r"[\\{}$&]|align\*", "", text).split())


def collect(app, pagename, templatename, context, doctree):
    if doctree is None or pagename.startswith("book/ledger/"):  # a claim is found by itself, not by its page
        return
    if not hasattr(app.env, "search_records"):
        app.env.search_records = {}
    doctree = doctree.deepcopy()
    for raw in list(doctree.findall(nodes.raw)):  # tags, and the tables that pandas makes
        raw.parent.remove(raw)
    records = collect_records(app, pagename, doctree)
    whole = records if len(records) == 1 else records[1:]  # a page that has sections is found through them
    short = ledger_pages.chapters().get(Path(pagename).name)
    if short:
        whole = [{**record, "t": short} for record in whole]
    app.env.search_records[pagename] = [{**record, "x": readable(record["x"]), "s": readable(record.get("s", ""))} for record in whole]


def named(data):
    """Claims and equations as records of the index."""
    strip = lambda html: readable(unescape(re.sub(r"<[^>]*>|\\[()]", " ", html)))  # noqa: E731
    for name, claim in data["claims"].items():
        yield {"u": claim["url"], "t": f"Claim, {claim['status']}", "s": name, "x": strip(f"{claim['text']} {claim['tex']} ({claim['place']})")}
    for number, equation in data["equations"].items():
        yield {"u": equation["url"], "t": "Equation", "s": f"Eq. {number}", "x": strip(f"{equation['tex']}, in code {equation['function']}")}


def write_index(app, exception):
    if exception is not None or app.builder.name != "html":
        return
    records = [record for page in sorted(app.env.search_records) for record in app.env.search_records[page]]
    records += named(links.data(app))
    synonyms = tomllib.loads(SYNONYMS.read_text(encoding="utf-8"))
    static = Path(app.outdir, "_static")
    shutil.copy(ENGINE_DIR / "searchlite.js", static)
    text = "".join(f"window.{name} = {json.dumps(value, ensure_ascii=False, separators=(',', ':'))};\n"
                   for name, value in (("searchRecords", records), ("searchSynonyms", synonyms)))
    (static / "search-records.js").write_text(text, encoding="utf-8")


def setup(app):
    app.add_config_value("searchlite_max_text", 3000, "html")
    app.connect("html-page-context", collect)
    app.connect("build-finished", write_index)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
