"""Print the book, built as one page, into a PDF: python book/_ext/print_book.py PAGE.html BOOK.pdf

A browser does it, so that formulas, figures and links are those of the site. Every solution is open.
"""

import shutil
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

SECONDS = 600


def print_book(source, target):
    with sync_playwright() as playwright:
        path = shutil.which("chromium") or playwright.chromium.executable_path
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(color_scheme="light")
        page.set_default_timeout(1000 * SECONDS)
        page.goto(Path(source).resolve().as_uri())
        page.evaluate("() => window.MathJax.startup.promise.then(() => 0)")
        page.evaluate("() => document.querySelectorAll('details').forEach(box => { box.open = true; })")
        page.evaluate("() => document.querySelectorAll('img').forEach(image => { image.loading = 'eager'; })")
        margin = {side: "18mm" for side in ("top", "right", "bottom", "left")}
        page.pdf(path=target, format="A4", outline=True, tagged=True, print_background=True, margin=margin)
        browser.close()


if __name__ == "__main__":
    print_book(*sys.argv[1:])
