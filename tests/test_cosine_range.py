"""The exact interval of one cosine under a diagonal, against corners, an optimizer and a bound from the other side."""

import itertools

import numpy as np
import pytest
from cosim.gauge import LARGEST_KAPPA, cosine_range
from scipy.optimize import minimize

KINDS = ["normal", "positive", "mostly one sign", "nearly parallel", "sparse", "ties"]


def pair(kind, k, rng):
    b, c = rng.normal(size=(2, k))
    return {
        "normal": (b, c), "positive": (abs(b), abs(c)), "nearly parallel": (b, b + 0.3 * c),
        "mostly one sign": (b, abs(c) * np.sign(b) * np.where(rng.random(k) < 0.1, -1, 1)),
        "sparse": (b * (np.arange(k) != 1), c * (rng.random(k) < 0.7) + (np.arange(k) == 0)),
        "ties": (b, b * rng.choice([-2, 0.5, 1, 3], size=k)),
    }[kind]


def cosine(b, c, omega):
    """The definition; omega (..., k)."""
    return omega @ (b * c) / np.sqrt((omega @ b**2) * (omega @ c**2))


def flip(b, c, low, sign, corner):
    """Change one or two weights of a corner at a time, as long as that helps."""
    single = np.eye(b.size, dtype=bool)
    pairs = np.unique((single[:, None] | single).reshape(-1, b.size), axis=0)
    while True:
        others = np.vstack([corner, corner ^ pairs])
        best = (sign * cosine(b, c, np.where(others, low, 1))).argmax()
        if best == 0:
            return corner.astype(float)
        corner = others[best]


def optimum(b, c, kappa, sign, rng):
    """Largest sign * cosine that L-BFGS-B finds over the logarithms of the weights."""
    span, products = -2 * np.log(kappa), np.array([sign * b * c, b**2, c**2])

    def minus_f(u):
        omega = np.exp(span * u)
        N, P, Q = products @ omega
        f = N / np.sqrt(P * Q)
        slope = products[0] / np.sqrt(P * Q) - f * (products[1] / P + products[2] / Q) / 2
        return -f, -slope * omega * span

    # Starts: a random point and the best of many corners, improved first by a linear function, then by single flips.
    grids = np.meshgrid(np.tanh(np.linspace(-6, 6, 25)), np.geomspace(0.02, 50, 81))
    alpha, tau = (grid.reshape(-1, 1) for grid in grids)
    for _ in range(4):
        corners = products[0] <= alpha * (tau * products[1] + products[2] / tau) / 2
        N, P, Q = (np.exp(span * corners) @ products.T).T
        alpha, tau = (N / np.sqrt(P * Q))[:, None], np.sqrt(Q / P)[:, None]
    distinct = np.unique(alpha.round(9), return_index=True)[1]
    improved = [flip(b, c, np.exp(span), sign, corner) for corner in corners[distinct[-3:]]]
    starts = max(improved, key=lambda u: -minus_f(u)[0]), rng.random(b.size)
    runs = [minimize(minus_f, start, jac=True, method="L-BFGS-B", bounds=[(0, 1)] * b.size,
                     options=dict(ftol=1e-15, gtol=1e-11, maxiter=300)) for start in starts]
    return -min(run.fun for run in runs)


@pytest.mark.parametrize("kind", KINDS)
def test_optimizer_agrees_to_1e_9(kind):
    """90 pairs of each of six kinds, k from 2 to 50."""
    rng = np.random.default_rng(KINDS.index(kind))
    for k in np.linspace(2, 50, 90).astype(int):
        (b, c), kappa = pair(kind, k, rng), np.exp(rng.uniform(0, 4))
        low, high = cosine_range(b, c, kappa)
        found = -optimum(b, c, kappa, -1, rng), optimum(b, c, kappa, 1, rng)
        np.testing.assert_allclose((low, high), found, rtol=0, atol=1e-9, err_msg=f"k={k}, kappa={kappa}")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("kappa", [1.0, 1.2, 3.0, 50.0])
def test_no_corner_lies_outside_and_a_positive_maximum_is_one(kind, kappa):
    rng = np.random.default_rng(7)
    for k in (2, 3, 5, 8):
        b, c = pair(kind, k, rng)
        corners = cosine(b, c, np.array(list(itertools.product([1, kappa**2], repeat=k))))
        low, high = cosine_range(b, c, kappa)
        assert low - 1e-12 <= corners.min() and corners.max() <= high + 1e-12
        assert high < 0 or abs(high - corners.max()) < 1e-12
        assert low > 0 or abs(low - corners.min()) < 1e-12


