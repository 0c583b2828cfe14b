"""The built site in a browser, opened from file://, and its links.

Every page is seen on a phone, light and dark; test_site_desktop.py sees them on a desktop, so that two processes share the
work. What is seen goes into dictionaries of facts, which the checks below read. A missing browser or a missing site is a
failure, not a reason to skip.
"""

import gzip
import random
import re
import sys
from contextlib import contextmanager
from functools import cache
from html.parser import HTMLParser
from importlib import resources
from pathlib import Path
from urllib.parse import unquote, urlsplit
from urllib.request import url2pathname

import guards
import pytest
from guards import ROOT
from playwright.sync_api import Error, sync_playwright

import cosim

sys.path.insert(0, str(ROOT / "book/_ext"))
import ledger_pages  # noqa: E402
from print_book import launch  # noqa: E402

SITE = ROOT / "_build" / "html"
CHAPTERS = [f"{entry}.html" for entry in guards.toc_entries(ROOT / "_toc.yml") if not entry.startswith("book/ledger/")]
LEDGER = [f"book/ledger/{page}.html" for page in ledger_pages.pages()]
SEARCH = "search.html?q=whitening"  # finds something on every version of the book
PAGES = [*CHAPTERS, *LEDGER, "search.html", SEARCH, "genindex.html"]
SMALL, PHONE, DESKTOP = [{"width": width, "height": 844} for width in (320, 390, 1280)]
# Every page is opened twice: a phone begins light, a desktop dark.
THEMES = {390: ("light", "dark"), 1280: ("dark", "light")}
MAX_HEIGHT = 8000  # pixels, of a page to look things up
FIRST_VIEW = 800_000  # bytes, compressed as a web server sends them
FLAGS = ["--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync"]

# Opens what is folded, waits for pictures and formulas, and reports what there is.
LOOK = r"""async () => {
  const all = selector => [...document.querySelectorAll(selector)];
  await window.MathJax?.startup?.promise;  // none on the site, whose formulas are typeset; a page made below may have it
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
    description: document.querySelector('meta[name=description]')?.content || '',
    headings: all('h1').filter(e => e.offsetParent).map(e => e.innerText),
    formulas: all('.math').length,
    typeset: all('mjx-container').length,
    spoken: all('mjx-assistive-mml math').length,
    badly_typeset: all('mjx-merror, mjx-mtext[style*="red"]').map(e => e.closest('.math')?.innerText || e.innerText),
    raw_tex: text?.textContent.match(/.{0,30}(\$|\\\(|\\\[).{0,30}/g) || [],
    cut_off: all('article mjx-container').filter(cut).map(e => e.innerText.replace(/\s+/g, ' ').slice(0, 60)),
    images: all('img').filter(e => !e.closest('[aria-hidden=true]')).map(
      e => ({src: e.getAttribute('src').slice(-60), alt: e.alt, loaded: e.naturalWidth > 0,
            kept: !e.src.includes('_images/') || e.getAttribute('width') == e.naturalWidth && e.getAttribute('height') == e.naturalHeight
              && Math.abs(e.width / e.height * e.naturalHeight / e.naturalWidth - 1) < 0.05})),
    results: all('#search-results li').length,
    height: document.documentElement.scrollHeight,
  };
}"""
OF_COLOUR = {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}  # all that another theme can change
LOCAL = ("file", "data", "blob")
# What is far below waits on a phone, sliders with it, and a box that waits cuts off what is too wide (cosim.css); the contents
# beside the text scroll, and show a part: all is to be looked at.
ALL_AT_ONCE = "section { content-visibility: visible !important; contain: none !important; } .bd-sidebar { max-height: none !important; }"
WIDTH = "() => document.documentElement.scrollWidth"

