"""What readers find things by: links and previews, the ledger's pages and filter, search, descriptions, data and citations."""

import json
import re
import sys
from collections import Counter
from functools import cache

import guards
import jsonschema
import pytest
from bs4 import BeautifulSoup, NavigableString
from guards import ROOT
from pypdf import PdfReader
from sphinx.errors import ConfigError
from test_site import CHAPTERS, DESKTOP, LEDGER, MAX_HEIGHT, PHONE, browser, built, violations  # noqa: F401

import cosim
from cosim import claims

sys.path.insert(0, str(ROOT / "book/_ext"))
import ledger_pages  # noqa: E402
import links  # noqa: E402
from cosim_site import repository  # noqa: E402

CLAIMS, EQUATIONS = claims.ledger()["claims"], claims.ledger()["equations"]
UNLINKED = ("a", "script", "style", "svg", "h1", "summary", "button", "select")


@cache
def parsed(path):
    """A page; a formula is one sign in it, since no test here looks at what it is typeset from."""
    text = re.sub("<mjx-container.*?</mjx-container>", "…", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    return BeautifulSoup(text, "html.parser")


def article(path):
    return parsed(path).select_one("article")


def words(soup):
    """The text nodes in which names are to be links; not formulas and not other links."""
    for text in soup.find_all(string=True):
        parents = list(text.parents)
        if type(text) is NavigableString and not any(
                parent.name in UNLINKED or "math" in (parent.get("class") or []) for parent in parents):
            yield text


def unlinked(soup):
    """Equations, printed checks and functions in running text that lead nowhere."""
    functions = {name for name in links.functions() if name.startswith(("cosim.", "claims."))}
    for text in words(soup):
        found = re.findall(r"\bEqs?\.\s*[1-6]\b(?!\.\d)", text)
        found += [name for name in re.findall(r"^([a-z0-9-]+) holds \(", text, re.MULTILINE) if name in CLAIMS]
        if text.parent.name in ("code", "span") and text.find_parent("code") and not text.find_parent("pre"):
            found += [text] * (text.strip("()") in functions)
        yield from (f"{name!r} in {text.strip()[:60]!r}" for name in found)


# --- links --------------------------------------------------------------------------------------


def undefined(soup):
    """Terms that running text uses before, or without, a link to their definition."""
    linked = set()
    for text in soup.find_all(string=True):
        parents = {parent.name for parent in text.parents}
        link = text.find_parent("a")
        if link and "#term-" in link.get("href", ""):
            linked.add(link["href"].partition("#term-")[2])
        elif type(text) is NavigableString and not parents & {*UNLINKED, *links.HEADINGS, "pre", "code"} and not text.find_parent(class_="math"):
            yield from (f"{found[0]!r} in {text.strip()[:60]!r}" for found in links.in_words().finditer(text)
                        if links.terms()[0][found[0].lower()] not in linked)


@pytest.mark.parametrize("page", [*CHAPTERS, *LEDGER])
def test_every_equation_check_function_and_term_is_a_link(built, page):  # noqa: F811
    soup = article(built / page)
    guards.assert_none([*unlinked(soup), *(undefined(soup) if page != "book/terms.html" else ())])
    assert set(Counter(link["href"].partition("#")[2] for link in soup.select("a.term[href*='#term-']")).values()) <= {1}


def test_links_lead_to_what_they_name(built):  # noqa: F811
    """That the targets exist is seen by the test of all links; here, that they are the right ones."""
    found, seen = [], Counter()
    for page in CHAPTERS:
        for link in article(built / page).select("a.term"):
            text, anchor = link.get("aria-label") or link.get_text(), link["href"].partition("#")[2]
            number, name = re.search(r"\d$", text), text.removeprefix("cosim.")
            term = links.terms()[0].get(text.lower())
            right = {f"term-{term}"} if anchor.startswith("term-") else {f"eq-{number[0]}"} if number and text not in CLAIMS else {
                f"claim-{text}"} if text in CLAIMS else {links.functions().get(name)}
            seen[anchor.partition("-")[0]] += 1
            found += [f"{page}: {text!r} leads to {anchor}"] * (anchor not in right)
    guards.assert_none(found)
    assert seen["eq"] > 200 and seen["claim"] > 300 and seen["term"] > 200
    assert sum(seen.values()) - seen["eq"] - seen["claim"] - seen["term"] > 50


def test_terms_are_defined_once_and_explained_where_they_say(built):  # noqa: F811
    glossary, soup = ledger_pages.glossary(), article(built / "book/terms.html")
    assert [box["id"] for box in soup.select(".claim")] and {box["id"] for box in soup.select(".claim")} == {f"term-{name}" for name in glossary}
    said = [word.lower() for term in glossary.values() for word in term["words"]] + [tex for term in glossary.values() for tex in term.get("tex", [])]
    assert len(said) == len(set(said))
    for name, term in glossary.items():
        chapter = (built / f"book/{term['chapter']}.html").read_text(encoding="utf-8")
        assert f"#term-{name}" in chapter, f"{term['chapter']} does not use {name}"


def test_claims_lead_to_the_cell_that_checks_them(built):  # noqa: F811
    found = []
    for name, address in ledger_pages.addresses().items():
        page = address.partition("#")[0]
        entry = article(built / "book" / page).find(id=f"claim-{name}")
        back = entry.find("a", string=re.compile("^Where it is"))["href"]
        chapter, _, anchor = back.removeprefix("../").partition("#")
        target = article(built / "book" / chapter).find(id=anchor)
        if chapter != f"{CLAIMS[name]['chapter']}.html" or not target:
            found.append(f"{name} leads to {back}")
        elif "relation" in CLAIMS[name] and not (target.get_text() == name and target.find_parent("pre")):
            found.append(f"{name} leads to {target}")
    guards.assert_none(found)


@pytest.fixture
def linker():
    return links.Linker(lambda target: f"{target}.html", {"cosim.models.rescale", "cosim.claims.check"})


@pytest.mark.parametrize("html, linked", [
    ("By Eq. 5 and", ["Eq. 5"]), ("Eq. 1–4 and Eqs. 2, 3 and 6.", ["Eq. 1", "4", "Eqs. 2", "3", "6"]), ("Eq. 1 and 2", ["Eq. 1", "2"]),
    ("Eq. 12, Eq. 9", []), ("Eq. 1.5", []), ("Section 2", []), ('<a href="x">Eq. 5</a> and <script>"Eq. 5"</script>', []),
    (r'<span class="math notranslate">\(Eq. 5\)</span> Eq. 6', ["Eq. 6"]), ("<h1>Eq. 5</h1><h2>Eq. 5</h2>", ["Eq. 5"]),
    ('<img alt="Eq. 5">', []), ("<p>the claim eq1-by-hand.</p>", ["eq1-by-hand"]), ("not-eq1-by-hand, eq1-by-hand-2, eq1-by-hands", []),
    ("<pre>eq1-by-hand holds (==, 1e-12): One.\nno-such holds (</pre>", ["eq1-by-hand"]), ("<pre>see eq1-by-hand</pre>", []),
    ("<code><span>cosim.rescale</span></code> <code>rescale</code> <code>claims.check</code>", ["cosim.rescale", "rescale", "claims.check"]),
    ("cosim.rescale <code>x.rescale</code> <code>rescaled</code> <code>cosim.spectrum</code>", []),
    ("Whitening, whitened and <h2>full rank</h2> full rank.", ["Whitening", "full rank"]), ("<code>whiten</code> unwhitened", []),
    (2 * r'<p><span class="math notranslate">\(D\)</span></p>', [r"\(D\)"]), (r'<th><span class="math">\(D\)</span></th>', []),
    ("<a>free diagonal</a> the free diagonal, p@10", ["free diagonal", "p@10"]),
    (2 * '<pre><span class="n">cosim</span><span class="o">.</span><span class="n">rescale</span></pre>', ["cosim.rescale"])])
def test_linker(linker, html, linked):
    made = linker.page(html)
    soup = BeautifulSoup(made, "html.parser")
    assert [link.get_text() for link in soup.select("a.term")] == linked
    assert soup.get_text() == BeautifulSoup(html, "html.parser").get_text(), "linking must change no text"


@pytest.mark.parametrize("html, seen", [("<p>whitening</p>", 1), ("<p>whitening <a href='t#term-whitening'>whitening</a></p>", 1),
                                        ("<p><a href='t#term-whitening'>Whitening</a>, whitened</p>", 0), ("<h2>whitening</h2>", 0)])
def test_a_term_without_its_link_is_seen(html, seen):
    assert len(list(undefined(BeautifulSoup(html, "html.parser")))) == seen


@pytest.mark.parametrize("html", ["By Eq. 5.", "<pre>eq1-by-hand holds (==, 1): One.</pre>", "<p><code>cosim.rescale</code></p>"])
def test_what_is_not_linked_is_seen(html):
    assert list(unlinked(BeautifulSoup(html, "html.parser")))


# --- previews -----------------------------------------------------------------------------------


@pytest.fixture
def page(browser, built):  # noqa: F811
    """Opens pages of the site; at the end nothing may have gone wrong in them."""
    contexts, problems = [], []

    def open_page(address, size=DESKTOP, **options):
        contexts.append(browser.new_context(viewport=size, offline=True, **options))
        page = contexts[-1].new_page()
        page.on("console", lambda message: message.type == "error" and problems.append(message.text))
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.goto(f"{built.as_uri()}/{address}")
        return page

    yield open_page
    for context in contexts:
        context.close()
    guards.assert_none(problems)


CHAPTER = "book/two-objectives.html"


def link_to(page, anchor):
    return page.locator(f"a.term[href$='#{anchor}']").first


def hover(page, anchor):
    """Scroll to a link and point at it; what scrolls later would close its preview."""
    link_to(page, anchor).scroll_into_view_if_needed()
    page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    link_to(page, anchor).hover()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_preview_on_hover(page, theme):
    page = page(CHAPTER, color_scheme=theme)
    box = page.locator("#preview")
    hover(page, "claim-eq3-loss1-by-hand")
    page.wait_for_selector("#preview mjx-container")
    assert CLAIMS["eq3-loss1-by-hand"]["statement"] in box.inner_text() and not page.locator("#preview mjx-merror").count()
    guards.assert_none(violations(page))
    box.hover()  # the pointer may go there
    page.wait_for_timeout(500)
    assert box.is_visible()
    page.keyboard.press("Escape")
    assert not box.is_visible()
    hover(page, "claim-eq3-loss1-by-hand")
    page.wait_for_selector("#preview:not([hidden])")
    page.mouse.move(2, 2)  # what the pointer has opened closes when it leaves
    page.wait_for_selector("#preview", state="hidden")


def test_preview_on_focus(page):
    page = page(CHAPTER)
    link = link_to(page, "eq-1")
    page.keyboard.press("Tab")  # the keyboard is in use, so that focus is shown
    link.focus()
    page.wait_for_selector("#preview:not([hidden])")
    for x in (200, 5):  # it stays, wherever the pointer lies or moves: the page may also move under it
        page.mouse.move(x, 300)
    page.wait_for_timeout(500)
    assert link.get_attribute("aria-describedby") == "preview" and "cosim.loss_product" in page.inner_text("#preview")
    page.keyboard.press("Escape")
    assert not page.locator("#preview").is_visible() and link.get_attribute("aria-describedby") is None
    link_to(page, "cosim.models.rescale").focus()
    page.wait_for_selector("#preview:not([hidden])")
    assert "(factors" in page.inner_text("#preview")
    page.keyboard.press("Tab")
    page.wait_for_function("document.activeElement.getAttribute('aria-describedby') || document.getElementById('preview').hidden")


def test_preview_of_a_term(page):
    page = page(CHAPTER)
    hover(page, "term-free-diagonal")
    page.wait_for_selector("#preview mjx-container")
    assert "no prediction changes" in page.inner_text("#preview")
    guards.assert_none(violations(page))


def test_preview_on_tap(page):
    page = page(CHAPTER, PHONE, has_touch=True, is_mobile=True)
    link = link_to(page, "claim-eq1-by-hand")
    link.tap()
    page.wait_for_selector("#preview:not([hidden])")
    frame = page.locator("#preview").bounding_box()
    assert page.url.endswith(CHAPTER) and frame["x"] >= 0 and frame["x"] + frame["width"] <= PHONE["width"]
    page.locator("#preview a").tap()
    page.wait_for_url("**/ledger/two-objectives.html#claim-eq1-by-hand")


# --- the ledger -----------------------------------------------------------------------------------


def test_found_claims_make_no_long_page(page):
    page = page("book/claims.html?status=holds")
    page.wait_for_selector("#ledger-filter li")
    assert page.evaluate("document.documentElement.scrollHeight") <= MAX_HEIGHT


def test_filter_agrees_with_the_ledger_and_stands_in_the_address(page):
    view = page("book/claims.html")
    view.select_option("#ledger-filter [name=section]", "Section 2.1")
    view.select_option("#ledger-filter [name=status]", "differs from the paper")
    view.fill("#ledger-filter [name=text]", "Dropout")
    expected = {name for name, claim in CLAIMS.items() if claim["place"].startswith("Section 2.1") and "2.1." not in claim["place"]
                and claim["status"] == "differs from the paper" and "dropout" in f"{name} {claim['statement']} {claim['symbols']}".lower()}
    found = view.locator("#ledger-filter li > a:first-child")
    view.wait_for_function(f"document.querySelectorAll('#ledger-filter li').length === {len(expected)}")
    assert set(found.all_inner_texts()) == expected and expected
    again = page(view.url.partition("/html/")[2])
    again.wait_for_selector("#ledger-filter li")
    assert set(again.locator("#ledger-filter li > a:first-child").all_inner_texts()) == expected
    guards.assert_none(violations(again))
    again.locator("#ledger-filter li a").first.click()
    again.wait_for_url("**/book/ledger/*.html#claim-*")


def test_each_filter_has_the_values_of_the_ledger(page):
    page = page("book/claims.html")
    page.wait_for_selector("#ledger-filter select")
    for field in ("kind", "status"):
        values = set(page.locator(f"#ledger-filter [name={field}] option").all_inner_texts()) - {"all", "–"}
        assert values == {claim[field] for claim in CLAIMS.values() if field in claim}


def test_old_addresses_of_claims_lead_on(page):
    page("book/claims.html#claim-eq1-by-hand").wait_for_url("**/ledger/two-objectives.html#claim-eq1-by-hand")


def test_ledger_is_whole_without_scripts(page):
    page = page("book/claims.html", java_script_enabled=False)
    pages = page.locator("article table a").evaluate_all("links => links.map(link => link.getAttribute('href'))")
    names = set()
    for address in pages:
        page.goto(f"{page.url.rpartition('/')[0]}/{address}" if "ledger" not in page.url else f"{page.url.rpartition('/ledger/')[0]}/{address}")
        names |= set(page.locator(".claim").evaluate_all("boxes => boxes.map(box => box.id.replace('claim-', ''))"))
    assert names == set(CLAIMS)


def test_planted_mistakes_are_shown_for_every_claim_that_is_checked(tmp_path, monkeypatch):
    (tmp_path / "counts.csv").write_text("claim,reached,red\none,5,4\ntwo,0,0\n", encoding="utf-8")
    monkeypatch.setattr(ledger_pages, "ROOT", tmp_path)
    monkeypatch.setattr(ledger_pages, "MISTAKES", "counts.csv")
    planted, claim = ledger_pages.mistakes(), CLAIMS["eq1-by-hand"]
    for name, shown in {"one": "4 of 5", "two": "0 of 0", "new": "0 of 0"}.items():
        assert f"Planted mistakes that turn it red: {shown}." in ledger_pages.entry(name, claim, "", planted)
    untested = next(claim for claim in CLAIMS.values() if claim["status"] == "not testable")
    assert "Planted" not in ledger_pages.entry("one", untested, "", planted)


def test_the_overview_counts_the_claims_that_can_fail():
    red = sum(count > 0 for name, (count, _) in ledger_pages.mistakes().items() if CLAIMS.get(name, {}).get("kind") in ("proved", "measured"))
    evidence = sum(claim.get("kind") in ("proved", "measured") for claim in CLAIMS.values())
    assert f"| {red} of {evidence} |" in ledger_pages.overview()


def test_an_error_in_a_claim_can_be_reported():
    assert "Report" not in ledger_pages.entry("one", CLAIMS["eq1-by-hand"], "", {})
    text = ledger_pages.entry("one", CLAIMS["eq1-by-hand"], "https://github.com/a/b", {})
    assert 'href="https://github.com/a/b/issues/new?title=Claim+one&amp;body=' in text


# --- search -----------------------------------------------------------------------------------


@pytest.mark.parametrize("query, wanted", [
    ("whitening", "whiten"), ("anisotropy", "dimension"), ("two-tower", "encoder"), ("gauge", "freedom"), ("ALS", "weight decay"),
    ("dropout", "denoising-dropout"), ("Eq. 5", "Eq. 5"), ("solve_product", "solve_product"), ("eq3-loss1-by-hand", "eq3-loss1-by-hand"),
    ("exponential race", "exponential race"), ("bias-free popularity", "bias")])
def test_search_finds(page, query, wanted):
    page = page(f"search.html?q={query}")
    page.wait_for_selector("#search-results li")
    first = page.locator("#search-results li").all_inner_texts()[:10]
    assert any(wanted in text for text in first), first
    assert page.locator("#search-results mark").count() and page.locator("#search-results li p").first.inner_text().strip()


def test_search_says_when_there_is_nothing(page):
    page = page("search.html?q=xyzzyx")
    page.wait_for_function("document.querySelector('#search-results [role=status]')?.textContent === 'No places found.'")


def test_search_hits_lead_somewhere(built):  # noqa: F811
    text = (built / "_static/search-records.js").read_text(encoding="utf-8")
    records = json.loads(re.search(r"searchRecords = (.*);$", text, re.MULTILINE)[1])
    ids = {}
    for record in records:
        page, _, anchor = record["u"].partition("#")
        if page not in ids:
            ids[page] = {tag["id"] for tag in parsed(built / page).select("[id]")} | {""}
        assert anchor in ids[page], record
    assert {record["s"] for record in records} >= set(CLAIMS) and len(records) > 500
    guards.assert_none(record["x"][:80] for record in records if re.search(r"</?[a-z]+[ >]|\\", record["x"]))


# --- descriptions, addresses, data -----------------------------------------------------------


def test_descriptions_differ_and_are_about_the_page(built):  # noqa: F811
    found, problems = {}, []
    for page in [*CHAPTERS, *LEDGER]:
        soup = parsed(built / page)
        text = soup.select_one("meta[name=description]")["content"]
        shown = " ".join(soup.select_one("article").get_text().split())
        problems += [f"{page}: the same as {found.get(text)}"] * (text in found)
        problems += [f"{page}: not on the page: {text}"] * (text[:25] not in shown)
        problems += [f"{page}: {text}"] * text.startswith(("To run it", "How to read"))
        found[text] = page
    guards.assert_none(problems)


@pytest.mark.parametrize("address, branch", [
    ("https://github.com/Some-Org/cosim", None), ("https://github.com/Some-Org/cosim/", None), ("https://github.com/Some-Org/cosim.git", None),
    ("http://github.com/Some-Org/cosim", None), ("https://www.github.com/Some-Org/cosim", None), ("github.com/Some-Org/cosim", None),
    ("git@github.com:Some-Org/cosim.git", None), ("ssh://git@github.com/Some-Org/cosim.git", None),
    ("https://github.com/Some-Org/cosim/tree/main", "main"), (" https://github.com/Some-Org/cosim/tree/dev/x/ ", "dev/x")])
def test_repository_in_its_usual_forms(address, branch):
    assert repository(address) == ("https://github.com/Some-Org/cosim", "Some-Org", "cosim", branch)


@pytest.mark.parametrize("address", ["cosim", "https://gitlab.com/a/b", "https://github.com/a", "https://github.com/a/b/issues",
                                     "https://evil.org/github.com/a/b", "https://github.com/a/b c"])
def test_other_addresses_stop_the_build(address):
    with pytest.raises(ConfigError, match="must be empty or the address of a repository on GitHub, like .*; got"):
        repository(address)


def test_claims_as_data(built):  # noqa: F811
    data = json.loads((built / "_static/claims.json").read_text(encoding="utf-8"))
    schema = json.loads((built / "_static/claims.schema.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(data, schema)
    fields = {row["id"]: {key: value for key, value in row.items() if key not in ("id", "page")} for row in data["claims"]}
    assert fields == CLAIMS and data["version"] == "0.1.0"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**data, "claims": [{**data["claims"][0], "tolerance": "small"}]}, schema)


def test_data_of_the_chapters_can_be_taken_along(built):  # noqa: F811
    for path in (ROOT / "cosim/data").iterdir():
        assert (built / "_static/data" / path.name).read_bytes() == path.read_bytes()


def test_every_page_as_plain_text(built):  # noqa: F811
    listed = re.findall(r"^- \[.+?\]\((.+?)\): .{40}", (built / "llms.txt").read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(listed) == sorted(page.replace(".html", ".md") for page in CHAPTERS)
    for page in [*CHAPTERS, *LEDGER]:
        text = (built / page.replace(".html", ".md")).read_text(encoding="utf-8")
        assert text.startswith("# ") and "<!-- ledger" not in text and "base64" not in text and len(text) > 400, page
    assert "eq1-by-hand holds" in (built / "book/two-objectives.md").read_text(encoding="utf-8")
    assert "**eq1-by-hand**" in (built / "book/ledger/two-objectives.md").read_text(encoding="utf-8")


def test_every_page_can_be_cited(built):  # noqa: F811
    keys = set()
    for page in CHAPTERS:
        soup = parsed(built / page)
        tags = {tag["name"]: tag["content"] for tag in soup.select("meta[name^=citation_]")}
        text = soup.select_one("details.cite pre").get_text()
        assert tags["citation_title"] in soup.select_one("h1").get_text() and tags["citation_publication_date"] == "2026"
        assert re.match(r"@(misc|incollection)\{\w+,\n(  \w+ = \{.+\},\n)+  \w+ = \{.+\}\n\}$", text), text
        keys.add(re.search(r"\{(\w+),", text)[1])
    assert len(keys) == len(CHAPTERS)


def test_public_names_are_known_to_the_links():
    assert {name for name in cosim.__all__ if callable(getattr(cosim, name))} <= set(links.functions())


# --- the cheat sheet ------------------------------------------------------------------------------

SHEET = re.compile(r"^\| (?P<what>.+?) \| (?P<formula>.*\$.*) \| (?:Eq\. (?P<number>\d)|\[[^]]+\]\((?P<chapter>[\w-]+)\.ipynb\)): (?P<claim>[\w-]+) \|$",
                   re.MULTILINE)


def test_every_formula_of_the_cheat_sheet_is_checked_where_it_says(built):  # noqa: F811
    text = (ROOT / "book/cheat-sheet.md").read_text(encoding="utf-8")
    rows = [match.groupdict() for match in SHEET.finditer(text)]
    assert len(rows) == text.count("\n|") - 2 and len(rows) > 20
    for row in rows:
        claim = CLAIMS[row["claim"]]
        chapter = EQUATIONS[row["number"]]["chapter"] if row["number"] else row["chapter"]
        assert "relation" in claim and claim["status"] in ("holds", "holds under conditions", "goes beyond") and claim["chapter"] == chapter, row
    links_in_rows = [len(row.select("td:last-child a")) for row in article(built / "book/cheat-sheet.html").select("tbody tr")]
    assert links_in_rows == [2] * len(rows)


def test_the_cheat_sheet_is_one_page_of_paper(browser, built, tmp_path):  # noqa: F811
    view = browser.new_page(viewport=DESKTOP)
    view.goto((built / "book/cheat-sheet.html").as_uri())
    view.pdf(path=tmp_path / "sheet.pdf", prefer_css_page_size=True)
    view.close()
    pages = PdfReader(tmp_path / "sheet.pdf").pages
    assert len(pages) == 1 and [round(float(side)) for side in pages[0].mediabox[2:]] == [595, 842]
    assert "start-decides" in pages[0].extract_text().replace("\n", "")
