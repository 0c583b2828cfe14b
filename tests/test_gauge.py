"""The conventions against their definitions, and what they must be invariant to."""

import itertools

import numpy as np
import pytest
from cosim.gauge import flip_threshold, split_product, unit_variance, whiten
from scipy.stats import ortho_group


def tables(seed, m=40, q=15, k=4):
    rng = np.random.default_rng(seed)
    return rng, rng.normal(size=(m, k)), rng.normal(size=(q, k)) * [1, 2, 5, 0.1]


def inner(E):
    """All inner products, which a rotation leaves alone."""
    return E @ E.T


# --- split_product ----------------------------------------------------------------------------


@pytest.mark.parametrize("power", [-1, 0, 0.3, 0.5, 1, 2])
def test_split_has_the_product_and_the_stated_powers(power):
    _, E, F = tables(0)
    s = np.linalg.svd(E @ F.T, compute_uv=False)[:4]
    new_E, new_F = split_product(E, F, power)
    np.testing.assert_allclose(new_E @ new_F.T, E @ F.T, rtol=0, atol=1e-12 * s[0])
    for new, exponent in ((new_E, 2 - 2 * power), (new_F, 2 * power)):
        gram = np.diag(s**exponent)
        np.testing.assert_allclose(new.T @ new, gram, rtol=1e-10, atol=1e-12 * gram.max())


@pytest.mark.parametrize("power", [0, 0.5, 1])
@pytest.mark.parametrize("seed", range(5))
def test_split_forgets_every_invertible_matrix(power, seed):
    rng, E, F = tables(seed)
    M = rng.normal(size=(4, 4))
    once, again = split_product(E, F, power), split_product(E @ M, F @ np.linalg.inv(M).T, power)
    for one, other in zip(once, again):
        np.testing.assert_allclose(inner(other), inner(one), rtol=0, atol=1e-9 * np.abs(inner(one)).max())


def test_split_of_equal_singular_values_is_unique_up_to_a_rotation():
    rng = np.random.default_rng(1)
    O1, O2 = ortho_group.rvs(6, random_state=rng)[:, :3], ortho_group.rvs(5, random_state=rng)[:, :3]
    R = ortho_group.rvs(3, random_state=rng)
    for one, other in zip(split_product(O1, O2, 0.5), split_product(O1 @ R, O2 @ R, 0.5)):
        np.testing.assert_allclose(inner(one), inner(other), atol=1e-12)


def test_split_of_a_deficient_product():
    rng, E, F = tables(2)
    E[:, 3] = 0  # the product has rank 3, though F has four columns
    M = rng.normal(size=(4, 4))
    E, F = E @ M, F @ np.linalg.inv(M).T  # and no zero is exact
    new_E, new_F = split_product(E, F, 0.5)
    np.testing.assert_allclose(new_E @ new_F.T, E @ F.T, atol=1e-12)
    np.testing.assert_allclose(new_E.T @ new_E, new_F.T @ new_F, atol=1e-10)
    np.testing.assert_array_equal(new_F[:, 3], 0)
    for power in (0, 1, -1, 2):
        with pytest.raises(ValueError, match="rank 4 unless 0 < power < 1; got rank 3"):
            split_product(E, F, power)


def test_split_finds_the_rank_after_a_bad_scaling():
    rng, E, F = tables(3)
    d = np.array([1e4, 1, 1e-4, 1])
    _, new_F = split_product(E * d, F / d, 0)
    np.testing.assert_allclose(inner(new_F), inner(split_product(E, F, 0)[1]), atol=1e-7)


# --- unit variance and whitening --------------------------------------------------------------


def test_unit_variance_cancels_a_diagonal_and_keeps_the_mean():
    rng, _, F = tables(4)
    scaled = unit_variance(F)
    np.testing.assert_allclose(scaled.std(axis=0), 1)
    np.testing.assert_allclose(scaled.mean(axis=0), F.mean(axis=0) / F.std(axis=0))
    np.testing.assert_allclose(unit_variance(F * [1e-6, 3, 1e6, 0.5]), scaled, rtol=1e-10)
    M = rng.normal(size=(4, 4))
    assert np.abs(inner(unit_variance(F @ M)) - inner(scaled)).max() > 0.1  # not what whitening can


