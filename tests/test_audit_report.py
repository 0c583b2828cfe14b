"""The report: text that no id can break, JSON that every reader takes, a page that everyone can use and that loads nothing."""

import json
import re
from importlib import resources

import guards
import numpy as np
import pytest
from bs4 import BeautifulSoup
from test_site import PHONE, browser  # noqa: F401

from cosim import audit
from cosim.audit import report

AXE = resources.files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
EVIL = ["<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "</table></main><h1>owned</h1>", '" onmouseover="alert(1)', "&lt;b&gt;", "javascript:alert(1)",
        "\x1b[31mred\x1b[0m", "a\nb", "x" * 500, "{says}", "naïve ☃", "' style='position:fixed"]


@pytest.fixture(scope="module")
def found():
    """Every part of a report, with ids and labels that contain HTML, escape sequences and braces."""
    rng = np.random.default_rng(0)
    Q, P = rng.normal(size=(60, 4)), rng.normal(size=(40, 4))
    ids = np.array((EVIL * 5)[:60], dtype=object) + np.array([str(i) for i in range(60)], dtype=object)
    Q[[0, 1, 2, 3]] = 0
    Q[[5, 6, 7]] = Q[4]
    old = Q * [1, 2, 3, 4]
    old[8:20] *= -1
    return audit(Q, users=P, previous=old, previous_users=P, ids=ids, previous_ids=ids, pairs=[[8, 9], [10, 11], [12, 13]],
                 similar=[True, False, True], threshold=0.5, rng=rng)


def test_json_is_json(found):
    read = json.loads(report.as_json(found), parse_constant=lambda name: pytest.fail(name))
    assert list(read) == ["about", "numbers", "findings"]
    assert [tuple(entry) for entry in read["findings"]] == [("part", "name", "says", "rests_on", "link", "do", "effect", "verify", "table")] * len(found.findings)
    assert read["numbers"]["zero_rows"] == 4


def test_a_number_that_is_not_finite_is_null(found):
    odd = found._replace(findings=(found.findings[0]._replace(numbers={"kappa": np.inf}),))
    assert json.loads(report.as_json(odd))["numbers"] == {"kappa": None}


def test_text_holds_every_finding_and_nothing_a_terminal_obeys(found):
    text = report.as_text(found)
    assert all(f"[{entry.name}]" in text for entry in found.findings)
    assert all(letter.isprintable() or letter == "\n" for letter in text)
    assert "Rests on: " in text and "More: book/audit.ipynb" in text
    assert "More: https://example.org/book/audit.html#" in report.as_text(found, "https://example.org/book/")


def test_the_page_says_the_same_and_holds_no_other_element(found):
    page = BeautifulSoup(report.as_html(found), "html.parser")
    kinds = {"html", "head", "meta", "title", "style", "body", "main", "section", "h1", "h2", "h3", "p", "br", "dl", "dt", "dd", "div", "table", "thead", "tbody", "tr", "th", "td",
             "figure", "svg", "text", "rect", "figcaption"}
    assert {tag.name for tag in page.find_all()} == kinds
    ordered = [entry for findings in found.parts.values() for entry in findings]
    assert list(found.parts) == ["Rows", "The table of items", "Items and users", "Against the previous version", "Against known pairs", "What the objective fixes"]
    assert sorted(map(str, ordered)) == sorted(map(str, found.findings))
    assert [tag.get_text() for tag in page.find_all("h3")] == [entry.name for entry in ordered]
    body = page.get_text()
    assert all(entry.says in body and entry.rests_on in body for entry in found.findings)
    allowed = {"lang", "charset", "name", "content", "http-equiv", "class", "role", "tabindex", "aria-label", "scope", "x", "y", "width", "height", "fill", "font-size", "viewbox"}
    assert {name for tag in page.find_all() for name in tag.attrs} <= allowed
    cells = [[cell.get_text() for cell in row.find_all(["td", "th"])] for row in page.find_all("tr")]
    assert cells == [list(row) for entry in ordered for row in entry.table]
    assert all(name in page.find("svg")["aria-label"] for name in ("projected back", "orthonormal"))


def test_links_lead_to_the_book_if_its_address_is_known(found):
    page = BeautifulSoup(report.as_html(found, "https://example.org/book"), "html.parser")
    links = [link["href"] for link in page.find_all("a")]
    assert len(links) == len(found.findings) and all(re.fullmatch(r"https://example\.org/book/[\w-]+\.html#[\w-]+", link) for link in links)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [PHONE, {"width": 1200, "height": 900}], ids=["phone", "desktop"])
def test_the_page_in_a_browser(found, browser, tmp_path, scheme, size):  # noqa: F811
    path = tmp_path / "report.html"
    path.write_text(report.as_html(found, "https://example.org"), encoding="utf-8")
    problems, requests = [], []
    context = browser.new_context(offline=True, color_scheme=scheme, viewport=size, bypass_csp=True)
    page = context.new_page()
    page.on("console", lambda message: problems.append(message.text))
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("dialog", lambda dialog: problems.append(dialog.message))
    page.on("request", lambda request: requests.append(request.url))
    page.goto(path.as_uri())
    page.evaluate(AXE)
    axe = page.evaluate("tags => axe.run(document, {runOnly: tags})", TAGS)
    assert [(rule["id"], [node["target"] for node in rule["nodes"]]) for rule in axe["violations"]] == []
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert requests == [path.as_uri()]
    context.close()
    guards.assert_none(problems)
