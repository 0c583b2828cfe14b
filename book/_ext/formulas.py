"""Formulas are typeset when the site is built: a page shows them at once, needs no script for them, and nothing moves later.

A Sphinx extension, named in _config.yml. MathJax of sphinx-mathjax-offline does it, in mini-racer, the JavaScript engine of
Chromium without the rest; its own liteDOM stands for a browser's document. Previews and the ledger's filter, whose formulas
stand on no page, load MathJax when a reader opens them (previews.js).
"""

import json
import os
import re
from functools import cache
from html import unescape
from importlib.util import find_spec
from pathlib import Path

from py_mini_racer import MiniRacer
from sphinx.errors import ExtensionError
from sphinx.ext.mathjax import html_visit_displaymath, html_visit_math

FILES = Path(find_spec("sphinx-mathjax-offline").origin).parent / "static/mathjax"
PARTS = ["adaptors/liteDOM", "input/tex", "output/chtml", "output/chtml/fonts/tex", "a11y/assistive-mml"]
FONTS = "_static/mathjax/output/chtml/fonts/woff-v2"
MATH = re.compile(r'(<(span|div)[^>]* class="(?:[^"]* )?math[ "][^>]*>)\s*(\\[(\[]|\\begin)([^<]*?)\s*(</\2>)')
BROKEN = re.compile(r'data-mjx-error="([^"]*)"|<mjx-mtext[^>]* style="color: red;">')

START = """
var sources = %s;
var MathJax = {
  loader: {load: %s, paths: {mathjax: ""}, require: path => (0, eval)(sources[path]), failed: error => { throw error; }},
  startup: {typeset: false},
};
(0, eval)(sources["/startup.js"]);

// Of each [TeX, whether it stands by itself]: HTML, with MathML for screen readers; then the styles of all.
async function typeset(formulas) {
  const {adaptor, output} = MathJax.startup, made = [];
  output.clearCache();
  MathJax.texReset([0]);
  for (const [tex, display] of formulas)
    made.push(adaptor.outerHTML(await MathJax.tex2chtmlPromise(tex, {display})));
  return JSON.stringify([made, adaptor.textContent(MathJax.chtmlStylesheet())]);
}
"""


@cache
def engine():
    """MathJax, started."""
    files = [FILES / f"{part}.js" for part in ("startup", "core", *PARTS)] + list(FILES.glob("input/tex/extensions/*.js"))
    sources = {f"/{path.relative_to(FILES).as_posix()}": path.read_text(encoding="utf-8") for path in files}
    context = MiniRacer()
    context.eval(START % (json.dumps(sources), json.dumps(["core", *PARTS])))
    return context


def typeset(formulas, fonts):
    """HTML of each (TeX, whether it stands by itself), and the styles that they need; `fonts` is the address of MathJax's fonts."""
    made, styles = json.loads(engine().eval(f"typeset({json.dumps(formulas)})").get())
    for (tex, _), html in zip(formulas, made):
        if broken := BROKEN.search(html):
            raise ExtensionError(f"formula that MathJax does not understand: {tex} ({broken[1] or 'unknown macro'})")
    styles = re.sub(r'url\("[^"]*?([\w-]+\.woff)"\)', rf'url("{fonts}/\1")', styles)
    return [html.replace("height: NaNem;", "") for html in made], re.sub(r"\s*\n\s*|/\*.*?\*/", "", styles)


def typeset_page(html, fonts):
    """A page with its formulas typeset, and their styles in its head. What was typeset before stays."""
    found = [(match[3] + match[4], match[3] != r"\(") for match in MATH.finditer(html)]
    if not found:
        return html
    plain = [(re.sub(r"^\\[(\[]|\\[)\]]$", "", unescape(tex)), display) for tex, display in found]
    made, styles = typeset(plain, fonts)
    html = MATH.sub(lambda match, made=iter(made): match[1] + next(made) + match[5], html)
    return html.replace("</head>", f"<style>{styles}</style>\n</head>", 1)


def typeset_site(app, exception):
    if exception is not None or app.builder.name not in ("html", "singlehtml"):
        return
    for path in Path(app.outdir).rglob("*.html"):
        html = path.read_text(encoding="utf-8")
        fonts = os.path.relpath(Path(app.outdir, FONTS), path.parent).replace(os.sep, "/")
        typeset = typeset_page(html, fonts)
        if typeset != html:
            path.write_text(typeset, encoding="utf-8")


def setup(app):
    # As Sphinx writes formulas for MathJax, but without its script on every page.
    app.add_html_math_renderer("typeset", (html_visit_math, None), (html_visit_displaymath, None))
    app.connect("build-finished", typeset_site)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
