"""Slides of a chapter, shown without a network."""

import subprocess
import sys
from urllib.parse import urlsplit

import guards
import pytest
from guards import ROOT
from test_site import browser, link_problems  # noqa: F401

SLIDES = ["-m", "grading.slides"]
CHAPTERS = ["the-question", "experiment"]
# Every slide in turn: is it shown, does it hold something, is each formula typeset and each picture loaded?
LOOK = """async () => {
    await MathJax.startup.promise;
    const seen = [];
    for (let i = 0; i < Reveal.getTotalSlides(); i++) {
        const slide = Reveal.getCurrentSlide();
        seen.push({text: slide.innerText.trim(), height: slide.clientHeight,
                   tex: (slide.cloneNode(true).innerHTML.replace(/<(pre|mjx-container|script|style)[^]*?<\\/\\1>/g, "").match(/[$][^$<]+[$]/g) || []),
                   wrong: slide.querySelectorAll("mjx-merror").length
                          + [...slide.querySelectorAll("img")].filter(image => !image.naturalWidth).length});
        Reveal.next();
    }
    return {seen, formulas: document.querySelectorAll("mjx-container").length};
}"""


@pytest.fixture(scope="module")
def decks(tmp_path_factory):
    out = tmp_path_factory.mktemp("slides")
    subprocess.run([sys.executable, *SLIDES, out, *CHAPTERS], check=True, capture_output=True, cwd=ROOT)
    return out


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_slides_need_no_network(browser, decks, chapter):  # noqa: F811
    context = browser.new_context(viewport={"width": 1280, "height": 800}, offline=True)
    page = context.new_page()
    external, errors = [], []
    page.on("request", lambda request: urlsplit(request.url).scheme in ("file", "data", "blob") or external.append(request.url))
    page.on("requestfailed", lambda request: errors.append(f"{request.failure}: {request.url}"))
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda message: message.type == "error" and errors.append(message.text))
    page.goto((decks / f"{chapter}.slides.html").as_uri())
    facts = page.evaluate(LOOK)
    context.close()
    guards.assert_none(external + errors)
    assert len(facts["seen"]) > 10 and facts["formulas"] > 3
    guards.assert_none(f"slide {i}: {slide}" for i, slide in enumerate(facts["seen"])
                       if not slide["height"] or not slide["text"] or slide["tex"] or slide["wrong"])


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_exercises_solutions_and_boxes_stay_in_the_book(decks, chapter):
    text = (decks / f"{chapter}.slides.html").read_text(encoding="utf-8")
    source = (ROOT / "book" / f"{chapter}.ipynb").read_text(encoding="utf-8")
    for words in ("Exercise 1", "Solution 1", "Open the solution", "About this chapter"):
        assert words in source and words not in text


def test_links_of_slides_lead_somewhere(decks):
    guards.assert_none(link_problems(decks))


def test_unknown_chapter_is_named(tmp_path):
    done = subprocess.run([sys.executable, *SLIDES, tmp_path / "out", "no-such-chapter"], capture_output=True, encoding="utf-8", cwd=ROOT)
    assert done.returncode == 2 and "no chapter no-such-chapter; there are" in done.stderr
    assert not (tmp_path / "out").exists()
