"""Every page of the built site on a desktop, by the checks of test_site.py: a file of its own, so that two processes share the work."""

import guards
import pytest
from test_site import DESKTOP, LEDGER, MAX_HEIGHT, OF_EVERY_PAGE, PAGES, browser, built, facts, page_problems  # noqa: F401


@pytest.mark.parametrize("check", OF_EVERY_PAGE, ids=lambda check: check.__name__)
@pytest.mark.parametrize("page", PAGES)
def test_page_on_a_desktop(facts, page, check):  # noqa: F811
    guards.assert_none(page_problems(check, page, facts(page, DESKTOP["width"])))


@pytest.mark.parametrize("page", ["book/claims.html", "book/equations.html", "book/terms.html", *LEDGER])
def test_pages_to_look_things_up_are_short(facts, page):  # noqa: F811
    assert facts(page, DESKTOP["width"])[0]["height"] <= MAX_HEIGHT