AXE = resources.files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")
# Axe's time grows with all that stands there. Code has some ten colours and thousands of words: one word of each stays. Formulas have
# the colour of their text: the first stays, others in lines go, those in boxes of their own, which may scroll, leave a letter of their size.
LEAVE_ONE_OF_EACH = """() => {
  const all = selector => [...document.querySelectorAll(selector)], seen = new Set();
  for (const word of all('.highlight span[class]:not(:has(*))'))
    seen.has(word.className) ? word.replaceWith(word.textContent) : seen.add(word.className);
  for (const formula of all('article .math').slice(1)) {
    if (formula.matches('span')) {
      formula.remove();
      continue;
    }
    const glyphs = formula.querySelector('mjx-math');
    if (!glyphs) continue;  // not typeset, as another check says
    const {width, height} = glyphs.getBoundingClientRect();
    glyphs.style.cssText = `display: block; width: ${width}px; height: ${height}px`;
    glyphs.textContent = 'x';
    formula.querySelector('mjx-assistive-mml')?.remove();
  }
}"""
# Contrast is looked at once for each look: the longest of the texts that have the same style and stand in boxes of the same
# styles, all the way up; what is out of the flow may lie over something else, and is looked at whatever it looks like.
STYLES = ["color", "webkitTextFillColor", "webkitTextStroke", "textShadow", "fontSize", "fontWeight", "fontFamily", "backgroundColor", "backgroundImage",
         "backgroundClip", "opacity", "mixBlendMode", "filter", "visibility", "display", "clipPath"]
# WCAG 2.2 A and AA, and best practice. Rules may be named, else all of them are looked at; `untold` also reports texts of whose contrast
# axe says that it can't tell, for then nobody has looked (a letter passes, and what stands over an image or in a cell across rows, which
# axe takes to lie over it). Where one thing lies over others, as a preview does, it can't tell.
RUN_AXE = """async ({rules, untold}) => {
  document.getAnimations().forEach(e => e.finish());
  await new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)));
  const looks = new Map(), names = new Map(), longest = new Map();
  const look = e => {  // a number for the looks of an element and of what it stands in
    if (!e || looks.has(e)) return looks.get(e);
    const style = getComputedStyle(e), alone = ['absolute', 'fixed', 'sticky'].includes(style.position) && looks.size;
    const name = [look(e.parentElement), alone, ...STYLES.map(part => style[part])].join('|');
    names.has(name) || names.set(name, names.size);
    looks.set(e, names.get(name));
    return names.get(name);
  };
  for (const e of document.body.querySelectorAll('*')) {
    e.removeAttribute('data-look');
    const text = [...e.childNodes].filter(part => part.nodeType === Node.TEXT_NODE).map(part => part.data.trim()).join('');
    const length = e.matches('input, select, textarea') ? Infinity : text.length;
    if (length > (longest.get(look(e))?.length ?? 0)) longest.set(look(e), {e, length});
  }
  longest.forEach(({e}) => e.setAttribute('data-look', ''));
  axe.configure({rules: [{id: 'color-contrast', selector: '[data-look]'}]});
  const tags = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];
  const found = await axe.run({runOnly: rules || tags, resultTypes: ['violations', 'incomplete'], preload: false});
  const cannot_tell = (untold ? found.incomplete : []).filter(rule => rule.id === 'color-contrast').map(rule => ({id: 'cannot tell the contrast',
    nodes: rule.nodes.filter(({any, html}) => !['shortTextContent', 'imgNode'].includes(any[0].data.messageKey) && !html.startsWith('<th rowspan'))}));
  return [...found.violations, ...cannot_tell].flatMap(rule => rule.nodes.map(node => `${rule.id}: ${node.html.slice(0, 150)}`));
}""".replace("STYLES", str(STYLES))


def violations(page, rules=None, untold=False):
    """What axe finds on a page as it is."""
    if not page.evaluate("() => 'axe' in window"):
        page.add_script_tag(content=AXE)
    return page.evaluate(RUN_AXE, {"rules": rules, "untold": untold})


def weight(urls):
    """Bytes of these files, each once; pictures and fonts are compressed already."""
    paths = {Path(url2pathname(urlsplit(url).path)) for url in urls}
    return sum(len(data if path.suffix in (".png", ".woff", ".woff2") else gzip.compress(data))
               for path in paths if path.is_file() for data in [path.read_bytes()])


@contextmanager
def opened(browser, url, size, theme):
    """A page on a screen of this size, for a reader who prefers this theme, and its facts: all but what axe finds."""
    with browser.new_context(viewport=size, offline=True, color_scheme=theme, reduced_motion="reduce") as context:
        page = context.new_page()
        yield page, facts_of(page, url, size)


