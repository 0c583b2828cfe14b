"""One file of styles for all pages, with the rules that some page can need, and a font of the icons that are shown.

A Sphinx extension, named in _config.yml. The theme brings all of Bootstrap and Font Awesome, half a megabyte that a browser
reads before it shows the first word. A rule is left out if each of its selectors names a class that stands in no page and in
no script.
"""

import hashlib
import logging
import posixpath
import re
from pathlib import Path
from urllib.parse import urljoin

import tinycss2
from fontTools import subset

BUNDLE = "_static/styles/book.css"
ICONS = "_static/vendor/fontawesome/webfonts/fa-solid-900.ttf"
LINK = re.compile(r'[ \t]*<link[^>]* href="(?P<root>(?:\.\./)*)(?P<path>_static/[^"?]+\.css)[^"]*"[^>]*/>\n?')
CLASS = re.compile(r"\.((?:\\.|[\w-])+)")
GROUPS = ("media", "supports", "layer", "container")  # rules that hold rules


def words(site):
    """Every word that can name a class: those of the pages, and all strings of their scripts."""
    found = set()
    for path in site.rglob("*.html"):
        text = path.read_text(encoding="utf-8")
        found.update(*(names.split() for names in re.findall(r'class="([^"]*)"', text)))
        found.update(*(re.findall(r"[\w-]+", script) for script in re.findall(r"<script[^>]*>([^<]+)</script>", text)))
    for path in [*site.glob("_static/*.js"), *site.glob("_static/scripts/*.js")]:
        if path.name not in ("book-data.js", "search-records.js"):
            found.update(re.findall(r"[\w-]+", path.read_text(encoding="utf-8")))
    return found


def needed(selector, known):
    """Whether all classes of a selector are known; what :not() and the like name counts for nothing."""
    plain = re.sub(r":(?:not|is|where|has)\((?:[^()]|\([^()]*\))*\)", "", selector)
    return all(re.sub(r"\\", "", name) in known for name in CLASS.findall(re.sub(r"\[[^]]*\]", "", plain)))


def selectors(prelude):
    """The selectors of a rule, which commas part."""
    found = [[]]
    for token in prelude:
        found.append([]) if token == "," else found[-1].append(token)
    return [tinycss2.serialize(tokens).strip() for tokens in found]


def lean(rules, known):
    """Rules as text, without those that no page can need."""
    made = []
    for rule in rules:
        if rule.type == "qualified-rule":
            kept = [text for text in selectors(rule.prelude) if needed(text, known)]
            made += [f"{','.join(kept)}{{{tinycss2.serialize(rule.content).strip()}}}"] * bool(kept)
        elif rule.type == "at-rule" and rule.lower_at_keyword in GROUPS and rule.content:
            inner = lean(tinycss2.parse_rule_list(rule.content, skip_comments=True, skip_whitespace=True), known)
            made += [f"@{rule.at_keyword}{tinycss2.serialize(rule.prelude)}{{{inner}}}"] * bool(inner)
        elif rule.type == "at-rule" and rule.lower_at_keyword != "charset":
            made.append(rule.serialize())
    return "\n".join(made)


def whole(site, path):
    """A file of styles with what it imports, its addresses as they are seen from the bundle."""
    text = (site / path).read_text(encoding="utf-8")
    here = posixpath.relpath(posixpath.dirname(path), posixpath.dirname(BUNDLE))
    text = re.sub(r"""url\((['"]?)(?!data:|#|https?:)([^)'"]+)\1\)""", lambda match: f'url("{posixpath.normpath(posixpath.join(here, match[2]))}")', text)
    return re.sub(r'@import "([^"]+)";', lambda match: whole(site, urljoin(path, match[1])), text)


def cut_icons(site, styles):
    """The icon font with the icons of these styles, and the styles that name it."""
    options = subset.Options(flavor="woff", drop_tables=["FFTM"])
    font = subset.load_font(site / ICONS, options)
    subsetter = subset.Subsetter(options)
    subsetter.populate(unicodes=map(ord, re.findall("[\ue000-\uf8ff]", styles)))  # where Font Awesome has its signs
    subsetter.subset(font)
    target = (site / ICONS).with_name("icons.woff")
    subset.save_font(font, target, options)
    face = re.search(r"@font-face\{[^}]*fa-solid-900[^}]*\}", styles)
    named = re.sub(r"src:[^}]*", f'src:url("../vendor/fontawesome/webfonts/{target.name}") format("woff")', face[0])
    return re.sub(r"@font-face\{[^}]*vendor/fontawesome[^}]*\}\n?", "", styles) + named


def bundle(app, exception):
    if exception is not None or app.builder.name != "html":
        return
    site, files = Path(app.outdir), {}
    pages = {path: path.read_text(encoding="utf-8") for path in site.rglob("*.html")}
    for text in pages.values():
        files |= dict.fromkeys(match["path"] for match in LINK.finditer(text))
    files.pop(BUNDLE, None)
    if not files:  # no page was written anew
        return
    known = words(site)
    styles = cut_icons(site, lean(tinycss2.parse_stylesheet("\n".join(whole(site, path) for path in files), True, True), known))
    (site / BUNDLE).write_text(styles, encoding="utf-8")
    version = hashlib.sha256(styles.encode()).hexdigest()[:8]
    for path, text in pages.items():
        links = list(LINK.finditer(text))
        if links:
            first, root = links[0].start(), links[0]["root"]
            text = f'{text[:first]}<link rel="stylesheet" href="{root}{BUNDLE}?v={version}" />\n{LINK.sub("", text[first:])}'
            path.write_text(text, encoding="utf-8")


def setup(app):
    logging.getLogger("fontTools").setLevel(logging.WARNING)
    app.connect("build-finished", bundle, priority=850)  # before cosim_site drops what no page loads
    return {"parallel_read_safe": True, "parallel_write_safe": True}
