"""The form of chapters, in plain Markdown for every viewer, becomes the site's boxes, captions and folded solutions.

A Sphinx extension, named in _config.yml. In a notebook
- a block quote whose first words are bold is a box: those words are its title;
- a paragraph that begins with **How to read the figure.** is the caption of the figure before it;
- a section `### Solution n. ...` holds its text in <details> and the code cells after it: one folded part.
"""

from docutils import nodes

TIPS = ("Write down your guess",)
CAPTION = "How to read the figure."


def lead(node):
    """The bold words that a paragraph begins with, else None."""
    shown = [child for child in node.children if child.astext()] if isinstance(node, nodes.paragraph) else []
    return shown[0] if shown and isinstance(shown[0], nodes.strong) else None


def box(quote):
    """The admonition that stands for a block quote with a bold beginning, else None."""
    title = lead(quote.children[0]) if quote.children else None
    if title is None:
        return None
    first, *rest = quote.children
    first.children = first.children[first.index(title) + 1:]
    body = [first, *rest] if first.astext().strip() else rest
    kind = "tip" if title.astext().startswith(TIPS) else "note"
    name = f"admonition-{nodes.make_id(title.astext())}"
    return nodes.admonition("", nodes.title("", title.astext().rstrip(".")), *body, classes=[kind, name])


def make_boxes(app, doctree):
    for quote in list(doctree.findall(nodes.block_quote)):
        if admonition := box(quote):
            quote.replace_self(admonition)


def make_captions(app, doctree):
    """The last figure before the paragraph in its section takes it as its caption."""
    for paragraph in list(doctree.findall(nodes.paragraph)):
        title = lead(paragraph)
        if title is None or title.astext() != CAPTION:
            continue
        before = paragraph.parent.children[:paragraph.parent.index(paragraph)]
        figures = [figure for node in before[-1:] for figure in node.findall(nodes.figure)]
        if figures:
            paragraph.parent.remove(paragraph)
            figures[-1] += nodes.caption("", "", *paragraph.children)


def fold_solutions(app, doctree):
    """One <details> for the whole solution, in place of those that can't reach beyond a cell."""
    for section in doctree.findall(nodes.section):
        if not section[0].astext().startswith("Solution "):
            continue
        body = [node for node in section.children[1:]
                if not (isinstance(node, nodes.raw) and node.astext().strip().startswith(("<details", "</details")))]
        opening = '<details class="solution"><summary>Open the solution</summary>'
        section.children[1:] = [nodes.raw("", opening, format="html"), *body, nodes.raw("", "</details>", format="html")]


def setup(app):
    for step in (make_boxes, make_captions, fold_solutions):
        app.connect("doctree-read", step)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