def facts_of(page, url, size):
    external, local, errors = [], [], []
    page.on("request", lambda request: (local if urlsplit(request.url).scheme in LOCAL else external)
            .append(request.url))
    page.on("requestfailed", lambda request: errors.append(f"{request.failure}: {request.url}"))
    page.on("console", lambda message: message.type == "error" and errors.append(message.text))
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(url)
    if "?q=" in url:
        page.wait_for_selector("#search-results li", timeout=10_000)
    first_view = weight(url for url in local if url.startswith("file"))
    page.add_style_tag(content=ALL_AT_ONCE)
    page.wait_for_function("document.querySelectorAll('.cosim-explorer:not(.on)').length === 0", timeout=10_000)
    facts = page.evaluate(LOOK)
    widths = {}
    for screen in (SMALL, PHONE) if size == PHONE else (size,):  # the last is the one that is looked at
        page.set_viewport_size(screen)
        widths[screen["width"]] = page.evaluate(WIDTH)
    return facts | {"widths": widths, "first_view": first_view, "external": external, "errors": errors}


def look(browser, url, size, theme):
    with opened(browser, url, size, theme) as (_, facts):
        pass
    return facts


def looks(browser, url, size, *themes):
    """The facts of a page and what axe finds there, for a reader who prefers the first theme and then the others.

    Opening costs much, and formulas, pictures and widths are those of the first theme; every theme has its own look at the colours.
    """
    with opened(browser, url, size, themes[0]) as (page, facts):
        page.evaluate(LEAVE_ONE_OF_EACH)
        seen = []
        for theme in themes:
            page.emulate_media(color_scheme=theme, reduced_motion="reduce")
            # After two frames: the theme follows the reader's wish with the next one.
            found = violations(page, OF_COLOUR if seen else None, untold=True)
            seen.append({**facts, "preferred": theme, "theme": page.evaluate("document.documentElement.dataset.theme"), "violations": found})
    return seen


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


def speaks_every_formula(facts):
    missing = facts["typeset"] - facts["spoken"]
    return [f"{missing} formulas without MathML for a screen reader"] if missing else []


def is_accessible(facts):
    return facts["violations"]


def loads_quickly(facts):
    size = facts["first_view"]
    return [f"the first view weighs {size / 1e6:.2f} MB"] if size > FIRST_VIEW else []


def has_description(facts):
    text = facts["description"]
    if not 50 <= len(text) <= 200:
        return [f"description of {len(text)} characters: {text!r}"]
    return [f"TeX in the description: {text!r}"] if re.search(r"[$\\]", text) else []


def describes_every_image(facts):
    return [f"image without alt text: {image['src']}" for image in facts["images"]
            if not image["alt"].strip() or re.search(r"\.(png|svg|jpe?g)$", image["alt"])]


def loads_every_image(facts):
    return [f"image that does not load, whose place is not kept until then, or out of shape: {image['src']}"
            for image in facts["images"] if not (image["loaded"] and image["kept"])]


def never_scrolls_sideways(facts):
    return [f"{found} px wide on a screen of {width} px" for width, found in facts["widths"].items() if found > width]


def shows_formulas_whole(facts):
    return [f"formula cut off on a phone: {text}" for text in facts["cut_off"]]


def has_title_language_and_heading(facts):
    return [f"{field} is {facts[field]!r}" for field, good in (
        ("title", facts["title"].strip() and "\\(" not in facts["title"]), ("lang", facts["lang"] == "en"),
        ("headings", len(facts["headings"]) == 1)) if not good]


CHECKS = [loads_nothing_from_elsewhere, runs_without_errors, typesets_every_formula, describes_every_image,
          loads_every_image, never_scrolls_sideways, shows_formulas_whole, has_title_language_and_heading,
          speaks_every_formula, is_accessible, loads_quickly, has_description]


def has_the_preferred_theme(facts):
    return [f"its theme is {facts['theme']}"] if facts["theme"] != facts["preferred"] else []


OF_EVERY_PAGE = [*CHECKS, has_the_preferred_theme]


@pytest.fixture(scope="module")
def browser():
    with sync_playwright() as playwright:
        try:
            browser = launch(playwright, *FLAGS)
        except Error as error:
            pytest.fail("no chromium, so the site was not tested: `apt-get install chromium-headless-shell` or "
                        f"`python -m playwright install --only-shell chromium`. {error}", pytrace=False)
        with browser:
            yield browser


@pytest.fixture(scope="module")
def facts(browser, built):
    @cache
    def facts(page, width):
        size = next(size for size in (PHONE, DESKTOP) if size["width"] == width)
        return looks(browser, f"{built.as_uri()}/{page}", size, *THEMES[width])

    return facts


