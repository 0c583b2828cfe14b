"""The figure with sliders, in a browser: its numbers against cosim's, and that everyone can use it."""

import base64
import io
import re
import subprocess
import sys
from importlib import resources
from itertools import product
from types import SimpleNamespace

import guards
import numpy as np
import pytest
from PIL import Image
from test_site import PHONE, browser, look, loads_every_image, never_scrolls_sideways, runs_without_errors  # noqa: F401
from test_site import describes_every_image, loads_nothing_from_elsewhere

import cosim
from cosim.figures import SIMILARITY_SCALE

PAGE = """<!doctype html><html lang="en"{theme}><head><meta charset="utf-8"><title>Drag D</title>
<meta name="viewport" content="width=device-width, initial-scale=1"></head><body style="margin: 16px"{lab}>
<main><h1>Drag D</h1>{body}</main></body></html>"""
LIGHT, DARK, LAB = {}, {"theme": ' data-theme="dark"'}, {"lab": ' data-jp-theme-light="false"'}
AXE = resources.files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]

# Moves sliders and menus as a reader would, and returns what the page has computed.
SET = """([name, values]) => {
  for (const [id, value] of Object.entries(values)) {
    const control = document.getElementById(`${name}-${id}`);
    control.value = value;
    control.dispatchEvent(new Event("input", {bubbles: true}));
  }
  return document.getElementById(`cosim-${name}`).cosim;
}"""
STATE = "name => document.getElementById(`cosim-${name}`).cosim"


