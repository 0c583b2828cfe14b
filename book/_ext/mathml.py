"""Formulas as MathML, for the EPUB, whose readers run no scripts: `sphinx-build -D html_math_renderer=mathml`.

A Sphinx extension, named in _config.yml.
"""

import re
from html import escape

from docutils import nodes
from latex2mathml.converter import convert


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


def setup(app):
    app.add_html_math_renderer("mathml", (visit_inline, None), (visit_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