@pytest.mark.parametrize("seed", range(20))
def test_positive_minimum_equals_its_dual_bound(seed):
    """min f >= min over weights of 2N/(tau P + Q/tau) for every tau; the best tau gives equality."""
    rng = np.random.default_rng(seed)
    k, kappa = int(rng.integers(2, 30)), np.exp(rng.uniform(0.1, 2))
    b, c = np.abs(rng.normal(size=(2, k)))

    def dual(log_tau):
        q = (np.exp(log_tau) * b**2 + np.exp(-log_tau) * c**2) / 2
        order = np.argsort(b * c / q)  # a ratio of two sums is least with the larger weights on the smallest ratios
        omega = np.tril(np.full((k + 1, k), kappa**2 - 1), -1) + 1
        return (omega @ (b * c)[order] / (omega @ q[order])).min()

    grid = np.linspace(-4, 4, 81)
    for _ in range(12):
        middle = grid[np.argmax([dual(x) for x in grid])]
        grid = np.linspace(middle - (grid[1] - grid[0]), middle + (grid[1] - grid[0]), 21)
    assert cosine_range(b, c, kappa)[0] == pytest.approx(dual(middle), abs=1e-9)


def test_minimum_is_in_general_no_corner():
    b, c, kappa = np.array([0.2, 3.0, 1.0]), np.array([2.0, 0.4, 1.0]), 3.0
    corners = cosine(b, c, np.array(list(itertools.product([1, kappa**2], repeat=3))))
    assert cosine_range(b, c, kappa)[0] < corners.min() - 0.001


@pytest.mark.parametrize("kind", KINDS)
def test_infinite_kappa_is_the_limit(kind):
    rng = np.random.default_rng(11)
    for k in (2, 5, 20):
        b, c = pair(kind, k, rng)
        np.testing.assert_allclose(cosine_range(b, c, np.inf), cosine_range(b, c, 1e9), rtol=0, atol=1e-7)


@pytest.mark.parametrize("b, c, kappa, expected", [
    ([1, 2, 3], [2, 4, 6], 5, (1, 1)), ([1, 2, 3], [-1, -2, -3], np.inf, (-1, -1)), ([4], [-2], 7, (-1, -1)),
    ([1, 0], [0, 1], 9, (0, 0)), ([1, 0], [0, 1], np.inf, (0, 0)), ([1, 0, 0], [1, 0, 0], 2, (1, 1)),
    ([2, 1], [1, 2], np.inf, (0.8, 1)), ([2, 2, 1], [1, 1, 2], np.inf, (0.8, 1)), ([1, 1], [0, 1], np.inf, (0, 1)),
    ([1, 1], [0, 1], 2, (1 / 5**0.5, 2 / 5**0.5)), ([1, 1], [1, -1], 2, (-0.6, 0.6)),
    ([1, 1], [1, -1], np.inf, (-1, 1)), ([1, 1], [1, -1], LARGEST_KAPPA, (-1, 1)),
    ([1e-170, 1], [1, 1e-170], np.inf, (0, 1))])
def test_by_hand(b, c, kappa, expected):
    found = cosine_range(b, c, kappa)
    assert all(type(end) is float for end in found)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)
    np.testing.assert_allclose(cosine_range(c, b, kappa), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_widens_with_kappa_and_ignores_order_signs_and_lengths(kind):
    rng = np.random.default_rng(3)
    b, c = pair(kind, 12, rng)
    ranges = np.array([cosine_range(b, c, kappa) for kappa in (1, 1.5, 3, 10, 1e3, np.inf)])
    np.testing.assert_allclose(ranges[0], cosine(b, c, np.ones(12)), rtol=0, atol=1e-14)
    assert (np.diff(ranges[:, 0]) <= 1e-14).all() and (np.diff(ranges[:, 1]) >= -1e-14).all()
    order, signs = rng.permutation(12), rng.choice([-1, 1], size=12)
    moved = cosine_range(1e120 * (b * signs)[order], 1e-120 * (c * signs)[order], 3)
    np.testing.assert_allclose(moved, ranges[2], rtol=0, atol=1e-13)
    assert cosine_range(b, -c, 3) == (-ranges[2, 1], -ranges[2, 0])


def test_no_diagonal_exceeds_what_any_matrix_can():
    rng = np.random.default_rng(5)
    for kind in KINDS[:3]:
        b, c = pair(kind, 9, rng)
        z, ends = np.arctanh(cosine(b, c, np.ones(9))), np.arctanh(cosine_range(b, c, 2.5))
        assert z - np.log(2.5) <= ends[0] <= z <= ends[1] <= z + np.log(2.5)


@pytest.mark.parametrize("b, c, kappa, message", [
    ([0, 0], [1, 2], 2, "b must be different from zero"), ([1, 2], [0, 0], 2, "c must be different from zero"),
    ([1, 2], [1, 2, 3], 2, r"c must be a vector of 2 numbers; got shape \(3,\)"),
    ([[1, 2]], [1, 2], 2, "b must be a vector"), ([], [], 2, "b must be different from zero"),
    ([1, np.nan], [1, 2], 2, "b must be finite"), ([1, 2], [1, 2], 0.9, "kappa must be in 1..1e"),
    ([1, 2], [1, 2], 1e26, "kappa must be in 1..1e"), ([1, 2], [1, 2], np.nan, "kappa must be"),
    ([1, 2], [1, 2], [1, 2], "kappa must be"), ([1, 2], [1, 2], "2", "kappa must be made of real numbers")])
def test_rejects(b, c, kappa, message):
    with pytest.raises(ValueError, match=message):
        cosine_range(b, c, kappa)
