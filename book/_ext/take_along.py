"""What leaves the site besides its pages: data, claims.json, plain text for machines, and how each page is cited.

A Sphinx extension, named in _config.yml.
"""

import json
import re
import shutil
import tomllib
from html import escape
from pathlib import Path
from urllib.parse import urljoin

import ledger_pages
import nbformat
from cosim_site import description

from cosim import claims

ROOT = ledger_pages.ROOT
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
IMAGE = re.compile(r"<img [^>]*>|!\[[^]]*\]\(data:[^)]*\)")


def plain_page(path):
    """A page as Markdown: text, code and printed lines; of a figure its alt text."""
    if path.suffix != ".ipynb":
        return ledger_pages.filled(path.read_text(encoding="utf-8"))
    parts = []
    for cell in nbformat.read(path, 4).cells:
        if cell.cell_type == "markdown":
            parts.append(ledger_pages.filled(cell.source))
            continue
        parts.append(f"```python\n{cell.source}\n```")
        for output in cell.outputs:
            text = output.get("text") or output.get("data", {}).get("text/plain", "")
            if "image/png" in output.get("data", {}):
                parts.append(f"(Figure: {cell.metadata.get('mystnb', {}).get('image', {}).get('alt', text)})")
            elif text and not text.startswith("<"):
                parts.append(f"```text\n{text.rstrip()}\n```")
    return "\n\n".join(parts) + "\n"


def write_plain_pages(app):
    """Each page as Markdown beside its HTML, and llms.txt, which lists them."""
    listed = []
    for document in app.env.found_docs:
        target = Path(app.outdir, f"{document}.md")
        target.write_text(re.sub(r"\]\(([\w./-]+)\.ipynb", r"](\1.md", plain_page(Path(app.env.doc2path(document)))), encoding="utf-8")
        if not document.startswith("book/ledger/"):
            listed.append(document)
    order = list(ledger_pages.chapters())
    listed.sort(key=lambda document: order.index(Path(document).name))
    lines = [f"- [{app.env.titles[document].astext()}]({urljoin(app.config.html_baseurl or '', document)}.md): "
             f"{description(app.env.get_doctree(document))}" for document in listed]
    Path(app.outdir, "llms.txt").write_text(
        f"# {app.config.html_title}\n\n> {PROJECT['description']}: every claim in its ledger is checked by a cell that runs.\n\n"
        "The claims as data: _static/claims.json.\n\n## Pages\n\n" + "\n".join(lines) + "\n", encoding="utf-8")


def write_data(app):
    """claims.json and the files that chapters read."""
    static, address = Path(app.outdir, "_static"), ledger_pages.addresses()
    rows = [{"id": name, **claim, "page": f"book/{address[name]}"} for name, claim in claims.ledger()["claims"].items()]
    text = json.dumps({"$schema": "claims.schema.json", "version": PROJECT["version"], "claims": rows}, ensure_ascii=False, indent=1)
    (static / "claims.json").write_text(text + "\n", encoding="utf-8")
    shutil.copytree(ROOT / "cosim/data", static / "data", dirs_exist_ok=True)


def write_sitemap(app):
    site = app.config.html_baseurl
    if site:
        pages = "".join(f"<url><loc>{escape(urljoin(site, app.builder.get_target_uri(document)))}</loc></url>\n"
                        for document in sorted(app.env.found_docs))
        Path(app.outdir, "sitemap.xml").write_text(
            f'<?xml version="1.0" encoding="utf-8"?>\n<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">\n{pages}</urlset>\n',
            encoding="utf-8")


def finish(app, exception):
    if exception is None and app.builder.name == "html":
        write_data(app)
        write_plain_pages(app)
        write_sitemap(app)


# --- how a page is cited ------------------------------------------------------------------------


def bibtex(key, fields):
    return f"@{'incollection' if 'booktitle' in fields else 'misc'}{{{key},\n" + ",\n".join(
        f"  {name} = {{{value}}}" for name, value in fields.items() if value) + "\n}"


def cite(app, pagename, templatename, context, doctree):
    """BibTeX for this page in the footer, and the same for machines in the head."""
    if doctree is None:
        return
    config, home = app.config, pagename == app.config.root_doc
    title = re.sub(r"<[^>]*>", "", context["title"])
    doi, site = config.html_context.get("doi", ""), config.html_baseurl or ""
    url = urljoin(site, app.builder.get_target_uri(pagename)) if site else ""
    fields = {"title": f"{{{config.html_title if home else title}}}", "author": f"{{{config.author}}}", "year": config.copyright,
              "booktitle": "" if home else f"{{{config.html_title}: an executable companion}}", "doi": doi, "url": url,
              "note": f"Version {PROJECT['version']}"}
    fields = {name: value for name, value in fields.items() if value}
    text = bibtex(f"cosim{config.copyright}" + ("" if home else Path(pagename).name.replace("-", "")), fields)
    tags = {"citation_title": title, "citation_author": config.author, "citation_publication_date": config.copyright,
            "citation_inbook_title": "" if home else config.html_title, "citation_doi": doi, "citation_public_url": url}
    plain = context["pathto"](f"{pagename}.md", 1)
    context["metatags"] = context.get("metatags", "") + "".join(
        f'\n<meta name="{name}" content="{escape(value)}" />' for name, value in tags.items() if value) + (
        f'\n<link rel="alternate" type="text/markdown" href="{plain}" />')
    context["theme_extra_footer"] += (f'<details class="cite"><summary>Cite this page (BibTeX)</summary><pre>{escape(text)}</pre></details>'
                                      f'<a href="{plain}">This page as plain text</a>.')


def setup(app):
    app.config.version = PROJECT["version"]
    app.connect("html-page-context", cite, priority=950)  # after cosim_site made the footer
    app.connect("build-finished", finish, priority=800)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
