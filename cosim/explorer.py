"""Drag D: a figure with sliders, as one HTML output that needs no kernel, network or library."""

import base64
import json
import re
import struct
from importlib import resources
from string import ascii_uppercase

import numpy as np
from scipy import sparse

from ._checks import check_int, check_labels, check_lam, check_matrix, check_spectrum, require
from .figures import SIMILARITY_SCALE
from .similarity import cosine_similarity

# Enough for cosines to agree with `cosine_similarity` to 1e-6, too few to show the last bits of an
# eigenvector: those differ between machines, and saved outputs are compared byte by byte.
DECIMALS = 9

# The exponents of the static figure, and the largest p that a page and a screen can hold.
EXPONENTS, LARGEST = (-2, 0, 2), 100

# What titles need and A1, A2, ... don't: room, and an end where there is none.
LONG_NAMES = """.cosim-explorer select { max-width: 100%; }
.cosim-explorer .rows b { overflow: hidden; text-overflow: ellipsis; font-weight: 600; }
.cosim-explorer .view, .cosim-explorer .live { min-width: 0; }
@container (max-width: 34rem) { .cosim-explorer .views { grid-template-columns: minmax(0, 1fr); } }
"""


def explore(spec, users, cluster, *, lam: float, name: str, pair=(0, 1), titles=None):
    r"""Sliders move D; cosines change at once, predictions don't.

    .. math:: B = V \Delta, \qquad A = V \,\mathrm{dMat}(w_i)\, \Delta^{-1}, \qquad
              \Delta_l = \sigma_l^p\, s_l\, \kappa^{[v_{il} v_{jl} > 0]}

    All of them are solutions of objective 1. The sliders are the exponent p, one s_l for each of
    the first five dimensions, and kappa for a pair i, j: it stretches the dimensions in which the
    two have the same sign (together) or opposite signs (apart). The page computes A, B, cosines and
    scores anew at every step. On a page the address keeps where the sliders stand, and a table of
    vectors of one's own can be put in. In print, or without scripts, a static figure shows three p.

    Source: Eq. 3, 4 and 5.

    Parameters
    ----------
    spec : Spectrum
        sigma (k,) and V (p, k) of the data, p in 2..100.
    users : array or sparse array, shape (m, p)
        Rows of X, the users whose scores are shown.
    cluster : array, shape (p,)
        Cluster of every item. Items are sorted by it and called A1, A2, ..., B1, ...
    lam : float
        Penalty weight of objective 1, > 0, in units of sigma squared.
    name : str
        Lower-case letters, digits and hyphens, different for every explorer on a page.
    pair : (int, int)
        The two items that are chosen at first.
    titles : sequence of p strings, optional
        What the items are called instead of A1, A2, ...; all different,
        without <, >, & and quotation marks.

    Returns
    -------
    IPython.display.HTML
        The same text for the same data: V and sigma are rounded to nine decimals.

    Raises
    ------
    ValueError
        If an argument is out of range or the shapes do not fit, or a row of V is zero.

    Examples
    --------
    >>> spec = [2.0, 1.0], [[0.6, 0.8], [0.8, -0.6]]
    >>> explore(spec, [[1, 0]], [0, 0], lam=1, name="two-items")
    <IPython.core.display.HTML object>
    """
    from IPython.display import HTML  # at hand wherever there is a notebook; cosim does not need it

    sigma, V = check_spectrum(spec)
    users, cluster = check_matrix(users, "users"), check_labels(cluster, len(V))
    check_lam(lam)
    check_int(len(V), 2, LARGEST, "the number of items")
    require(users.shape[1] == len(V), "users", f"rows of {len(V)} items", f"shape {users.shape}")
    require(isinstance(name, str) and re.fullmatch("[a-z][a-z0-9-]*", name), "name",
            "made of lower-case letters, digits and hyphens, a letter first", repr(name))
    require(np.shape(pair) == (2,), "pair", "two items", pair)
    for item in pair:
        check_int(item, 0, len(V) - 1, "pair")

    order = np.argsort(cluster, kind="stable")
    V = V[order].round(DECIMALS) + 0.0  # + 0.0: no -0
    users = (users.toarray() if sparse.issparse(users) else users)[:, order]
    sizes = np.unique(cluster, return_counts=True)[1]
    check_int(len(sizes), 1, 26, "the number of clusters")
    letters = [letter for letter, size in zip(ascii_uppercase, sizes) for _ in range(size)]
    labels = [f"{letter}{rank + 1}" for letter, size in zip(ascii_uppercase, sizes) for rank in range(size)]
    if titles is not None:
        labels = _titles(titles, order)
    pair = [int(np.flatnonzero(order == item)[0]) for item in pair]
    shades = SIMILARITY_SCALE["cmap"](np.arange(256), bytes=True)[:, :3]

    data = dict(V=V.tolist(), sigma=sigma.round(DECIMALS).tolist(), lam=float(lam), users=users.tolist(),
                cluster=letters, labels=labels, pair=pair, shades=shades.tobytes().hex())
    panels = [_panel(cosine_similarity(V * (sigma / sigma[0])**p), p, labels, pair, shades) for p in EXPONENTS]
    best = _names(users[0] @ (V / (1 + lam / sigma**2)) @ V.T, labels)
    panels.append(f"<p>One model, three times: its scores are the same in all. Best for user 1: {best}.</p>")
    parts = {"name": name, "static": "\n".join(panels), "data": json.dumps(data, separators=(",", ":")),
             "long": "" if titles is None else LONG_NAMES, "largest": str(LARGEST),
             "alike": "true cluster" if titles is None else "group"}
    page = resources.files(__package__).joinpath("explorer.html").read_text(encoding="utf-8")
    return HTML(re.sub(r"@(name|static|data|long|alike|largest)@", lambda match: parts[match[1]], page))


