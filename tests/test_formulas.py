"""Formulas and styles as the site is built: what a page needs is in it, and it needs no script."""

import re
import sys
from pathlib import Path

import guards
import pytest
import tinycss2
from bs4 import BeautifulSoup
from fontTools.ttLib import TTFont
from guards import ROOT
from sphinx.errors import ExtensionError
from test_site import CHAPTERS, LEDGER, built  # noqa: F401

sys.path.insert(0, str(ROOT / "book/_ext"))
import formulas  # noqa: E402
import lean_styles  # noqa: E402

PAGE = r"""<html><head></head><body><p>The <span class="math notranslate">\(a &lt; b\)</span> and <code>\(c\)</code>.</p>
<div class="math notranslate nohighlight" id="eq-5">
\[x = y \tag{5}\]</div><div class="amsmath math">\begin{align*} x &amp;= 1 \\ &amp;= \boldsymbol{y} \end{align*}</div></body></html>"""


def test_page_is_typeset_once():
    made = formulas.typeset_page(PAGE, "../fonts")
    soup = BeautifulSoup(made, "html.parser")
    assert len(soup.select(".math > mjx-container > mjx-assistive-mml > math")) == 3 and soup.code.text == r"\(c\)"
    assert len(soup.select("div.math > mjx-container[display=true]")) == 2 and soup.find(id="eq-5").find("mjx-labels")
    assert soup.math.get_text() == "a<b" and not formulas.MATH.search(made)
    assert '("../fonts/MathJax_Main-Regular.woff")' in soup.head.style.text and "mjx-c.mjx-c1D44E.TEX-I::before" in soup.head.style.text
    assert formulas.typeset_page(made, "../fonts") == made, "a page that was not written anew stays"


def test_pages_do_not_know_of_each_other():
    """Neither the glyphs of one page nor the numbers of its equations are in the next."""
    alone = formulas.typeset_page(PAGE, "")
    formulas.typeset_page(PAGE.replace("a &lt; b", r"\hat{W} \tag{6}"), "")
    assert formulas.typeset_page(PAGE, "") == alone


@pytest.mark.parametrize("tex", [r"\nosuchmacro", r"\frac{1}", r"\sqrt{1", r"a_1_2", r"\begin{nosuch} x \end{nosuch}"])
def test_formula_that_is_wrong_stops_the_build(tex):
    with pytest.raises(ExtensionError, match="MathJax does not understand"):
        formulas.typeset_page(PAGE.replace("a &lt; b", tex), "")


def test_no_page_loads_mathjax_or_waits_for_a_script(built):  # noqa: F811
    for page in [*CHAPTERS, *LEDGER]:
        head = BeautifulSoup((built / page).read_text(encoding="utf-8").partition("<body")[0], "html.parser").head
        scripts = head.select("script[src]")
        assert scripts and all(script.has_attr("defer") for script in scripts) and "mathjax" not in str(scripts), page
        assert len(head.select("link[rel=stylesheet]")) == 1, page


# --- styles -------------------------------------------------------------------------------------


@pytest.mark.parametrize("rule, made", [
    (".a{x:y}", ".a{x:y}"), (".b{x:y}", ""), (".a .b{x:y}", ""), (".a,.b{x:y}", ".a{x:y}"), ("p.a:not(.b){x:y}", "p.a:not(.b){x:y}"),
    ('[class~=".b"]{x:y}', '[class~=".b"]{x:y}'), ("#b{x:y}", "#b{x:y}"), ("@media print{.b{x:y}.a{x:y}}", "@media print{.a{x:y}}"),
    ("@media print{.b{x:y}}", ""), ("@font-face{font-family:F}", "@font-face{font-family:F}"), (":is(.b,.a) p{x:y}", ":is(.b,.a) p{x:y}"),
    (r".c\:d{x:y}", r".c\:d{x:y}"), ("p{margin:.5rem}", "p{margin:.5rem}")])
def test_rules_that_some_page_can_need_stay(rule, made):
    assert lean_styles.lean(tinycss2.parse_stylesheet(rule, True, True), {"a", "c:d"}) == made


def test_words_of_pages_and_scripts_are_known(tmp_path):
    (tmp_path / "_static/scripts").mkdir(parents=True)
    (tmp_path / "a.html").write_text('<p class="one two-2">three</p><script>e.className = "four"</script>', encoding="utf-8")
    (tmp_path / "_static/scripts/b.js").write_text('x.classList.add("five")', encoding="utf-8")
    known = lean_styles.words(tmp_path)
    assert {"one", "two-2", "four", "five"} <= known and "three" not in known


def test_every_icon_is_in_the_font(built):  # noqa: F811
    styles = (built / lean_styles.BUNDLE).read_text(encoding="utf-8")
    font = TTFont(next((built / "_static/vendor").rglob("*.woff")))
    shown = re.findall(r'<i class="([^"]*)"', "".join((built / page).read_text(encoding="utf-8") for page in CHAPTERS))
    icons = {name for names in shown for name in names.split() if re.match(r"fa-(?!solid|lg|fw)", name)}
    assert len(icons) > 5
    for name in icons:
        sign = re.search(rf'\.{name}:before[^{{]*{{content:"(.)"', styles)
        assert sign and ord(sign[1]) in font.getBestCmap(), name


def test_addresses_in_the_styles_lead_to_files(built):  # noqa: F811
    styles = (built / lean_styles.BUNDLE).read_text(encoding="utf-8")
    found = re.findall(r'url\("(?!data:)([^"]+)"\)', styles)
    assert found
    guards.assert_none(address for address in found if not Path(built / lean_styles.BUNDLE).parent.joinpath(address).is_file())