@pytest.fixture(scope="module")
def built():
    if not (SITE / "index.html").is_file():
        pytest.fail("there is no built site in _build/html, so it was not tested: `make book`", pytrace=False)
    return SITE


def page_problems(check, page, views):
    return [f"{page}, {view['preferred']}: {problem}" for view in views for problem in check(view)]


@pytest.mark.parametrize("check", OF_EVERY_PAGE, ids=lambda check: check.__name__)
@pytest.mark.parametrize("page", PAGES)
def test_page_on_a_phone(facts, page, check):
    guards.assert_none(page_problems(check, page, facts(page, PHONE["width"])))


def test_search_finds_pages_without_a_server(facts):
    assert facts(SEARCH, PHONE["width"])[0]["results"] > 0


def test_keyboard_reaches_text_and_solutions(browser, built):
    page = browser.new_page(viewport=DESKTOP)
    page.goto((built / "book/first-objective.html").as_uri())
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert page.url.endswith("#main-content"), "the first stop of Tab must lead to the text"
    solution = page.locator("details.solution").first
    assert not solution.locator("p").last.is_visible() and not solution.locator("pre").last.is_visible()
    solution.locator("summary").first.focus()
    page.keyboard.press("Enter")
    assert solution.locator("p").last.is_visible() and solution.locator("pre").last.is_visible()
    assert page.locator("mjx-container[tabindex]").count() == 0, "a formula must be no stop of Tab"
    page.close()


@pytest.mark.parametrize("chapter", ["full-rank", "losses"])
def test_a_phone_leaves_far_sections_for_later_and_finds_every_place(browser, built, chapter):
    """Sections that are not laid out have a height that is only guessed: who follows a link, or comes back, needs the true one."""
    page = browser.new_page(viewport=PHONE, reduced_motion="reduce")
    address = (built / f"book/{chapter}.html").as_uri()
    top = "id => document.getElementById(id).getBoundingClientRect().top"
    there = f"id => {{ const top = ({top})(id); return -5 < top && top < innerHeight / 2; }}"
    skipped = """() => [...document.querySelectorAll('.bd-article > section > section')].filter(
        section => !section.firstElementChild.checkVisibility({contentVisibilityAuto: true})).length"""
    page.goto(address)
    assert page.evaluate(skipped) > 3, "nothing is left for later, so nothing is tested"
    places = page.evaluate("() => [...document.querySelectorAll('.bd-article [id^=eq-], .bd-article section section')].map(e => e.id)")
    for place in reversed(places[:-3]):  # to the end at once, then backwards; the last ones can't be at the top
        page.evaluate("id => { location.hash = id; }", place)
        page.wait_for_function(there, arg=place, timeout=10_000)
    for place in places[1:-3:4]:
        page.goto("about:blank")
        page.goto(f"{address}#{place}")
        page.wait_for_function(there, arg=place, timeout=10_000)
    assert page.evaluate(skipped) == 0
    page.goto("about:blank")
    page.goto(address)
    page.reload()
    page.wait_for_function(f"() => ({skipped})() === 0", timeout=10_000)
    page.close()


def test_text_stays_under_the_eyes_of_who_comes_from_the_end_of_a_chapter(browser, built):
    """Sections that were jumped over get their true height as they are reached from below: the text must not jump with them."""
    page = browser.new_page(viewport=PHONE, reduced_motion="reduce")
    page.goto((built / "book/full-rank.html").as_uri())
    page.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
    still = """async () => {
      for (let last = NaN, same = 0; same < 5; last = scrollY) {
        await new Promise(requestAnimationFrame);
        same = last === scrollY ? same + 1 : 0;
      }
    }"""
    page.evaluate(still)
    moved = []
    page.mouse.move(PHONE["width"] / 2, PHONE["height"] / 2)
    while page.evaluate("scrollY") > 300:
        page.evaluate("window.seen = document.elementFromPoint(innerWidth / 2, innerHeight / 2), window.top_ = seen.getBoundingClientRect().top, window.y = scrollY")
        page.mouse.wheel(0, -200)
        page.wait_for_function("scrollY !== y || seen.getBoundingClientRect().top !== top_", timeout=10_000)
        page.evaluate(still)
        if not page.evaluate("seen.contains(document.querySelector('.bd-article > section'))"):  # a box of text, not the whole page
            moved.append(page.evaluate("Math.round(seen.getBoundingClientRect().top - top_)"))
    assert len(moved) > 20
    guards.assert_none(f'moved by {way} px instead of 200' for way in moved if abs(way - 200) > 50)
    page.close()