def _titles(titles, order):
    """The titles in the order of the figure; they go into attributes, scripts and HTML as they are."""
    require(all(isinstance(title, str) and not set(title) & set('<>&"') for title in titles), "titles",
            'strings without <, >, & and "', titles)
    require(len(titles) == len(order) == len(set(titles)), "titles", f"{len(order)} different strings",
            f"{len(titles)}, of which {len(set(titles))} are different")
    return [str(titles[item]) for item in order]


def _panel(S, p, labels, pair, shades):
    """One heatmap of the static figure, with the chosen pair and its first item's neighbours."""
    S = S.round(DECIMALS)  # so that a cosine of 0 has one colour everywhere
    i, j = pair
    others = np.delete(np.arange(len(S)), i)
    nearest = _names(S[i, others], [labels[item] for item in others])
    exponent = f"V Σ<sup>{p}</sup>".replace("-", "−")
    return (f'<figure><img width="220" height="220" alt="Heatmap of the cosines of all items under p = {p}: {labels[i]} and {labels[j]} have '
            f'{S[i, j]:z.2f}." src="data:image/bmp;base64,{_bitmap(S, shades)}"><figcaption>B = {exponent}: cosine of '
            f"{labels[i]} and {labels[j]} <b>{S[i, j]:z.2f}</b>; most similar to {labels[i]}: "
            f"{nearest}</figcaption></figure>")


def _names(values, labels):
    """The five largest, by name; values that agree to six decimals count as equal."""
    values = values.round(6)
    if len(values) > 1 and np.ptp(values) == 0:
        return "nothing, all are equal"
    return ", ".join(labels[item] for item in np.argsort(-values, kind="stable")[:5])


def _bitmap(S, shades):
    """S as a BMP file in base64: its bytes, unlike those of a PNG, depend on no library's version."""
    pixels = np.pad(np.minimum((S + 1) * 128, 255).astype(np.uint8), ((0, 0), (0, -len(S) % 4)))
    start = 54 + 4 * len(shades)
    header = struct.pack("<2s3I3i2H6I", b"BM", start + pixels.size, 0, start, 40, len(S), -len(S), 1, 8, *6 * [0])
    palette = np.pad(shades[:, ::-1], ((0, 0), (0, 1)))  # blue, green, red, 0
    return base64.b64encode(header + palette.tobytes() + pixels.tobytes()).decode()
