"""The built site in a browser, opened from file://, and its links.

Every page is visited once; what is seen there goes into one dictionary of facts, which the checks
below read. A missing browser or a missing site is a failure, not a reason to skip.
"""

import json
import re
import shutil
from functools import cache
from urllib.parse import unquote, urlsplit

import guards
import pytest
from bs4 import BeautifulSoup
from guards import ROOT
from playwright.sync_api import sync_playwright

SITE = ROOT / "_build" / "html"
CHAPTERS = [f"{entry}.html" for entry in guards.toc_entries(ROOT / "_toc.yml")]
SEARCH = "search.html?q=cosine"  # finds something on every version of the book
PAGES = [*CHAPTERS, "search.html", SEARCH, "genindex.html"]
PHONE, DESKTOP = {"width": 390, "height": 844}, {"width": 1280, "height": 900}
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync"]

# Opens what is folded, waits for pictures and formulas, and reports what there is.
LOOK = r"""async () => {
  const all = selector => [...document.querySelectorAll(selector)];
  await window.MathJax?.startup?.promise;
  all('.toggle-hidden').forEach(e => e.classList.remove('toggle-hidden'));
  all('details').forEach(e => e.open = true);
  all('img').forEach(e => e.loading = 'eager');
  await Promise.all(all('img').map(e => e.decode().catch(() => 0)));

  // A formula is cut off if a box that does not scroll hides a part of it, or if a part lies left
  // of a box that does scroll, where no scrolling leads.
  const cut = formula => {
    const glyphs = [...formula.querySelectorAll('mjx-c')].map(e => e.getBoundingClientRect()).filter(r => r.width);
    let left = Math.min(...glyphs.map(r => r.left)), right = Math.max(...glyphs.map(r => r.right));
    for (let box = formula; box; box = box.parentElement) {
      const overflow = getComputedStyle(box).overflowX, frame = box.getBoundingClientRect();
      if (overflow === 'visible') continue;
      const scrolls = overflow === 'auto' || overflow === 'scroll';
      if (left < frame.left - 1 || right > frame.right + 1 && !scrolls) return true;
      [left, right] = [Math.max(left, frame.left), Math.min(right, frame.right)];
    }
    return glyphs.length && (left < -1 || right > innerWidth + 1);
  };
  const text = document.querySelector('article')?.cloneNode(true);
  text?.querySelectorAll('pre, code, script, mjx-container').forEach(e => e.remove());
  return {
    title: document.title,
    lang: document.documentElement.lang,
    headings: all('h1').filter(e => e.offsetParent).map(e => e.innerText),
    formulas: all('.math').length,
    typeset: all('mjx-container').length,
    badly_typeset: all('mjx-merror, mjx-mtext[style*="red"]').map(e => e.closest('.math')?.innerText || e.innerText),
    raw_tex: text?.textContent.match(/.{0,30}(\$|\\\(|\\\[).{0,30}/g) || [],
    cut_off: all('mjx-container').filter(cut).map(e => e.innerText.replace(/\s+/g, ' ').slice(0, 60)),
    images: all('img').filter(e => !e.closest('[aria-hidden=true]')).map(
      e => ({src: e.getAttribute('src').slice(-60), alt: e.alt, loaded: e.naturalWidth > 0})),
    results: all('#search-results li').length,
  };
}"""
LOCAL = ("file", "data", "blob")
WIDTH = "() => document.documentElement.scrollWidth"


def look(browser, url):
    """Visit one page, on a phone and then on a desktop; return the facts."""
    context = browser.new_context(viewport=PHONE, offline=True)
    page = context.new_page()
    external, errors = [], []
    page.on("request", lambda request: urlsplit(request.url).scheme in LOCAL or external.append(request.url))
    page.on("requestfailed", lambda request: errors.append(f"{request.failure}: {request.url}"))
    page.on("console", lambda message: message.type == "error" and errors.append(message.text))
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(url)
    if "?q=" in url:
        page.wait_for_selector("#search-results li", timeout=10_000)
    facts = page.evaluate(LOOK)
    facts["widths"] = {PHONE["width"]: page.evaluate(WIDTH)}
    page.set_viewport_size(DESKTOP)
    facts["widths"][DESKTOP["width"]] = page.evaluate(WIDTH)
    context.close()
    return {**facts, "external": external, "errors": errors}


