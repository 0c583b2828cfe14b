"""Versions side by side, as they are published: each knows the others, and its pages offer them."""

import re
import shutil
import subprocess
import sys

import guards
import pytest
from guards import ROOT
from test_site import DESKTOP, browser, built, violations  # noqa: F401

CHOICE = "nav.versions select"


def publish(site, pages, *names):
    for name in names:
        subprocess.run(["bash", ROOT / ".ci/add-version", site, pages, name], check=True)


def told(pages, name):
    return re.search(r"^window.bookVersions = (\[.*\]);$", (pages / name / "_static/versions.js").read_text(encoding="utf-8"), re.MULTILINE)[1]


@pytest.mark.skipif(sys.platform == "win32", reason="the script is run by GitHub, on Linux")
def test_every_version_is_told_of_the_others(tmp_path):
    site, pages = tmp_path / "site", tmp_path / "pages"
    (site / "_static").mkdir(parents=True)
    pages.mkdir()
    (site / "404.html").touch()
    shutil.copy(ROOT / "book/_static/versions.js", site / "_static")
    assert told(tmp_path, "site") == "[]"
    publish(site, pages, "v0.9")
    assert told(pages, "v0.9") == '["v0.9"]' and "v0.9/index.html" in (pages / "index.html").read_text(encoding="utf-8")
    publish(site, pages, "v0.10", "latest", "v0.9")
    assert {told(pages, name) for name in ("latest", "v0.9", "v0.10")} == {'["latest","v0.10","v0.9"]'}
    assert "latest/index.html" in (pages / "index.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def two(built, tmp_path_factory):  # noqa: F811
    """The built site as two versions in one folder."""
    pages = tmp_path_factory.mktemp("pages")
    for name in ("latest", "v1.0"):
        shutil.copytree(built, pages / name, ignore=shutil.ignore_patterns("data", "*.md", "*.whl", "_sources"))
        (pages / name / "_static/versions.js").write_text('window.bookVersions = ["latest","v1.0"];\n', encoding="utf-8")
    return pages


@pytest.mark.parametrize("page", ["search.html", "book/index.html", "book/ledger/full-rank.html"])
def test_pages_offer_the_other_version(browser, two, page):  # noqa: F811
    view = browser.new_page(viewport=DESKTOP)
    view.goto((two / "latest" / page).as_uri())
    view.wait_for_selector(CHOICE)
    assert view.input_value(CHOICE) == "latest" and view.locator(f"{CHOICE} option").all_inner_texts() == ["latest", "v1.0"]
    address = view.url
    view.select_option(CHOICE, "v1.0")
    view.wait_for_url(address.replace("/latest/", "/v1.0/"))
    view.wait_for_selector(CHOICE)
    assert view.input_value(CHOICE) == "v1.0"
    guards.assert_none(violations(view))
    view.close()


def test_one_version_offers_nothing(browser, built):  # noqa: F811
    view = browser.new_page(viewport=DESKTOP)
    view.goto((built / "book/index.html").as_uri())
    assert view.locator(CHOICE).count() == 0
    view.close()