@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])
def test_link_to_a_figure_lands_there_although_figures_come_late(browser, built, size):
    page = browser.new_page(viewport=size, reduced_motion="reduce")
    page.goto((built / "book/first-objective.html").as_uri() + "#fig-gain")
    page.wait_for_function("document.querySelector('#fig-gain img').complete")
    assert -5 < page.evaluate("document.querySelector('#fig-gain').getBoundingClientRect().top") < 200
    page.close()


def test_fonts_of_formulas_are_there_for_who_prints_at_once(browser, built):
    page = browser.new_page(viewport=PHONE, reduced_motion="reduce")
    page.goto((built / "book/losses.html").as_uri())
    page.wait_for_function("""["TEX", "TEX-I", "TEX-B", "TEX-S1"].every(name =>
        [...document.fonts].some(font => font.family.replaceAll('"', "") === `MJX${name}` && font.status === "loaded"))""", timeout=10_000)
    page.close()


def test_sliders_of_a_far_section_come_when_it_does(browser, built):
    page = browser.new_page(viewport=PHONE, reduced_motion="reduce")
    page.goto((built / "book/two-objectives.html").as_uri())
    sliders = page.locator(".cosim-explorer .live")
    assert sliders.count() == 0, "a phone draws what nobody looks at yet"
    # Sections on the way get their heights meanwhile: one scroll may end elsewhere.
    page.wait_for_function("document.querySelector('.cosim-explorer').scrollIntoView() || document.querySelector('.cosim-explorer .live')", timeout=10_000)
    page.close()


def test_boxes_that_scroll_are_stops_of_tab_when_they_are_reached_and_not_measured_before(browser, built):
    page = browser.new_page(viewport=PHONE, reduced_motion="reduce")
    page.goto((built / "book/losses.html").as_uri())
    box = page.evaluate_handle("""() => [...document.querySelectorAll('article pre')].findLast(
        pre => !pre.closest('details, .toggle-hidden') && pre.scrollWidth > pre.clientWidth)""").as_element()
    assert box.evaluate("pre => pre.tabIndex") == -1, "the theme measures what is far away, and so lays it out (MEASURES of cosim_site)"
    page.wait_for_function("pre => pre.scrollIntoView() || pre.tabIndex === 0", arg=box, timeout=10_000)
    page.close()


def test_printed_tables_keep_their_columns_on_a_phone(browser, built):
    """A line of a printed table is one line on the page; other output wraps."""
    page = browser.new_page(viewport={"width": 390, "height": 800})
    page.goto((built / "book" / "costs.html").as_uri())
    lines = page.evaluate("""() => [...document.querySelectorAll("pre.columns")].map(pre => {
        const style = getComputedStyle(pre), padding = parseFloat(style.paddingTop) + parseFloat(style.paddingBottom);
        return [(pre.clientHeight - padding) / parseFloat(style.lineHeight), pre.textContent.trimEnd().split("\\n").length];
    })""")
    wrapped = page.locator(".output.stream pre:not(.columns)").evaluate_all("all => all.map(pre => getComputedStyle(pre).whiteSpace)")
    page.close()
    assert len(lines) >= 2 and all(round(shown) == printed for shown, printed in lines), lines
    assert wrapped and set(wrapped) == {"pre-wrap"}


def test_print_has_solutions_and_no_navigation(browser, built):
    page = browser.new_page(viewport={"width": 680, "height": 900}, color_scheme="dark")
    page.goto((built / "book/first-objective.html").as_uri())
    page.emulate_media(media="print", color_scheme="dark")
    page.evaluate("() => dispatchEvent(new Event('beforeprint'))")
    assert page.locator("details.solution").count() == 4
    for solution in page.locator("details.solution").all():
        assert solution.locator("p").last.is_visible() and solution.locator("pre").last.is_visible()
    for selector in ("#pst-primary-sidebar", "#pst-secondary-sidebar", ".prev-next-footer", ".copybtn", ".headerlink"):
        assert not any(box.is_visible() for box in page.locator(selector).all()), selector
    assert page.evaluate("() => document.documentElement.dataset.theme") == "light"
    beyond = page.evaluate("() => [...document.querySelectorAll('article p, article img')]"
                           ".filter(e => e.getBoundingClientRect().right > innerWidth).length")
    assert not beyond, "text is cut off at the right edge of the paper"
    page.close()