def test_whitened_dimensions_are_uncorrelated():
    _, _, F = tables(5)
    white = whiten(F)
    np.testing.assert_allclose(white.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(white.T @ white / len(F), np.eye(4), atol=1e-12)
    Z = F - F.mean(axis=0)  # Mahalanobis' own formula
    np.testing.assert_allclose(inner(white), Z @ np.linalg.inv(Z.T @ Z / len(F)) @ Z.T, atol=1e-10)


@pytest.mark.parametrize("seed", range(5))
def test_whitening_forgets_every_affine_map(seed):
    rng, _, F = tables(seed)
    moved = F @ rng.normal(size=(4, 4)) + 10 * rng.normal(size=4)
    np.testing.assert_allclose(inner(whiten(moved)), inner(whiten(F)), atol=1e-8)


# --- flip_threshold ---------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(20))
def test_flip_threshold_is_the_best_corner(seed):
    """The numerator is linear in the weights, so its extremes over a box are at corners: try them all."""
    e, f = np.random.default_rng(seed).normal(size=(2, 7))
    kappa = flip_threshold(e[None], f[None])[0, 0]
    corners = np.array(list(itertools.product([0, 1], repeat=7)))
    for factor, changes in ((0.999, False), (1.001, True)):
        weights = np.where(corners, max(1, kappa * factor) ** 2, 1)
        assert (np.sign(weights @ (e * f)) != np.sign(e @ f)).any() == changes


def test_flip_threshold_by_its_formula_for_all_pairs():
    _, E, F = tables(6)
    rho = np.abs(E @ F.T) / (np.abs(E) @ np.abs(F).T)
    np.testing.assert_allclose(1 / flip_threshold(E, F) ** 2, (1 - rho) / (1 + rho), rtol=1e-10, atol=1e-14)
    np.testing.assert_allclose(flip_threshold(F), flip_threshold(F, F))


def test_flip_threshold_without_mixed_signs_is_infinite():
    E = np.array([[0.1, 0.2, 0.7], [0.3, 0.1, 0.1], [-0.3, -0.1, -0.1], [0, 0, 1], [0, 1, 0]])
    assert np.isinf(flip_threshold(E)).all()  # the last two products are all zero: no sign to change


def test_flip_threshold_has_no_cancellation():
    tiny = 1e-30
    np.testing.assert_allclose(flip_threshold([[1, 1]], [[1, -tiny]]), [[tiny**-0.5]])
    np.testing.assert_allclose(flip_threshold([[1e-200, 1e-200]], [[2, -1]]), [[np.sqrt(2)]])


def test_flip_threshold_does_not_see_lengths():
    rng, E, F = tables(7)
    np.testing.assert_allclose(flip_threshold(E * rng.uniform(1e-5, 1e5, (40, 1)), -F), flip_threshold(E, F))


# --- bad input --------------------------------------------------------------------------------


@pytest.mark.parametrize("call, message", [
    (lambda: split_product(np.eye(3), np.eye(2), 0.5), "E and F must be of one width; got widths 3 and 2"),
    (lambda: split_product(np.eye(2), np.eye(2), np.nan), "power must be a finite number; got nan"),
    (lambda: split_product([[1, np.inf]], np.eye(2), 0.5), "E must be finite; got 1 entries"),
    (lambda: unit_variance([[1, 5], [2, 5]]), r"free of constant dimensions.*got 1 of them: columns \[1\]"),
    (lambda: unit_variance(np.full((3, 1), 0.1)), "free of constant dimensions"),
    (lambda: whiten([[1, 2], [3, 5]]), "E must be a matrix whose centred rows have rank 2, its width; got rank 1"),
    (lambda: whiten(1e8 + np.arange(6.0).reshape(3, 2)), "got rank 1"),
    (lambda: flip_threshold(np.eye(3), np.eye(2)), "E and F must be of one width; got widths 3 and 2"),
    (lambda: flip_threshold([[1, 1], [0, 0]]), r"free of zero rows, which have no direction; got 1 of them: rows \[1\]"),
    (lambda: flip_threshold([1, 2]), "a matrix with at least one row")])
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_arguments_are_left_alone():
    _, E, F = tables(8)
    copies = E.copy(), F.copy()
    split_product(E, F, 1), unit_variance(F), whiten(F), flip_threshold(E, F)
    np.testing.assert_array_equal(E, copies[0])
    np.testing.assert_array_equal(F, copies[1])