# --- checks: facts -> problems ----------------------------------------------------------------


def loads_nothing_from_elsewhere(facts):
    return [f"external request: {url}" for url in facts["external"]]


def runs_without_errors(facts):
    return [f"error in the browser: {error}" for error in facts["errors"]]


def typesets_every_formula(facts):
    found = [f"invalid formula or unknown macro: {text}" for text in facts["badly_typeset"]]
    found += [f"TeX left as text: {text}" for text in facts["raw_tex"]]
    if facts["formulas"] != facts["typeset"]:
        found.append(f"{facts['formulas']} formulas, but {facts['typeset']} typeset")
    return found


def describes_every_image(facts):
    return [f"image without alt text: {image['src']}" for image in facts["images"]
            if not image["alt"].strip() or re.search(r"\.(png|svg|jpe?g)$", image["alt"])]


def loads_every_image(facts):
    return [f"image that does not load: {image['src']}" for image in facts["images"] if not image["loaded"]]


def never_scrolls_sideways(facts):
    return [f"{found} px wide on a screen of {width} px" for width, found in facts["widths"].items() if found > width]


def shows_formulas_whole(facts):
    return [f"formula cut off on a phone: {text}" for text in facts["cut_off"]]


def has_title_language_and_heading(facts):
    return [f"{field} is {facts[field]!r}" for field, good in (
        ("title", facts["title"].strip() and "\\(" not in facts["title"]), ("lang", facts["lang"] == "en"),
        ("headings", len(facts["headings"]) == 1)) if not good]


CHECKS = [loads_nothing_from_elsewhere, runs_without_errors, typesets_every_formula, describes_every_image,
          loads_every_image, never_scrolls_sideways, shows_formulas_whole, has_title_language_and_heading]


@pytest.fixture(scope="module")
def browser():
    path = shutil.which("chromium")
    if not path:
        pytest.fail("no chromium on the PATH, so the site was not tested: `apt-get install chromium`", pytrace=False)
    with sync_playwright() as playwright:
        with playwright.chromium.launch(executable_path=path, args=FLAGS) as browser:
            yield browser


@pytest.fixture(scope="module")
def facts(browser, built):
    return cache(lambda page: look(browser, f"{built.as_uri()}/{page}"))


@pytest.fixture(scope="module")
def built():
    if not (SITE / "index.html").is_file():
        pytest.fail("there is no built site in _build/html, so it was not tested: `make book`", pytrace=False)
    return SITE


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("page", PAGES)
def test_page(facts, page, check):
    guards.assert_none(f"{page}: {problem}" for problem in check(facts(page)))


def test_search_finds_pages_without_a_server(facts):
    assert facts(SEARCH)["results"] > 0


# --- links and index, without a browser -------------------------------------------------------


def link_problems(site):
    """Links within the site whose page, file or #anchor does not exist."""
    pages = {path: BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")
             for path in site.rglob("*.html") if not path.relative_to(site).parts[0].startswith("_")}
    ids = {path: {tag.get("id") or tag.get("name") for tag in soup.select("[id], a[name]")}
           for path, soup in pages.items()}
    found = []
    for path, soup in pages.items():
        links = [tag.get("href") or tag.get("src") for tag in soup.select("[href], [src]")]
        links += [tag["content"].partition("url=")[2] for tag in soup.select("meta[http-equiv=Refresh i]")]
        for link in sorted(set(filter(None, links))):
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            anchor = unquote(parts.fragment)
            if not target.is_file() or anchor and target in ids and anchor not in ids[target]:
                found.append(f"{path.relative_to(site)}: dead link {link}")
    return found


def test_links_lead_somewhere(built):
    guards.assert_none(link_problems(built))


def test_search_index_knows_every_chapter(built):
    index = (built / "searchindex.js").read_text(encoding="utf-8")
    names = json.loads(re.search(r'"?docnames"?:\s*(\[.*?\])', index)[1])
    assert set(names) >= {page.removesuffix(".html") for page in CHAPTERS}


# --- the checks themselves, on pages that are wrong on purpose --------------------------------

