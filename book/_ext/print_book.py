"""Print the built site into one PDF: python book/_ext/print_book.py SITE BOOK.pdf [PAGE ...]

The pages follow each other in the order of the table of contents, or those named do; the claims' own pages are left out.
A browser does it, so that formulas, figures and code are those of the site. Every solution is open.
"""

import re
import shutil
import sys
import tempfile
import tomllib
from html import escape
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import yaml
from bs4 import BeautifulSoup
from playwright.sync_api import sync_playwright

ROOT = Path(__file__).parents[2]
SECONDS = 600
NOT_FOR_PAPER = "script, noscript, style, button, input, .headerlink, .cosim-explorer .live, #ledger-filter"
NAMES_AN_ID = ("for", "aria-labelledby", "aria-describedby")
FOOTER = '<div style="width: 100%; font-size: 8px; text-align: center"><span class="pageNumber"></span></div>'
STYLE = """
article { break-before: page; }
article.title { break-before: auto; text-align: center; padding-top: 30%; }
nav.contents { break-before: page; }
nav.contents ul { list-style: none; }
details > summary { list-style: none; }
.bd-article a.term { text-decoration: none; }
"""


def parts():
    """(caption, names of its pages), in the order of the table of contents."""
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    return [("", [toc["root"]])] + [(part["caption"], [page["file"] for page in part["chapters"]]) for part in toc["parts"]]


def target(address, names, anchors):
    """Where a link of the site leads to on paper: into the book, to the web, or nowhere (None)."""
    split = urlsplit(address)
    if split.scheme in ("http", "https", "mailto"):
        return address
    name, fragment = split.path.removesuffix(".html"), split.fragment
    if fragment.startswith("claim-"):  # in the ledger, which is left out: to where the claim is checked
        fragment = fragment.replace("claim-", "check-", 1)
        name = next((name for name in names if f"{name}:{fragment}" in anchors), None)
    if name not in names:
        return None
    return f"#{name}:{fragment}" if f"{name}:{fragment}" in anchors else f"#{name}"


def adapt(article, name, site, names, anchors):
    """A page's text as a part of one long page: its ids carry its name, and its links and pictures know where things are."""
    for link in article.select("a[href]"):
        address = target(urljoin(f"{name}.html", link["href"]), names, anchors)
        if address is None:
            link.name, link.attrs = "span", {}
        else:
            link["href"] = address
    for image in article.select("img[src]"):
        image["src"] = urljoin((site / f"{name}.html").as_uri(), image["src"])
        image["loading"] = "eager"
    for tag in article.select("[id]"):
        tag["id"] = f"{name}:{tag['id']}"
    for attribute in NAMES_AN_ID:
        for tag in article.select(f"[{attribute}]"):
            tag[attribute] = " ".join(f"{name}:{one}" for one in tag[attribute].split())
    for box in article.select("details"):
        box["open"] = ""
    article["id"] = name


def front(title, author, titles, names):
    """Title and table of contents."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    text = ""
    for caption, pages in parts():
        items = "".join(f'<li><a href="#{name}">{titles[name]}</a></li>' for name in pages if name in names)
        text += (f"<p><strong>{caption}</strong></p>" if caption else "") + f"<ul>{items}</ul>" if items else ""
    return (f'<article class="bd-article title"><h1>{escape(title)}</h1><p>An executable companion, version {version}</p>'
            f'<p>{escape(author)}</p></article><nav class="contents bd-article"><h2>Contents</h2>{text}</nav>')


def one_page(site, names):
    """All pages as one, with their styles."""
    config = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
    soups = {name: BeautifulSoup((site / f"{name}.html").read_text(encoding="utf-8"), "html.parser") for name in names}
    articles = {name: soup.select_one("article.bd-article") for name, soup in soups.items()}
    for article in articles.values():
        for part in article.select(NOT_FOR_PAPER):
            part.decompose()
    anchors = {f"{name}:{tag['id']}" for name, article in articles.items() for tag in article.select("[id]")}
    titles = {name: article.h1.decode_contents() for name, article in articles.items()}
    for name, article in articles.items():
        adapt(article, name, site, names, anchors)
    styles = "".join(f'<link rel="stylesheet" href="{urljoin((site / "book/index.html").as_uri(), link["href"])}">'
                     for link in soups[names[0]].select("head link[rel=stylesheet]"))
    formulas = "".join(tag.text.replace('url("', f'url("{(site / name).parent.as_uri()}/')
                       for name, soup in soups.items() for tag in soup.select("head > style"))
    return (f'<!DOCTYPE html><html lang="en" data-theme="light"><head><meta charset="utf-8"><title>{escape(config["title"])}</title>{styles}'
            f'<style>{STYLE}{formulas}</style></head><body>'
            f'{front(config["title"], config["author"], titles, names)}{"".join(map(str, articles.values()))}</body></html>')


def launch(playwright, *flags):
    """Chromium without windows, which takes a quarter less of a processor, or with; if neither is installed, the one that Playwright installs."""
    path = shutil.which("chromium-headless-shell") or shutil.which("chromium")
    return playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu", *flags])


def print_book(site, target, *names):
    site = Path(site).resolve()
    names = names or [name for _, pages in parts() for name in pages]
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        source = Path(folder, "book.html")
        source.write_text(one_page(site, names), encoding="utf-8")
        browser = launch(playwright)
        page = browser.new_page(color_scheme="light")
        page.set_default_timeout(1000 * SECONDS)
        page.goto(source.as_uri())
        margin = {side: "18mm" for side in ("top", "right", "bottom", "left")}
        page.pdf(path=target, format="A4", scale=0.8, outline=True, tagged=True, print_background=True, margin=margin,
                 display_header_footer=True, header_template="<span></span>", footer_template=FOOTER)
        browser.close()


if __name__ == "__main__":
    print_book(*sys.argv[1:])