@pytest.mark.parametrize("address", ["/x", "/book/latest/book/gone.html", "/book/latest/a/b/c/"])
def test_404_leads_back_from_any_depth(browser, built, address):
    """The site is served below /book/latest/, and the page of errors for whatever is not there."""
    def serve(route):
        path = built / urlsplit(route.request.url).path.removeprefix("/book/latest/").lstrip("/")
        route.fulfill(path=path if path.is_file() else built / "404.html", status=200 if path.is_file() else 404)

    page = browser.new_page()
    page.route("http://book.test/**", serve)
    page.goto(f"http://book.test{address}")
    page.wait_for_load_state("networkidle")
    links = [link.evaluate("e => e.href") for link in page.locator("a").all()]
    base = "http://book.test/book/latest/" if address.startswith("/book") else "http://book.test/"
    assert links == [base + "index.html", base + "search.html"]
    page.close()


# --- links and index, without a browser -------------------------------------------------------


class Links(HTMLParser):
    """Where a page leads, and the places that can be led to. (Without a tree, which would take most of the time.)"""

    def __init__(self, text):
        super().__init__()
        self.places, self.links = set(), set()
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        value = dict(attributes)
        self.places |= {value.get("id"), value.get("name") if tag == "a" else None}
        self.links |= {value.get("href"), value.get("src")}
        if tag == "meta" and (value.get("http-equiv") or "").lower() == "refresh":
            self.links.add(value["content"].partition("url=")[2])


def link_problems(site):
    """Links within the site whose page, file or #anchor does not exist."""
    pages = {path: Links(path.read_text(encoding="utf-8"))
             for path in site.rglob("*.html") if not path.relative_to(site).parts[0].startswith("_")}
    found = []
    for path, page in pages.items():
        for link in sorted(filter(None, page.links)):
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            anchor = unquote(parts.fragment)
            if not target.is_file() or anchor and target in pages and anchor not in pages[target].places:
                found.append(f"{path.relative_to(site)}: dead link {link}")
    return found


def test_links_lead_somewhere(built):
    guards.assert_none(link_problems(built))


def test_equations_have_addresses(built):
    pages = {number: (built / f"book/{equation['chapter']}.html").read_text(encoding="utf-8")
             for number, equation in cosim.claims.ledger()["equations"].items()}
    guards.assert_none(f"no anchor: Eq. {number}" for number, page in pages.items() if f'id="eq-{number}"' not in page)


def test_every_page_says_how_to_cite(built):
    missing = [page for page in CHAPTERS
               if '#cite-this-book">Cite this book' not in (built / page).read_text(encoding="utf-8")]
    guards.assert_none(f"no link to how to cite: {page}" for page in missing)


def test_search_index_knows_every_chapter(built):
    index = (built / "_static/search-records.js").read_text(encoding="utf-8")
    guards.assert_none(page for page in CHAPTERS if page not in index)


# --- the checks themselves, on pages that are wrong on purpose --------------------------------

