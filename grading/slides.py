"""Lecture slides from a chapter: `python -m grading.slides OUT [CHAPTER ...]` (or `make slides`).

nbconvert makes them. Every section starts a slide to the right, every cell with its sentence one below it; a figure comes
without its code. Exercises, their solutions and the boxes stay in the book. The folder needs no network: reveal.js is
copied from sphinx-revealjs, MathJax from sphinx-mathjax-offline, as installed.

Touches: reads chapters and the two packages; writes OUT.
"""
import argparse
import importlib.util
import re
import shutil
from pathlib import Path

import nbformat
from nbconvert import SlidesExporter
from nbformat import NotebookNode
from traitlets.config import Config

BOOK = Path(__file__).resolve().parents[1] / "book"
CHAPTERS = ["the-question", "first-objective", "full-rank", "second-objective"]
LINK = re.compile(r"(?<!!)\[([^\]]+)\]\((?!https?:)[^)]*\)")  # to another page of the book
BOX = re.compile(r"^> \*\*.*(?:\n>.*)*", re.MULTILINE)  # a block quote that begins with bold words
ASIDE = ("Exercises", "Solutions")


def deck(chapter: NotebookNode) -> NotebookNode:
    """The chapter's cells with nbconvert's marks for slides, without what is not shown."""
    cells, skip, begun = [], False, False
    for cell in chapter.cells:
        heading = re.match(r"(#+) (.*)", cell.source) if cell.cell_type == "markdown" else None
        if heading and len(heading[1]) <= 2:
            skip = heading[2] in ASIDE
        if cell.cell_type == "markdown":
            cell.source = LINK.sub(r"\1", BOX.sub("", cell.source)).strip()
        if skip or not cell.source:
            continue
        image = any("image/png" in output.get("data", {}) for output in cell.get("outputs", []))
        kind = "slide" if heading else "subslide" if cell.cell_type == "markdown" and not begun else "-"
        begun = cell.cell_type == "markdown"  # the code that follows belongs to it
        cell.metadata = NotebookNode(slideshow=NotebookNode(slide_type=kind), tags=["remove-input"] if image else [])
        cells.append(cell)
    chapter.cells = cells
    return chapter


def copy_scripts(out: Path) -> None:
    """What a deck loads, beside it: reveal.js with one theme, and MathJax with its fonts."""
    font = "dist/theme/fonts/source-sans-pro"
    reveal = ["LICENSE", "dist/reveal.css", "dist/reveal.js", "dist/theme/white.css", f"{font}/LICENSE", f"{font}/*.css", f"{font}/*.woff",
              "plugin/notes/notes.js"]
    mathjax = ["tex-chtml.js", "output/chtml/fonts/woff-v2/*"]
    for package, where, name, wanted in [("sphinx_revealjs", "_static/revealjs", "reveal", reveal),
                                         ("sphinx-mathjax-offline", "static/mathjax", "mathjax", mathjax)]:
        source = Path(importlib.util.find_spec(package).origin).parent / where
        for path in [path for pattern in wanted for path in source.glob(pattern)]:
            target = out / name / path.relative_to(source)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path, help="folder for the slides, one HTML file a chapter")
    parser.add_argument("chapters", nargs="*", default=CHAPTERS, help="names of chapters")
    args = parser.parse_args()
    config = Config()
    config.SlidesExporter.template_file = str(Path(__file__).resolve().with_name("slides.html.j2"))
    config.SlidesExporter.reveal_url_prefix = "reveal"
    config.SlidesExporter.reveal_theme = "white"
    config.SlidesExporter.exclude_input_prompt = config.SlidesExporter.exclude_output_prompt = True
    config.TagRemovePreprocessor.remove_input_tags = {"remove-input"}
    config.SlidesExporter.preprocessors = ["nbconvert.preprocessors.TagRemovePreprocessor"]
    unknown = [name for name in args.chapters if not (BOOK / f"{name}.ipynb").is_file()]
    if unknown:
        parser.error(f"no chapter {', '.join(unknown)}; there are {', '.join(sorted(path.stem for path in BOOK.glob('*.ipynb')))}")
    copy_scripts(args.out)
    for name in args.chapters:
        chapter = deck(nbformat.read(BOOK / f"{name}.ipynb", as_version=4))
        page, _ = SlidesExporter(config=config).from_notebook_node(chapter, {"metadata": {"name": name}})
        (args.out / f"{name}.slides.html").write_text(page, encoding="utf-8")
        print(args.out.resolve() / f"{name}.slides.html")
    print("Open one in a browser: arrow keys turn the slides, ? lists the other keys. To take one along, copy the whole folder.")


if __name__ == "__main__":
    main()
