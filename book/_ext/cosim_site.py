"""What Jupyter Book leaves out of a website that is small, works without a network and can be cited.

A Sphinx extension, named in _config.yml. Nothing here changes what a chapter says.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from html import escape, unescape
from pathlib import Path
from urllib.parse import urljoin

import nbformat
from docutils import nodes
from PIL import Image
from sphinx.errors import ConfigError

ABOUT = ("An executable companion to 'Is Cosine-Similarity of Embeddings Really About Similarity?': "
         "every claim in its ledger checked by a cell that you can run.")

# The folder in which this build will be published: latest, or the tag of a release.
VERSION = os.environ.get("SITE_VERSION", "latest")

# What no page loads: source maps, fonts in formats that every browser skips, and of MathJax all but
# one component and its fonts. A page that needs a dropped file fails the tests.
UNUSED = ["**/*.map", "**/*.ttf", "**/fa-*.woff2"]
MATHJAX_USED = ("tex-chtml.js", "output/chtml/fonts/woff-v2/")


def prune(static):
    for path in [path for pattern in UNUSED for path in static.glob(pattern)]:
        path.unlink()
    # Icons are drawn with the theme's icon font; this script would draw them again, for half a megabyte.
    (static / "scripts/fontawesome.js").write_text("", encoding="utf-8")
    mathjax = static / "mathjax"
    for path in sorted(mathjax.rglob("*"), reverse=True):  # folders after what is in them
        if path.is_file() and not path.relative_to(mathjax).as_posix().startswith(MATHJAX_USED):
            path.unlink()
        elif path.is_dir() and not any(path.iterdir()):
            path.rmdir()


# The search that the theme brings: every page would load its index before it shows anything. search.py has the book's own.
# And what the theme says to that search, or asks for ahead of the styles.
LEFT_OUT = re.compile(r'\s*<script src="[^"]*\b(?:searchtools|language_data|searchindex)\.js[^"]*"[^>]*></script>'
                      r'|\s*<script[^>]*>DOCUMENTATION_OPTIONS\.[^<]*</script>|\s*<link rel="preload" as="script"[^>]*>')
# The theme finds out late whether a reader prefers light or dark, and then the browser starts all over again.
LATE = 'localStorage.getItem("theme") || "auto"'
EARLY = ('(localStorage.getItem("mode") || "auto") !== "auto" ? localStorage.getItem("theme") : '
         'matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light"')
# As a page opens, the theme measures every box to see whether it scrolls, and changes it before it measures the next: the page
# is laid out again and again, far sections too. site.js does the same as the boxes come to be shown.
MEASURES = re.compile(r"(?<=\.forEach\(e=>\{)e\.tabIndex=e\.scrollWidth[^{}]*")


def quicken(site):
    for path in site.rglob("*.html"):
        path.write_text(LEFT_OUT.sub("", path.read_text(encoding="utf-8")).replace(LATE, EARLY), encoding="utf-8")
    theme = site / "_static/scripts/pydata-sphinx-theme.js"
    theme.write_text(MEASURES.sub("", theme.read_text(encoding="utf-8")), encoding="utf-8")


def build_wheel(root, folder):
    """cosim as one file, for notebooks that are run outside the repository."""
    with tempfile.TemporaryDirectory() as copy:  # setuptools leaves its working files beside the sources
        for name in ("pyproject.toml", "README.md", "LICENSE"):
            shutil.copy(root / name, copy)
        shutil.copytree(root / "cosim", Path(copy, "cosim"), ignore=shutil.ignore_patterns("__pycache__"))
        subprocess.run([sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation",
                        "--disable-pip-version-check", "--wheel-dir", folder, copy], check=True)


def lead_to_cosim(sources, wheel, site):
    """Notebooks that leave a site whose address is known fetch cosim from there by themselves; others say how to get it."""
    for path in sources.rglob("*.ipynb"):
        nb = nbformat.read(path, 4)
        if any(re.search(r"^(import|from) cosim", cell.source, re.MULTILINE) for cell in nb.cells):
            if site:
                address = urljoin(site, f"_static/{wheel}")
                nb.cells.insert(1, nbformat.v4.new_code_cell(f"%pip install --quiet {address}", id="install"))
            else:
                nb.cells[0].source += ("\n\n> **To run it elsewhere:** put the wheel of `cosim`, from the page *The package*, "
                                       f"beside this notebook, and run `%pip install ./{wheel}` first.")
            nbformat.write(nb, path)


def finish(app, exception):
    if exception is None and app.builder.name in ("html", "singlehtml"):
        static = Path(app.outdir, "_static")
        prune(static)
        quicken(Path(app.outdir))
        build_wheel(Path(app.srcdir), static)
        wheel = next(static.glob("cosim-*.whl")).name
        lead_to_cosim(Path(app.outdir, "_sources"), wheel, app.config.html_baseurl.replace("/latest/", f"/{VERSION}/"))


REPOSITORY = re.compile(r"(?:(?:https?|ssh|git)://)?(?:git@|www\.)*github\.com[/:](?P<owner>[\w-]+)/(?P<name>[\w.-]+?)(?:\.git)?"
                        r"(?:/tree/(?P<branch>[^?#]+?))?/?", re.IGNORECASE)


def repository(address):
    """Address, owner, name and branch (or None) of a GitHub repository, from any of the usual forms."""
    found = REPOSITORY.fullmatch(address.strip())
    if not found:
        raise ConfigError("repository: url in _config.yml must be empty or the address of a repository on GitHub, like "
                          f"https://github.com/OWNER/NAME; got {address!r}")
    return f"https://github.com/{found['owner']}/{found['name']}", found["owner"], found["name"], found["branch"]


def set_address(app, config):
    """The site's address follows from the repository's; without one there is nothing that a button could open."""
    options = config.html_theme_options
    if not options.get("repository_url"):
        options["launch_buttons"] = {}
        return
    options["repository_url"], owner, name, branch = repository(options["repository_url"])
    options["repository_branch"] = branch or options.get("repository_branch")
    if not config.html_baseurl:
        home = f"https://{owner.lower()}.github.io/"
        config.html_baseurl = f"{home}latest/" if name.lower() == f"{owner}.github.io".lower() else f"{home}{name}/latest/"


def open_published_notebook(context):
    """Colab has no cosim: its button leads to the notebook as published, which installs it."""
    for group in context.get("header_buttons", []):
        for button in group.get("buttons", []):
            if button.get("text") == "Colab":
                button["url"] = re.sub(r"/blob/.*?/book/", f"/blob/gh-pages/{VERSION}/_sources/book/", button["url"])


PRINTED = re.compile(r'(<div class="output stream[^>]*><div class="highlight">)<pre>(.*?)</pre>', re.DOTALL)
GREEK = {"lambda": "λ", "sigma": "σ", "kappa": "κ", "Delta": "Δ", "Omega": "Ω", "times": "×", "to": "→", "cdot": "·"}
NO_DESCRIPTION = ("Paper:", "About this", "To run it elsewhere", "How to read", "Write down")


def plain(node):
    """The text of a paragraph with its formulas in plain letters, or None if one has no such form."""
    parts = []
    for text in node.findall(nodes.Text):
        tex = text.astext()
        if isinstance(text.parent, nodes.math):
            tex = re.sub(r"\\(\w+) ?", lambda m: GREEK.get(m[1], m[0]), tex)
            if not re.fullmatch(r"[\w ()=+*/<>.,×→·-]+", tex) or "_" in tex:
                return None
        parts.append(tex)
    return " ".join("".join(parts).split())


def description(doctree):
    """What the chapter says that it checks, else the first paragraph that is about the page."""
    paragraphs = [text for node in doctree.findall(nodes.paragraph) if (text := plain(node))] if doctree else []
    checked = [text for text in paragraphs if text.startswith("Checked here")]
    text = next((text for text in checked + paragraphs if len(text) >= 60 and not text.startswith(NO_DESCRIPTION)), ABOUT)
    return text if len(text) <= 200 else text[:199].rsplit(" ", 1)[0] + " …"


def keep_columns(match):
    """A printed table scrolls on a phone, where other output wraps: two lines of columns, and none wider than a page of code."""
    lines = unescape(re.sub(r"<[^>]*>", "", match[2])).splitlines()
    columns = [line for line in lines if re.search(r"\S {2,}\S", line)]
    return f'{match[1]}<pre class="columns">{match[2]}</pre>' if len(columns) > 1 and max(map(len, lines)) <= 80 else match[0]


FIGURE = re.compile(r'<img (?P<rest>[^>]*src="(?P<address>[^"]*_images/(?P<name>[^"]*))"[^>]*>)')


def enlargeable(app, figure):
    """A figure opens by itself. Its size is said, so that its place is kept until it is there: links into a page land right."""
    source = next(uri for uri, name in app.builder.images.items() if name == figure["name"])
    with Image.open(Path(app.srcdir, source)) as image:
        width, height = image.size
    return f'<a href="{figure["address"]}"><img width="{width}" height="{height}" {figure["rest"]}</a>'


def complete_page(app, pagename, templatename, context, doctree):
    """Description and social card, a link to how to cite, and links that open what they should."""
    open_published_notebook(context)
    for script in context.get("script_files", []):
        if getattr(script, "filename", None):  # none is needed before the text is there
            script.attributes.setdefault("defer", "defer")
    # In tables a value and its interval stay on one line, and printed ones keep their columns. A figure that is small on a
    # phone opens by itself, to be enlarged.
    if "body" in context and app.builder.name == "html":
        context["body"] = re.sub(r"(<td>[^<]*) ± ", "\\1\u00a0±\u00a0", context["body"])
        context["body"] = PRINTED.sub(keep_columns, context["body"])
        context["body"] = FIGURE.sub(lambda figure: enlargeable(app, figure), context["body"])
    site = app.config.html_baseurl
    tags = {"description": description(doctree), "og:description": description(doctree), "og:type": "article",
            "og:title": re.sub(r"<[^>]*>", "", context.get("title", "")), "og:site_name": app.config.html_title}
    if site:
        tags["og:url"] = urljoin(site, app.builder.get_target_uri(pagename))
        pictures = [node["uri"] for node in doctree.findall(nodes.image)] if doctree else []
        pictures = [uri for uri in pictures if uri in app.builder.images] or list(app.builder.images)
        if pictures:
            tags["og:image"] = urljoin(site, f"_images/{app.builder.images[pictures[0]]}")
    context["metatags"] = context.get("metatags", "") + "".join(
        f'\n<meta {"property" if ":" in name else "name"}="{name}" content="{escape(text)}" />'
        for name, text in tags.items())
    cite = context["pathto"]("book/bibliography").rstrip("#") + "#cite-this-book"
    context["theme_extra_footer"] = f'{app.config.html_theme_options["extra_footer"]} <a href="{cite}">Cite this book</a>.'


def take_fresh_outputs(app, docname, source):
    """A chapter as `make book` has just executed it, where the variable says that it has."""
    path = Path(app.srcdir, os.environ["COSIM_EXECUTED"], Path(docname).name + ".ipynb")
    if app.env.doc2path(docname).endswith(".ipynb") and path.exists():
        source[0] = path.read_text(encoding="utf-8")
        app.env.note_dependency(str(path))


def load_figures_late(app, doctree):
    """A figure far down a page is fetched when the reader comes near."""
    for node in doctree.findall(nodes.image):
        node["loading"] = "lazy"


def anchor_equations(app, doctree):
    r"""A formula that has the paper's number, \tag{5}, gets the anchor #eq-5, once on each page."""
    for node in doctree.findall(nodes.math_block):
        number = re.search(r"\\tag\{(\w+)\}", node.astext())
        if number and f"eq-{number[1]}" not in doctree.ids:
            node["ids"].append(f"eq-{number[1]}")
            doctree.ids[f"eq-{number[1]}"] = node


def setup(app):
    app.connect("config-inited", set_address)
    if "COSIM_EXECUTED" in os.environ:
        app.connect("source-read", take_fresh_outputs)
    app.connect("doctree-read", load_figures_late)
    app.connect("doctree-read", anchor_equations)
    app.connect("html-page-context", complete_page, priority=900)
    app.connect("build-finished", finish, priority=900)  # after MathJax was copied
    return {"parallel_read_safe": True, "parallel_write_safe": True}
