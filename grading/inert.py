"""What a student wrote, made harmless: text, formulas and pictures that run nothing, load nothing and lead only to the web.

Markdown is read by markdown-it without HTML, links are http(s), mailto or an anchor, formulas become MathML, pictures are made
anew from their pixels. The pages around it have no script and a policy that forbids any.

Touches: nothing.
"""
import base64
import contextlib
import html
import io
import re
from xml.etree import ElementTree

from latex2mathml.converter import convert
from markdown_it import MarkdownIt
from mdit_py_plugins.dollarmath import dollarmath_plugin
from nbformat import NotebookNode
from PIL import Image
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

LINK = re.compile(r"(https?://|mailto:|#)", re.IGNORECASE)
MATHML = "{http://www.w3.org/1998/Math/MathML}"
ATTRIBUTES = {"display", "stretchy", "accent", "mathvariant", "width", "height", "columnalign", "rowspacing", "columnspacing", "linethickness",
              "movablelimits", "fence", "form", "minsize", "maxsize", "lspace", "rspace", "separator", "mathcolor", "displaystyle", "scriptlevel"}
WIDEST, BUDGET = 760, 60_000  # pixels and bytes of a picture
ANSI = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")
ElementTree.register_namespace("", MATHML[1:-1])


def formula(tex: str, options: dict) -> str:
    """A formula as MathML; as it was typed, if it cannot be read."""
    with contextlib.suppress(Exception):
        if len(tex) > 2000:
            raise ValueError("too long")
        tree = ElementTree.fromstring(convert(tex.replace("<", r"\lt "), display="block" if options.get("display_mode") else "inline"))
        for element in tree.iter():
            if not element.tag.startswith(MATHML + "m"):
                raise ValueError(element.tag)
            for name in set(element.attrib) - ATTRIBUTES:
                del element.attrib[name]
        return ElementTree.tostring(tree, encoding="unicode")
    return f"<code>{html.escape(tex)}</code>"


def reader() -> MarkdownIt:
    """Markdown as notebooks have it, less everything that could do something."""
    made = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])
    made.use(dollarmath_plugin, renderer=formula, double_inline=True)
    made.validateLink = lambda url: bool(LINK.match(url.strip()))
    made.add_render_rule("image", image)
    return made


def image(_, tokens: list, idx: int, options: dict, env: dict) -> str:
    """A pasted picture; of one that lies elsewhere, its words."""
    token = tokens[idx]
    return env["pictures"].get(token.meta.get("picture"), html.escape(f"[picture: {token.content}]"))


def markdown(source: str, attachments: dict[str, dict[str, str]] | None = None, level: int = 0) -> str:
    """Markdown of a cell as HTML, with its pasted pictures; headings sink by `level`."""
    pictures = {}
    for name, kinds in (attachments or {}).items():
        mark = f"pasted-{len(pictures)}"
        pictures[mark] = picture(next(iter(kinds.values()), ""), name)
        for form in {name, name.replace(" ", "%20")}:
            source = source.replace(f"](attachment:{form})", f"](#{mark})")
    made = reader()
    tokens = made.parse(source[:200_000], {"pictures": pictures})
    for token in tokens:
        if token.type.startswith("heading_"):
            token.tag = f"h{min(6, int(token.tag[1]) + level)}"
        for child in token.children or []:
            if child.type == "image":
                child.meta["picture"] = str(child.attrs.get("src", "")).removeprefix("#")
            elif child.type == "link_open":
                child.attrSet("rel", "noopener noreferrer nofollow")
    return made.renderer.render(tokens, made.options, {"pictures": pictures})


def picture(data: str, words: str) -> str:
    """A picture made anew from its pixels, no wider and no heavier than a page can bear."""
    label = html.escape(words or "figure", quote=True)
    try:
        found = Image.open(io.BytesIO(base64.b64decode(re.sub(r"\s", "", data), validate=True)), formats=["PNG", "JPEG", "GIF"])
        if found.width * found.height > 40_000_000:
            raise ValueError("too large")
        found = found.convert("RGBA")
        flat = Image.new("RGB", found.size, "white")
        flat.paste(found, mask=found.getchannel("A"))
        for width in (WIDEST, 560, 400, 280):
            small = flat.copy()
            small.thumbnail((width, 4 * width))
            file = io.BytesIO()
            small.quantize(64).save(file, "PNG", optimize=True)
            if file.tell() <= BUDGET:
                break
    except Exception as error:  # whatever bytes a student may send
        return f"<p>[a picture that cannot be shown: {html.escape(type(error).__name__)}]</p>"
    return f'<img alt="{label}" src="data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}">'


def vector(data: str) -> str:
    """An SVG figure, in a place where its scripts and links are dead: an image."""
    if len(data) > 2 * BUDGET:
        return "<p>[an SVG figure of more than 120 kB was left out: open the student's notebook]</p>"
    return f'<img alt="figure" src="data:image/svg+xml;base64,{base64.b64encode(data.encode()).decode()}">'


def code(source: str) -> str:
    """Code with colours."""
    return highlight(source[:100_000], PythonLexer(), HtmlFormatter(nowrap=False, cssclass="code"))


def plain(text: str, most: int = 4000) -> str:
    """Text of a program, without the colours of a terminal, cut to what a page can bear."""
    text = ANSI.sub("", text)
    return html.escape(text if len(text) <= most else f"{text[:most]}\n[… {len(text) - most} characters more]")


def output(made: NotebookNode) -> str:
    """One output of a cell."""
    if made.output_type == "stream":
        return f"<pre tabindex=0>{plain(made.text)}</pre>"
    if made.output_type == "error":
        return f"<pre tabindex=0 class=error>{plain(chr(10).join(made.traceback))}</pre>"
    if "image/png" in made.data:
        return picture(made.data["image/png"], "figure")
    if "image/svg+xml" in made.data:
        return vector(made.data["image/svg+xml"])
    return f"<pre tabindex=0>{plain(made.data.get('text/plain', ''))}</pre>"
