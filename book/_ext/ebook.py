"""What the EPUB needs, whose readers run no scripts and accept strict XHTML only: formulas as MathML, and clean pages.

A Sphinx extension, named in _config.yml; `make epub` chooses its formulas by `-D html_math_renderer=mathml`.
"""

import base64
import io
import re
from html import escape
from pathlib import Path
from zipfile import ZipFile

from bs4 import BeautifulSoup
from docutils import nodes
from latex2mathml.converter import convert
from PIL import Image


def mathml(tex, display):
    r"""One formula; a number given by \tag stands after it."""
    number = re.search(r"\\tag\{(\w+)\}", tex)
    tex = re.sub(r"\\tag\{\w+\}", "", tex)
    text = convert(tex, display=display).replace("<math ", f'<math alttext="{escape(" ".join(tex.split()))}" ', 1)
    return text + (f' <span class="eqno">({number[1]})</span>' if number else "")


def visit_inline(translator, node):
    translator.body.append(mathml(node.astext(), "inline"))
    raise nodes.SkipNode


def visit_block(translator, node):
    ids = f' id="{node["ids"][0]}"' if node["ids"] else ""
    translator.body.append(f'<div class="math"{ids}>{mathml(node.astext(), "block")}</div>\n')
    raise nodes.SkipNode


def as_png(source):
    """A picture in the page itself, in a format that every reader knows."""
    picture = Image.open(io.BytesIO(base64.b64decode(source.partition("base64,")[2])))
    file = io.BytesIO()
    picture.convert("RGB").save(file, "PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"


def clean(body):
    """A page's HTML, parts of which come from outputs, as XHTML without scripts."""
    soup = BeautifulSoup(body, "html.parser")
    for part in soup.select("script, noscript, style, button, .cosim-explorer .live"):
        part.decompose()
    for link in soup.select("a[href]"):
        if re.match(r"(?!\w+:)[^#]*\.html(#|$)", link["href"]):  # written by hand, for the site
            link["href"] = re.sub(r"\.html(?=#|$)", ".xhtml", link["href"])
        elif re.match(r"(\.\./)*(_static/|llms\.txt)", link["href"]):  # files that are on the site only
            link.name, link.attrs = "span", {}
    for image in soup.select("img[src^='data:image/bmp']"):
        image["src"] = as_png(image["src"])
    for table in soup.select("table[border]"):  # pandas
        del table["border"]
    for cell in soup.select("[valign]"):
        del cell["valign"]
    for paragraph in soup.select("summary p"):
        paragraph.name = "span"
    for span in soup.select("span:has(> p), p:has(> div)"):
        span.name = "div"
    return str(soup)


def clean_page(app, pagename, templatename, context, doctree):
    if app.builder.name != "epub":
        return
    context["css_files"] = [file for file in context["css_files"] if "mystnb" not in str(file)]  # comes after the packing
    if "body" in context:
        context["body"] = clean(context["body"])


def declare_formulas(app, exception):
    """The list of contents says which pages hold MathML, which Sphinx leaves out."""
    path = Path(app.outdir, f"{app.config.epub_basename}.epub")
    if exception is not None or app.builder.name != "epub":
        return
    with ZipFile(path) as book:
        files = {item: book.read(item) for item in book.infolist()}
    formulas = {item.filename for item, data in files.items() if b"<math " in data}
    with ZipFile(path, "w") as book:
        for item, data in files.items():  # in their order: the type of the file comes first, not compressed
            if item.filename == "content.opf":
                data = re.sub(r'<item id="[^"]*" href="([^"]+)"', lambda m: m[0] + ' properties="mathml"' * (m[1] in formulas),
                              data.decode()).encode()
            book.writestr(item, data)


def setup(app):
    app.add_html_math_renderer("mathml", (visit_inline, None), (visit_block, None))
    app.connect("html-page-context", clean_page, priority=990)
    app.connect("build-finished", declare_formulas)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