def model(p, k, n_clusters, lam, pair=(0, 1)):
    sizes = n_clusters * [p // n_clusters]
    X, cluster, _ = cosim.simulate_clicks(600, p, n_clusters, rng=np.random.default_rng(2), cluster_sizes=sizes,
                                          max_items=p // 2)
    return SimpleNamespace(spec=cosim.spectrum(X, k), users=X[:3], cluster=cluster, lam=lam, pair=pair)


HAND = np.array([[1, 1], [1, 0], [0, 1]])
MODELS = {"simulated": model(40, 8, 5, 500, (0, 3)), "full": model(16, 16, 2, 50, (9, 1)),
          "hand": SimpleNamespace(spec=cosim.spectrum(HAND), users=HAND, cluster=[0, 0], lam=1, pair=(0, 1))}


def html(m, name="drag", **changes):
    arguments = vars(m) | changes
    return cosim.explore(arguments.pop("spec"), arguments.pop("users"), arguments.pop("cluster"), name=name, **arguments).data


@pytest.fixture
def page(browser, tmp_path):  # noqa: F811
    """Opens a page that holds these explorers; at the end nothing may have gone wrong in it."""
    contexts, problems = [], []

    def open_page(*bodies, theme=LIGHT, **options):
        path = tmp_path / "page.html"
        path.write_text(PAGE.format(**{"theme": "", "lab": ""} | theme, body="\n".join(bodies)), encoding="utf-8")
        contexts.append(browser.new_context(offline=True, **options))
        page = contexts[-1].new_page()
        page.on("console", lambda message: problems.append(message.text))
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.goto(path.as_uri())
        return page

    yield open_page
    for context in contexts:
        context.close()
    guards.assert_none(problems)


def expected(m, setting):
    """The same model by cosim's own functions, from data that were not rounded."""
    sigma, V = m.spec
    i, j = m.pair
    delta = sigma ** setting["p"] * 10.0 ** np.where(V[i] * V[j] > 0, setting["kappa"], 0)
    delta[:len(setting["single"])] *= 10.0 ** np.array(setting["single"])
    gain = 1 / (1 + m.lam / sigma**2)
    A, B = cosim.rescale(cosim.solve_product(m.spec, m.lam, sigma.size), np.sqrt(gain) / delta)
    return cosim.cosine_similarity(B), m.users @ A @ B.T


# --- its numbers ------------------------------------------------------------------------------

GRID = [dict(p=p, kappa=kappa, d1=d, d2=-0.4 * d) for p, kappa, d in
        product([-2, -1, -0.35, 0, 1, 2], [-1, 0, 0.4], [-1, 0, 0.5])]


@pytest.mark.parametrize("name", MODELS)
def test_agrees_with_cosim_on_a_grid(page, name):
    m, page = MODELS[name], page(html(MODELS[name]))
    assert len(GRID) >= 50
    for values in GRID:
        seen = page.evaluate(SET, ["drag", values])
        assert {key: seen["setting"][key] for key in ("p", "kappa")} == {key: values[key] for key in ("p", "kappa")}
        assert seen["setting"]["single"][:2] == [values["d1"], values["d2"]]
        cosines, scores = expected(m, seen["setting"])
        np.testing.assert_allclose(seen["cosines"], cosines, atol=1e-6, err_msg=f"{values}")
        np.testing.assert_allclose(seen["scores"], scores, atol=1e-6, err_msg=f"{values}")
        for i, order in enumerate(seen["neighbours"]):
            assert sorted(order) == [item for item in range(len(cosines)) if item != i]
            assert np.all(np.diff(cosines[i, order]) <= 3e-6), f"{values}: neighbours of {i}"
    assert 0 < seen["change"] < 1e-13


def test_change_is_measured_and_not_claimed(page):
    page = page(html(MODELS["simulated"]).replace("times(P, B)", "times(P, V)"))  # an arithmetic that leaves out D
    assert page.evaluate(SET, ["drag", {"p": 1}])["change"] > 0.01
    assert float(page.inner_text("#drag-change")) > 0.01


def test_shows_what_it_computes(page):
    m, page = MODELS["simulated"], page(html(MODELS["simulated"]))
    seen = page.evaluate(SET, ["drag", {"p": -1.5, "user": 2}])
    cosines, scores = expected(m, seen["setting"])
    labels = [f"{letter}{rank}" for letter in "ABCDE" for rank in range(1, 9)]
    i, j = m.pair
    assert page.inner_text("#drag-cosine") == f"{cosines[i, j]:.2f}".replace("-", "−")
    assert page.inner_text("#drag-pair-name") == "A1 and A4" and page.inner_text("#drag-p-value") == "p = −1.50"
    degrees = np.degrees(np.arccos(cosines[i, j]))
    assert page.get_attribute("#drag-angle", "aria-label").endswith(f"at an angle of {degrees:.0f} degrees")
    tip = [float(page.locator("#drag-angle circle").last.get_attribute(axis)) for axis in ("cx", "cy")]
    assert np.degrees(np.arctan2(128 - tip[1], tip[0] - 120)) == pytest.approx(degrees, abs=0.05)

    nearest = [item for item in np.argsort(-cosines[i]) if item != i][:5]
    rows = [f"{'●' if item < 8 else '○'} {labels[item]} {cosines[i, item]:.2f}".replace("-", "−") for item in nearest]
    assert [re.sub(r"\s+", " ", row).removesuffix(" new").strip() for row in page.locator("#drag-neighbours li").all_inner_texts()] == rows
    rows = [f"{labels[item]} {scores[2, item]:.6f}" for item in np.argsort(-scores[2])[:5]]
    assert [row.replace("\n", " ") for row in page.locator("#drag-predictions li").all_inner_texts()] == rows


def test_neighbours_change_and_predictions_stay(page):
    page = page(html(MODELS["simulated"]))
    lists = [(page.evaluate(SET, ["drag", {"p": p}]), page.inner_text("#drag-neighbours"), page.inner_text("#drag-predictions"))
             for p in (-2, 0, 2)]
    assert len({neighbours for _, neighbours, _ in lists}) == 3 and len({predictions for *_, predictions in lists}) == 1
    low, _, high = (seen["cosines"][0][3] for seen, *_ in lists)
    assert low < 0 and high > 0.9


def test_equal_cosines_are_not_ranked(page):
    page = page(html(MODELS["full"]))  # at full rank and p = 0 all cosines are 0
    assert page.inner_text("#drag-neighbours") == "nothing: all cosines are equal"
    assert html(MODELS["full"]).count("nothing, all are equal") == 1


@pytest.mark.parametrize("p", [-2, 0, 2])
def test_heatmap_has_the_colours_of_the_other_figures(page, p):
    seen = (page := page(html(MODELS["simulated"]))).evaluate(SET, ["drag", {"p": p, "i": 10, "j": 30}])
    found = page.evaluate("""() => {
        const canvas = document.getElementById("drag-heatmap"), cell = canvas.width / 40, context = canvas.getContext("2d");
        const pixels = context.getImageData(0, 0, canvas.width, canvas.width).data, items = [...Array(40).keys()];
        const middle = i => Math.floor(cell * (i + 0.5));
        return items.map(i => items.map(j => [0, 1, 2].map(k => pixels[4 * (middle(i) * canvas.width + middle(j)) + k])));
    }""")
    wanted = SIMILARITY_SCALE["cmap"]((np.array(seen["cosines"]) + 1) / 2, bytes=True)[..., :3]
    framed = np.zeros((40, 40), dtype=bool)
    for a, b in (10, 30), (30, 10):  # the frame of the pair lies on the cells around it
        framed[a - 1:a + 2, b - 1:b + 2] = True
        framed[a, b] = False
    np.testing.assert_array_equal(np.where(framed[..., None], 0, found), np.where(framed[..., None], 0, wanted))


# --- for everyone -----------------------------------------------------------------------------


def test_keyboard(page):
    page = page(html(MODELS["simulated"]))
    reached = []
    for _ in range(20):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.id || document.activeElement.tagName"))
    wanted = ["drag-p", "drag-kappa", "drag-i", "drag-j", "drag-user", "SUMMARY", "SUMMARY", "drag-reset", "drag-copy"]
    assert [where for where in reached if where in wanted][:9] == wanted

    page.focus("#drag-p")
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.keyboard.press("ArrowLeft")
    assert page.evaluate(STATE, "drag")["setting"]["p"] == pytest.approx(-0.05)
    page.keyboard.press("Home")
    assert page.evaluate(STATE, "drag")["setting"]["p"] == -2
    assert page.get_attribute("#drag-p", "aria-valuetext") == "p = −2.00"
    page.focus("#drag-reset")
    page.keyboard.press("Enter")
    assert page.evaluate(STATE, "drag")["setting"]["p"] == 0
    page.click("summary")
    page.focus("#drag-d1")
    page.keyboard.press("End")
    assert page.evaluate(STATE, "drag")["setting"]["single"] == [1, 0, 0, 0, 0]


@pytest.mark.parametrize("width", [320, 390])
def test_touch_on_a_phone(page, width):
    page = page(html(MODELS["simulated"]), viewport={"width": width, "height": 844}, has_touch=True, is_mobile=True)
    box = page.locator("#drag-p").bounding_box()
    page.touchscreen.tap(box["x"] + 0.1 * box["width"], box["y"] + box["height"] / 2)
    assert -1.9 < page.evaluate(STATE, "drag")["setting"]["p"] < -1.3
    page.tap("summary")
    assert page.evaluate("document.documentElement.scrollWidth") == width
    assert page.evaluate("[...document.querySelectorAll('.view')].every(e => e.scrollWidth <= e.clientWidth)")
    sizes = page.evaluate("""() => [...document.querySelectorAll("input, select, button, summary")].map(
        e => e.getBoundingClientRect()).map(r => Math.min(r.width, r.height))""")
    assert len(sizes) == 15 and min(sizes) >= 24


def test_a_click_on_the_heatmap_chooses_a_pair(page):
    page = page(html(MODELS["simulated"]))
    box = page.locator("#drag-heatmap").bounding_box()
    page.click("#drag-heatmap", position={"x": box["width"] * 30.5 / 40, "y": box["height"] * 2.5 / 40})
    assert page.evaluate(STATE, "drag")["setting"] | {"p": 0} == dict(p=0, kappa=0, single=5 * [0], i=2, j=30)


def test_address_keeps_the_state(page):
    """A link copied from one reader's page shows another what the first one saw; values that can't be are left out."""
    page_1 = page(html(MODELS["simulated"]), html(MODELS["hand"], "two-items"))
    seen = page_1.evaluate(SET, ["drag", {"p": -1.5, "kappa": 0.4, "d2": 0.5, "j": 7, "user": 2}])
    page_1.evaluate(SET, ["two-items", {"p": 1}])
    page_1.wait_for_function("location.search.includes('two-items.p=1')")
    link = page_1.url
    assert all(part in link for part in ("drag.p=-1.5", "drag.kappa=0.4", "drag.d2=0.5", "drag.j=7", "drag.user=2"))
    assert "drag.i" not in link and "drag.d1" not in link
    page_1.goto(link)
    assert page_1.evaluate(STATE, "drag")["setting"] == seen["setting"]
    assert page_1.evaluate(STATE, "two-items")["setting"]["p"] == 1
    page_1.locator("#drag-reset").click()
    assert "drag." not in page_1.url and "two-items.p=1" in page_1.url
    page_1.goto(link.split("?")[0] + "?drag.p=x&drag.i=99&drag.__proto__=1&drag.table=%3Cimg%20src%3D.%3E%201%202%0A3%204&drag.kappa=1")
    assert page_1.evaluate(STATE, "drag")["setting"] == dict(p=0, kappa=1, single=5 * [0], i=0, j=3)
    assert page_1.inner_text("#drag-wrong").startswith("the name in line 1 must be without <")


def test_copies_a_link(page):
    page = page(html(MODELS["simulated"]), permissions=["clipboard-read", "clipboard-write"])
    page.evaluate(SET, ["drag", {"p": 2}])
    page.locator("#drag-copy").click()
    page.wait_for_function("document.getElementById('drag-copy').textContent === 'Copied'")
    assert page.evaluate("navigator.clipboard.readText()").endswith("?drag.p=2")


def test_no_link_where_a_notebook_is_edited(page):
    page = page(f'<div class="jp-OutputArea">{html(MODELS["simulated"])}</div>')
    assert not page.locator("#drag-copy").is_visible()
    page.evaluate(SET, ["drag", {"p": 2}])
    page.wait_for_function("document.getElementById('drag-status').textContent")
    assert "?" not in page.url


OWN = np.array([[0.9, 0.1, -3], [0.7, -0.2, 4], [1, 1, 1], [0, 0.5, -2]])
TABLE = "\n".join(f"item {chr(97 + at)}, " + "\t".join(map(str, row)) for at, row in enumerate(OWN))


@pytest.mark.parametrize("p", [-2, 0, 1])
def test_vectors_of_ones_own(page, p):
    page = page(html(MODELS["simulated"]))
    page.locator("#drag-table").evaluate("e => { e.closest('details').open = true; }")
    page.fill("#drag-table", TABLE)
    page.click("#drag-own")
    page.evaluate(SET, ["drag", {"p": p}])
    seen = page.evaluate(STATE, "drag")
    sizes = np.sqrt((OWN**2).mean(axis=0))
    np.testing.assert_allclose(seen["cosines"], cosim.cosine_similarity(OWN * sizes**p), atol=1e-12)
    np.testing.assert_allclose(seen["scores"], (OWN @ OWN.T)[:3], atol=1e-12)
    assert page.locator("#drag-i option").all_inner_texts() == ["item a", "item b", "item c", "item d"]
    page.wait_for_function("location.search.includes('drag.table=')")
    page.goto(page.url)
    np.testing.assert_allclose(page.evaluate(STATE, "drag")["cosines"], seen["cosines"])
    page.click("#drag-reset")
    assert len(page.evaluate(STATE, "drag")["cosines"]) == 40


@pytest.mark.parametrize("table, message", [
    ("", "the table must be 2 to 100 lines; got 0"), ("a 1 2", "the table must be 2 to 100 lines; got 1"),
    ("1 2\n" * 101, "the table must be 2 to 100 lines; got 101"), ("a 1\nb 2", "line 1 must be 2 to 100 numbers, after a name or none; got 1 numbers"),
    ("a 1 2\nb 3", "line 2 must be 2 numbers, like line 1; got 1"), ("1 2\n3 x", "line 2 must be of numbers below 1e9; got x"),
    ("1 2\n3 1e999", "line 2 must be of numbers below 1e9; got 1e999"), ("1 2\n0 0", "line 2 must be a vector with a direction; got only zeros"),
    ("1 0\n3 0", "column 2 must be different from 0 somewhere; got only zeros"),
    ("<b> 1 2\n3 4", 'the name in line 1 must be without <, >, & and "; got one of them')])
def test_wrong_vectors_change_nothing(page, table, message):
    page = page(html(MODELS["simulated"]))
    before = page.evaluate(STATE, "drag")
    page.locator("#drag-table").evaluate("e => { e.closest('details').open = true; }")
    page.fill("#drag-table", table)
    page.click("#drag-own")
    assert page.inner_text("#drag-wrong") == message
    assert page.evaluate(STATE, "drag") == before


def test_a_screen_reader_hears_where_a_drag_ends(page):
    page = page(html(MODELS["simulated"]))
    status = page.locator("[role=status][aria-live=polite]")
    silent = page.evaluate("""() => [-0.5, -1, -1.5].map(p => {
        const slider = document.getElementById("drag-p");
        slider.value = p;
        slider.dispatchEvent(new Event("input", {bubbles: true}));
        return document.getElementById("drag-status").textContent;
    })""")
    assert silent == ["", "", ""]
    page.wait_for_function("document.getElementById('drag-status').textContent")
    assert status.inner_text().startswith("p −1.50, kappa 1.0: the cosine of A1 and A4 is −0.")
    assert "mean" in page.get_attribute("#drag-heatmap", "aria-label")


@pytest.mark.parametrize("theme", [LIGHT, DARK, LAB], ids=["light", "dark", "dark-jupyterlab"])
@pytest.mark.parametrize("width", [320, 1280])
def test_axe_finds_nothing(page, theme, width):
    page = page(html(MODELS["simulated"]), html(MODELS["hand"], "two-items"), theme=theme, viewport={"width": width, "height": 900})
    page.evaluate("document.querySelectorAll('details').forEach(e => e.open = true)")
    page.evaluate(SET, ["drag", {"p": -1}])
    page.evaluate(AXE)
    found = page.evaluate("tags => axe.run({runOnly: tags})", TAGS)
    assert len(found["passes"]) > 10
    guards.assert_none(f"{v['id']}: {node['html'][:100]}: {node['failureSummary']}" for v in found["violations"] for node in v["nodes"])


@pytest.mark.parametrize("theme", [DARK, LAB])
def test_dark_is_dark(page, theme):
    colours = [re.findall(r"\d+", page(html(MODELS["hand"]), theme=chosen).evaluate(
        "getComputedStyle(document.querySelector('.cosim-explorer')).backgroundColor")) for chosen in (LIGHT, theme)]
    assert colours[0] == ["255", "255", "255"] and max(map(int, colours[1])) < 60


def test_nothing_moves_by_itself():
    assert not re.search("transition|animation:|@keyframes|setInterval|requestAnimationFrame", html(MODELS["simulated"]))


# --- on a page --------------------------------------------------------------------------------


def test_page_is_self_contained_and_small(browser, tmp_path):  # noqa: F811
    body = html(MODELS["simulated"])
    assert len(body.encode()) < 150_000
    path = tmp_path / "page.html"
    path.write_text(PAGE.format(theme="", lab="", body=body), encoding="utf-8")
    facts = look(browser, path.as_uri(), PHONE, "light")
    assert len(facts["images"]) == 3 and not facts["raw_tex"]
    guards.assert_none(problem for check in (loads_nothing_from_elsewhere, runs_without_errors, describes_every_image,
                                             loads_every_image, never_scrolls_sideways) for problem in check(facts))


def test_two_on_one_page_do_not_interfere(page):
    page = page(html(MODELS["simulated"]), html(MODELS["hand"], "two-items"))
    ids = page.evaluate("[...document.querySelectorAll('[id]')].map(e => e.id)")
    assert len(ids) == len(set(ids))
    before = page.evaluate(STATE, "drag"), page.inner_text("#drag-neighbours")
    page.evaluate(SET, ["two-items", {"p": -2, "kappa": 1}])
    assert (page.evaluate(STATE, "drag"), page.inner_text("#drag-neighbours")) == before


def visible(page):
    return [page.locator(f".cosim-explorer .{part}").is_visible() for part in ("static", "live")]


def test_static_figure_without_scripts_and_in_print(page):
    for body in (html(MODELS["simulated"]), re.sub("<script.*?</script>", "", html(MODELS["simulated"]), flags=re.DOTALL)):
        assert visible(page(body, java_script_enabled=False)) == [True, False]
    page = page(html(MODELS["simulated"]), theme=DARK)
    assert visible(page) == [False, True]
    page.emulate_media(media="print")
    assert visible(page) == [True, False]
    assert page.evaluate("getComputedStyle(document.querySelector('.cosim-explorer')).backgroundColor") == "rgb(255, 255, 255)"


@pytest.mark.parametrize("name", MODELS)
def test_static_figure_shows_the_same_model(name):
    m, body = MODELS[name], html(MODELS[name])
    images = re.findall(r'<img [^>]*alt="[^"]{20,}" src="data:image/bmp;base64,([^"]+)">', body)
    assert len(images) == 3
    for p, image in zip((-2, 0, 2), images):
        S, _ = expected(m, dict(p=p, kappa=0, single=[]))
        found = np.asarray(Image.open(io.BytesIO(base64.b64decode(image))).convert("RGB"))
        S = S.round(9) + 0.0  # so that 0 is on one side of a boundary between colours
        np.testing.assert_array_equal(found, SIMILARITY_SCALE["cmap"]((S + 1) / 2, bytes=True)[..., :3])
        i, j = m.pair
        assert f"<b>{S[i, j]:z.2f}</b>" in body


def test_items_are_sorted_by_cluster(page):
    m = MODELS["full"]
    shuffled = np.random.default_rng(0).permutation(16)
    spec = cosim.Spectrum(m.spec.sigma, m.spec.V[shuffled])
    pair = [int(np.flatnonzero(shuffled == item)[0]) for item in m.pair]
    cluster = np.array(["a", "b"])[m.cluster][shuffled]
    seen = page(html(m, spec=spec, users=m.users[:, shuffled], cluster=cluster, pair=pair)).evaluate(SET, ["drag", {"p": 1}])
    order = np.argsort(cluster, kind="stable")
    S, scores = expected(m, dict(p=1, kappa=0, single=[]))
    np.testing.assert_allclose(seen["cosines"], S[np.ix_(shuffled[order], shuffled[order])], atol=1e-6)
    np.testing.assert_allclose(seen["scores"], scores[:, shuffled[order]], atol=1e-6)
    assert [order[seen["setting"]["i"]], order[seen["setting"]["j"]]] == pair


TITLES = [f"A title that is too long for its place, the {item:02d}th of forty (1994)" for item in range(40)]


@pytest.mark.parametrize("width", [320, 800])
def test_titles_stand_where_names_stood(page, width):
    m = MODELS["simulated"]
    mixed = np.random.default_rng(1).permutation(40)  # items that are not sorted by cluster come with their titles
    spec = cosim.Spectrum(m.spec.sigma, m.spec.V[mixed])
    page = page(html(m, spec=spec, users=m.users[:, mixed], cluster=m.cluster[mixed], titles=[TITLES[i] for i in mixed],
                     pair=[int(np.flatnonzero(mixed == item)[0]) for item in m.pair]),
                viewport={"width": width, "height": 900})
    seen = page.evaluate(SET, ["drag", {"p": 1}])
    S, _ = expected(m, dict(p=1, kappa=0, single=[]))
    in_order = np.argsort(m.cluster[mixed], kind="stable")
    item = mixed[in_order[seen["setting"]["i"]]]
    assert item == m.pair[0] and page.locator("#drag-item").inner_text() == TITLES[item]
    nearest = max((other for other in range(40) if other != item), key=S[item].__getitem__)
    assert page.locator("#drag-neighbours b").first.inner_text() == TITLES[nearest]
    assert "same group" in page.locator(".live").inner_text()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert TITLES[m.pair[0]] in html(m, titles=TITLES).split('<script>')[0]  # the static figure, too


def test_last_bits_leave_no_trace():
    """Machines differ in the last bits of an eigenvector, and saved outputs are compared byte by byte."""
    m = MODELS["simulated"]
    noise = np.random.default_rng(0).uniform(-1e-14, 1e-14, m.spec.V.shape)
    assert html(m) == html(m, spec=cosim.Spectrum(m.spec.sigma * (1 + 1e-15), m.spec.V + noise))


@pytest.mark.parametrize("changes, message", [
    (dict(lam=0), "lam must be"), (dict(name="Drag D"), "name must be"), (dict(name=3), "name must be"),
    (dict(pair=(0, 40)), "pair must be"), (dict(pair=0), "pair must be two"), (dict(users=np.ones((2, 3))), "users must be"),
    (dict(cluster=range(40)), "number of clusters must be"), (dict(cluster=[0]), "cluster must be"),
    (dict(spec=(np.ones(1), np.full((101, 1), 101**-0.5)), cluster=np.zeros(101)), "number of items must be"), (dict(spec=3), "spec must be"),
    (dict(spec=(np.ones(1), np.eye(40)[:, :1])), "zero rows"),
    (dict(titles=["Alien"] * 40), "40 different strings; got 40, of which 1"), (dict(titles=["Alien"]), "40 different strings"),
    (dict(titles=[*map(str, range(39)), "</script>"]), "titles must be strings without"),
    (dict(titles=range(40)), "titles must be strings without")])
def test_bad_arguments(changes, message):
    with pytest.raises(ValueError, match=message):
        html(MODELS["simulated"], **{"name": "drag"} | changes)


def test_cosim_imports_without_ipython():
    subprocess.run([sys.executable, "-c", "import sys; sys.modules['IPython'] = None; import cosim"], check=True)