HEAD = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>A page</title>
<meta name="viewport" content="width=device-width"><link rel="stylesheet" href="{css}">{mathjax}</head>
<body><article><h1>A page</h1>"""
DOT = "data:image/gif;base64,R0lGODlhAQABAAAAACwAAAAAAQABAAA="
GOOD = r"""<p>A formula <span class="math">\(a_1\)</span>, <code>$HOME</code>.</p>
<div class="math">\[x = y \tag{1}\]</div>
<img alt="A dot." src="{dot}">""".replace("{dot}", DOT)
LONG = "x + " * 40 + "x"
WRONG = {
    "external script": ('<script src="https://example.org/a.js"></script>', loads_nothing_from_elsewhere),
    "external image": ('<img alt="A dot." src="https://example.org/a.png">', loads_nothing_from_elsewhere),
    "exception": ("<script>undefined.f()</script>", runs_without_errors),
    "console error": ("<script>console.error('no')</script>", runs_without_errors),
    "missing file": ('<link rel="stylesheet" href="missing.css">', runs_without_errors),
    "unknown macro": (r'<span class="math">\(\nosuchmacro\)</span>', typesets_every_formula),
    "broken TeX": (r'<span class="math">\(\frac{1}\)</span>', typesets_every_formula),
    "unclosed brace": (r'<span class="math">\(\sqrt{1\)</span>', typesets_every_formula),
    "formula not found": ('<span class="math">a_1</span>', typesets_every_formula),
    "dollar signs": ("<p>The matrix $A$.</p>", typesets_every_formula),
    "no alt text": (f'<img src="{DOT}">', describes_every_image),
    "file name as alt text": (f'<img alt="a.png" src="{DOT}">', describes_every_image),
    "missing image": ('<img alt="A dot." src="missing.png">', loads_every_image),
    "wide table": ('<div style="width: 600px">x</div>', never_scrolls_sideways),
    "wide folded table": ('<details><div style="width: 600px">x</div></details>', never_scrolls_sideways),
    "formula cut off at the right": (
        rf'<p style="overflow: hidden"><span class="math">\({{{LONG}}}\)</span></p>', shows_formulas_whole),
    "formula cut off at the left": (
        rf'<div class="math" style="direction: rtl; overflow: auto"><div>\[{LONG} \tag{{2}}\]</div></div>',
        shows_formulas_whole),
    "second heading": ("<h1>Another page</h1>", has_title_language_and_heading),
    "no language": ("<script>document.documentElement.lang = ''</script>", has_title_language_and_heading),
    "TeX in the title": (r"<script>document.title = '\\(D\\)'</script>", has_title_language_and_heading),
}


@pytest.fixture
def look_at(browser, built, tmp_path):
    def look_at(body):
        path = tmp_path / "page.html"
        mathjax = f'<script defer src="{(built / "_static/mathjax/tex-chtml.js").as_uri()}"></script>'
        head = HEAD.format(css=(built / "_static/cosim.css").as_uri(),
                           mathjax=mathjax if 'class="math"' in body else "")
        path.write_text(head + body + "</article></body></html>", encoding="utf-8")
        return look(browser, path.as_uri())

    return look_at


def test_checks_pass_a_good_page(look_at):
    facts = look_at(GOOD)
    assert facts["typeset"] == 2 and facts["images"]
    guards.assert_none(problem for check in CHECKS for problem in check(facts))


@pytest.mark.parametrize("body, check", WRONG.values(), ids=WRONG)
def test_check_sees_what_is_wrong(look_at, body, check):
    assert check(look_at(body))


def test_links_that_lead_nowhere_are_seen(tmp_path):
    (tmp_path / "a.html").write_text('<p id="x"><a href="b.html#y">1</a><a href="b.html#x">2</a><a href="#z">3</a>'
                                     '<a href="#x">4</a><a href="c.html">5</a><img src="d.png">'
                                     '<a href="https://example.org/e">6</a>', encoding="utf-8")
    (tmp_path / "b.html").write_text('<p id="y">', encoding="utf-8")
    assert link_problems(tmp_path) == [f"a.html: dead link {link}" for link in ("#z", "b.html#x", "c.html", "d.png")]
