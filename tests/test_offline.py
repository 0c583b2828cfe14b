"""What leaves the site: the zip to read without a network, the package's file, and buttons that open a chapter elsewhere."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import guards
import nbformat
import pytest
import yaml
from bs4 import BeautifulSoup
from guards import ROOT
from nbclient import NotebookClient
from test_site import PHONE, SITE, browser, built, link_problems, look, runs_without_errors  # noqa: F401

VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
WHEEL = f"cosim-{VERSION}-py3-none-any.whl"
MAX_ZIP = 12_000_000


def recipe(target):
    """The Python one-liner of a target in the Makefile."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    return re.search(rf'^{target}:.*\n\t\$\(BIN\)/python -c "(.+)"$', makefile, re.MULTILINE)[1]


def test_zip_is_small_and_works_where_it_is_unpacked(browser, built, tmp_path):  # noqa: F811
    shutil.copytree(built, tmp_path / "_build/html")
    subprocess.run([sys.executable, "-c", recipe("offline")], cwd=tmp_path, check=True)
    packed = tmp_path / "_build/cosim-book.zip"
    assert packed.stat().st_size < MAX_ZIP
    with zipfile.ZipFile(packed) as archive:
        archive.extractall(tmp_path / "elsewhere")
    site = next((tmp_path / "elsewhere").iterdir())
    assert not link_problems(site)
    for page in ("book/index.html", "book/first-objective.html", "search.html?q=whitening"):
        facts = look(browser, f"{site.as_uri()}/{page}", PHONE, "light")
        assert not runs_without_errors(facts) and not facts["external"]


def test_site_holds_no_file_for_developers(built):  # noqa: F811
    guards.assert_none(f"{path}: no page loads it" for path in built.rglob("*.map"))
    assert not (built / "_static/mathjax/sre").exists()


def test_wheel_of_the_site_is_this_package(built, tmp_path):  # noqa: F811
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target",
                    tmp_path / "site", built / "_static" / WHEEL], check=True)
    code = ("import sys; sys.path.insert(0, 'site'); import cosim; assert 'site' in cosim.__file__; "
            "assert cosim.claims.ledger()['claims']")
    subprocess.run([sys.executable, "-I", "-c", code], cwd=tmp_path, check=True)
    for path in (ROOT / "cosim").rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts:
            assert (tmp_path / "site" / path.relative_to(ROOT)).read_bytes() == path.read_bytes(), path


def test_downloaded_chapters_say_how_to_get_cosim(built):  # noqa: F811
    for name, nb in guards.notebooks(built / "_sources/book").items():
        if guards.is_chapter(nb) and any("import cosim" in cell.source for cell in nb.cells):
            assert f"`%pip install ./{WHEEL}`" in nb.cells[0].source, name


@pytest.mark.parametrize("name", [name for name, nb in guards.notebooks(ROOT / "book").items() if not guards.is_chapter(nb)])
def test_pages_run_without_the_other_notebooks(name, tmp_path):
    """The chapters use nothing but cosim; these pages look into other chapters if they are there."""
    nb = nbformat.read(ROOT / "book" / name, 4)
    NotebookClient(nb, timeout=120, resources={"metadata": {"path": tmp_path}}).execute()


# --- buttons ----------------------------------------------------------------------------------


def links(page):
    soup = BeautifulSoup(page.read_text(encoding="utf-8"), "html.parser")
    return [tag["href"] for tag in soup.select(".article-header-buttons a[href]")]


def test_without_an_address_there_are_no_buttons_that_need_one(built):  # noqa: F811
    config = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
    if config["repository"]["url"]:
        pytest.skip("the address is known")
    assert links(built / "book/first-objective.html") == ["../_sources/book/first-objective.ipynb"]


def test_with_an_address_the_buttons_lead_to_the_chapter(tmp_path):
    """A book of one chapter, not executed, for release v9, with the address set as _config.yml says."""
    for name in ("book/_static", "book/_ext", "book/_root", "book/_templates", "cosim"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("book/first-objective.ipynb", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tmp_path / name)
    config = (ROOT / "_config.yml").read_text(encoding="utf-8")
    config = re.sub(r"^repository:.*$", "repository: {url: 'git@github.com:Someone/companion.git', branch: main}", config,
                    flags=re.MULTILINE)
    (tmp_path / "_config.yml").write_text(config, encoding="utf-8")
    (tmp_path / "_toc.yml").write_text("format: jb-book\nroot: book/first-objective\n", encoding="utf-8")
    build = "from jupyter_book.cli.main import main; main()"
    subprocess.run([sys.executable, "-c", build, "build", "."], cwd=tmp_path, check=True, capture_output=True,
                   env=os.environ | {"SITE_VERSION": "v9"})
    page = tmp_path / "_build/html/book/first-objective.html"
    assert links(page) == [
        "https://mybinder.org/v2/gh/Someone/companion/main?urlpath=lab/tree/book/first-objective.ipynb",
        "https://colab.research.google.com/github/Someone/companion/blob/gh-pages/v9/_sources/book/first-objective.ipynb",
        "../_sources/book/first-objective.ipynb"]
    soup = BeautifulSoup(page.read_text(encoding="utf-8"), "html.parser")
    site = "https://someone.github.io/companion/latest/"
    assert soup.select_one("link[rel=canonical]")["href"] == soup.select_one('meta[property="og:url"]')["content"] \
        == site + "book/first-objective.html"
    published = nbformat.read(page.parents[1] / "_sources/book/first-objective.ipynb", 4)
    assert published.cells[1].source == f"%pip install --quiet {site.replace('latest', 'v9')}_static/{WHEEL}"
    assert (page.parents[1] / "_static" / WHEEL).is_file()
    sitemap = (page.parents[1] / "sitemap.xml").read_text(encoding="utf-8")
    assert f"<loc>{site}book/first-objective.html</loc>" in sitemap
    assert soup.select_one("meta[name=citation_public_url]")["content"] == f"{site}book/first-objective.html"
    assert f"url = {{{site}book/first-objective.html}}" in soup.select_one("details.cite pre").get_text()
    ledger = (page.parents[1] / "book/ledger/first-objective.html").read_text(encoding="utf-8")
    assert "https://github.com/Someone/companion/issues/new?title=Claim" in ledger
    picture = soup.select_one('meta[property="og:image"]')["content"]
    assert picture.startswith(site) and Path(page.parents[1], picture.removeprefix(site)).is_file()
