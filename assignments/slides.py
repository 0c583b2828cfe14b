"""Lecture slides from a chapter: `python assignments/slides.py OUT [CHAPTER ...]` (or `make slides`).

nbconvert makes them. Every section starts a slide to the right, every cell with its sentence one below it; a figure comes
without its code. Exercises, their solutions and the boxes stay in the book. Showing them needs the network: reveal.js,
require.js and MathJax are loaded from where nbconvert finds them.
"""
import argparse
import re
from pathlib import Path

import nbformat
from nbconvert import SlidesExporter
from nbformat import NotebookNode
from traitlets.config import Config

BOOK = Path(__file__).resolve().parents[1] / "book"
CHAPTERS = ["the-question", "first-objective", "full-rank", "second-objective"]
BOX = re.compile(r"^(:{3,}|`{3,})\{.*?^\1\s*?$", re.MULTILINE | re.DOTALL)  # a MyST directive


def deck(chapter: NotebookNode) -> NotebookNode:
    """The chapter's cells with nbconvert's marks for slides, without what is not shown."""
    cells, skip, begun = [], False, False
    for cell in chapter.cells:
        heading = re.match(r"#+ (.*)", cell.source) if cell.cell_type == "markdown" else None
        if heading:
            skip = heading[1] == "Exercises"
        if cell.cell_type == "markdown":
            cell.source = BOX.sub("", cell.source).strip()
        if skip or not cell.source:
            continue
        image = any("image/png" in output.get("data", {}) for output in cell.get("outputs", []))
        kind = "slide" if heading else "subslide" if cell.cell_type == "markdown" and not begun else "-"
        begun = cell.cell_type == "markdown"  # the code that follows belongs to it
        cell.metadata = NotebookNode(slideshow=NotebookNode(slide_type=kind), tags=["remove-input"] if image else [])
        cells.append(cell)
    chapter.cells = cells
    return chapter


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path, help="folder for the slides, one HTML file a chapter")
    parser.add_argument("chapters", nargs="*", default=CHAPTERS, help="names of chapters")
    args = parser.parse_args()
    config = Config()
    config.SlidesExporter.reveal_scroll = True
    config.TagRemovePreprocessor.remove_input_tags = {"remove-input"}
    config.SlidesExporter.preprocessors = ["nbconvert.preprocessors.TagRemovePreprocessor"]
    args.out.mkdir(parents=True, exist_ok=True)
    for name in args.chapters:
        chapter = deck(nbformat.read(BOOK / f"{name}.ipynb", as_version=4))
        page, _ = SlidesExporter(config=config).from_notebook_node(chapter, {"metadata": {"name": name}})
        (args.out / f"{name}.slides.html").write_text(page, encoding="utf-8")
    print(f"{len(args.chapters)} decks in {args.out}; open one in a browser")


if __name__ == "__main__":
    main()