HEAD = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>A page</title>
<meta name="description" content="A page on which everything is as it should be, to test the tests.">
<meta name="viewport" content="width=device-width"><link rel="stylesheet" href="{css}">{mathjax}</head>
<body><main><article><h1>A page</h1>"""
DOT = "data:image/gif;base64,R0lGODlhAQABAAAAACwAAAAAAQABAAA="
GOOD = r"""<p>A formula <span class="math">\(a_1\)</span>, <code>$HOME</code>.</p>
<div class="math">\[x = y \tag{1}\]</div>
<img alt="A dot." src="{dot}">""".replace("{dot}", DOT)
LONG = "x + " * 40 + "x"
LIKE = "<p>A text that anybody can read.</p>"
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
    "wide table far below": ('<section style="content-visibility: auto; margin-top: 9000px"><div style="width: 600px">x</div></section>',
                             never_scrolls_sideways),
    "wide folded table": ('<details><div style="width: 600px">x</div></details>', never_scrolls_sideways),
    "formula cut off at the right": (
        rf'<p style="overflow: hidden"><span class="math">\({{{LONG}}}\)</span></p>', shows_formulas_whole),
    "formula cut off at the left": (
        rf'<div class="math" style="direction: rtl; overflow: auto"><div>\[{LONG} \tag{{2}}\]</div></div>',
        shows_formulas_whole),
    "unspoken formula": ("<mjx-container>x</mjx-container>", speaks_every_formula),
    "pale text": ('<p style="color: #bbb">Pale.</p>', is_accessible),
    "pale text in dark mode": ("<style>@media (prefers-color-scheme: dark) {p {color: #333; background: #222}}</style>"
                               "<p>Pale.</p>", is_accessible),
    "pale text far below": ('<section style="content-visibility: auto; margin-top: 9000px"><p style="color: #bbb">Pale.</p></section>',
                            is_accessible),
    # Of each look one text is looked at: these differ in their looks from the longer one before them, or lie over something else.
    "pale word among others": (f'{LIKE}<p style="color: #bbb">Pale.</p>', is_accessible),
    "pale if small": ('<p style="color: #888; font-size: 30px">Pale, but large enough.</p><p style="color: #888">Pale.</p>', is_accessible),
    "dark text in a dark box": (f'{LIKE}<div style="background: #444"><div><p>Dark.</p></div></div>', is_accessible),
    "dark text over a dark box": (f'<p style="position: absolute">Not so dark.</p>{LIKE * 3}<div style="height: 4em; background: #444"></div>'
                                  '<p style="position: absolute; margin-top: -3em">Dark.</p>', is_accessible),
    "half-covered text": ('<div style="position: relative"><p>Covered.</p><div style="position: absolute; inset: 0 97% 0 0; background: #fff"></div></div>',
                          is_accessible),
    "button without a name": ("<button></button>", is_accessible),
    "heavy page": (f"<!-- {random.Random(0).randbytes(1_000_000).hex()} -->", loads_quickly),
    "no description": ("<script>document.querySelector('meta[name=description]').remove()</script>", has_description),
    "TeX in the description": (
        r"<script>document.querySelector('meta[name=description]').content += '\\(D\\)'</script>", has_description),
    "second heading": ("<h1>Another page</h1>", has_title_language_and_heading),
    "no language": ("<script>document.documentElement.lang = ''</script>", has_title_language_and_heading),
    "TeX in the title": (r"<script>document.title = '\\(D\\)'</script>", has_title_language_and_heading),
}


@pytest.fixture
def look_at(browser, built, tmp_path):
    def look_at(body, axe):
        path = tmp_path / "page.html"
        mathjax = f'<script defer src="{(built / "_static/mathjax/tex-chtml.js").as_uri()}"></script>'
        head = HEAD.format(css=(built / "_static/cosim.css").as_uri(),
                           mathjax=mathjax if 'class="math"' in body else "")
        path.write_text(head + body + "</article></main></body></html>", encoding="utf-8")
        for size in (PHONE, DESKTOP):
            if axe:
                yield from looks(browser, path.as_uri(), size, *THEMES[size["width"]])
            else:
                yield look(browser, path.as_uri(), size, THEMES[size["width"]][0])

    return look_at


def test_checks_pass_a_good_page(look_at):
    for facts in look_at(GOOD, axe=True):
        assert facts["typeset"] == 2 and facts["images"]
        guards.assert_none(problem for check in CHECKS for problem in check(facts))


def test_theme_of_another_reader_is_seen():
    assert has_the_preferred_theme({"theme": "light", "preferred": "dark"}) and not has_the_preferred_theme({"theme": "dark", "preferred": "dark"})


@pytest.mark.parametrize("body, check", WRONG.values(), ids=WRONG)
def test_check_sees_what_is_wrong(look_at, body, check):
    """On a phone or else on a desktop, whichever sees it first; axe, which takes longest, is asked if the check needs it."""
    assert any(check(facts) for facts in look_at(body, axe=check is is_accessible))


def test_links_that_lead_nowhere_are_seen(tmp_path):
    (tmp_path / "a.html").write_text('<p id="x"><a href="b.html#y">1</a><a href="b.html#x">2</a><a href="#z">3</a>'
                                     '<a href="#x">4</a><a href="c.html">5</a><img src="d.png">'
                                     '<a href="https://example.org/e">6</a><a href="b.html#w&amp;v">7</a><a href="a.html?q=1#x">8</a>'
                                     '<meta http-equiv="REFRESH" content="0; url=f.html">', encoding="utf-8")
    (tmp_path / "b.html").write_text('<p id="y"><a name="w&amp;v">', encoding="utf-8")
    assert link_problems(tmp_path) == [f"a.html: dead link {link}" for link in ("#z", "b.html#x", "c.html", "d.png", "f.html")]
