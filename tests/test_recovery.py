"""Recovery of the clusters: hand cases, ties, and the definitions by brute force."""

from itertools import combinations, permutations

import numpy as np
import pytest

from cosim import precision_at, same_cluster_auc

TOL = 1e-12


def auc_by_definition(S, cluster):
    pairs = list(combinations(range(len(S)), 2))
    same = [S[i, j] for i, j in pairs if cluster[i] == cluster[j]]
    other = [S[i, j] for i, j in pairs if cluster[i] != cluster[j]]
    return np.mean([(s > o) + (s == o) / 2 for s in same for o in other])


def precision_by_definition(S, cluster, m):
    """Mean over every order of the neighbours that is sorted; ties make several."""
    shares = []
    for i in range(len(S)):
        others = [j for j in range(len(S)) if j != i]
        ranked = [o for o in permutations(others) if all(S[i, a] >= S[i, b] for a, b in zip(o, o[1:]))]
        shares.append(np.mean([[cluster[j] == cluster[i] for j in order[:m]] for order in ranked]))
    return np.mean(shares)


def random_case(seed, levels):
    """Few levels make many ties."""
    rng = np.random.default_rng(seed)
    S = rng.integers(levels, size=(6, 6)) / levels
    return np.triu(S) + np.triu(S, 1).T, rng.permutation([0, 0, 0, 1, 1, 2])


cases = pytest.mark.parametrize("S, cluster", [random_case(s, levels) for s in range(6) for levels in (2, 4, 1000)])


@cases
def test_auc_is_its_definition(S, cluster):
    assert abs(same_cluster_auc(S, cluster) - auc_by_definition(S, cluster)) < TOL


@cases
@pytest.mark.parametrize("m", [1, 2, 5])
def test_precision_is_its_definition(S, cluster, m):
    assert abs(precision_at(S, cluster, m) - precision_by_definition(S, cluster, m)) < TOL


BLOCKS = np.kron(np.eye(2), np.ones((2, 2)))


@pytest.mark.parametrize("S, cluster, auc, precision", [
    (BLOCKS, [0, 0, 1, 1], 1, 1), (-BLOCKS, [0, 0, 1, 1], 0, 0), (BLOCKS, [0, 1, 0, 1], 0.25, 0),
    *((c * np.ones((4, 4)), [0, 0, 1, 1], 0.5, 1 / 3) for c in (-1, 0, 1))])
def test_by_hand(S, cluster, auc, precision):
    assert same_cluster_auc(S, cluster) == pytest.approx(auc, abs=TOL)
    assert precision_at(S, cluster, 1) == pytest.approx(precision, abs=TOL)


@pytest.mark.parametrize("m", [1, 10, 59])
@pytest.mark.parametrize("noise", [0, 1e-15, 1e-13])
def test_the_identity_is_chance(m, noise):
    """V V^T at full rank is I up to rounding; ranking the rounding would give nonsense."""
    rng = np.random.default_rng(0)
    cluster = np.repeat([0, 1, 2], [10, 20, 30])
    S = noise * rng.normal(size=(60, 60))
    S = np.eye(60) + S + S.T
    chance = np.mean([((cluster == c).sum() - 1) / 59 for c in cluster])
    assert same_cluster_auc(S, cluster) == 0.5
    assert abs(precision_at(S, cluster, m) - chance) < TOL


def random_large(seed=0):
    rng = np.random.default_rng(seed)
    S = rng.normal(size=(40, 40))
    return S + S.T, rng.integers(4, size=40)


@pytest.mark.parametrize("change", [
    lambda S, c: (S, np.array(["b", "a", "z", "y"])[c]), lambda S, c: (S, c * 0.5 - 1),
    lambda S, c: (S[::-1, ::-1], c[::-1]), lambda S, c: (1e9 * S, c), lambda S, c: (1e-12 * S, c),
    lambda S, c: (S + 1, c), lambda S, c: (S - 3 * np.diag(np.diag(S)), c), lambda S, c: (S.tolist(), c.tolist())],
    ids=["strings", "floats", "reversed", "large", "tiny", "shifted", "diagonal", "lists"])
def test_what_does_not_matter(change):
    before, after = random_large(), change(*random_large())
    assert abs(same_cluster_auc(*after) - same_cluster_auc(*before)) < TOL
    assert abs(precision_at(*after, 5) - precision_at(*before, 5)) < TOL


def test_negated_similarity_mirrors_the_auc():
    S, cluster = random_large()
    assert abs(same_cluster_auc(-S, cluster) + same_cluster_auc(S, cluster) - 1) < TOL


@pytest.mark.parametrize("dtype", [bool, np.int8, np.float32])
def test_number_types(dtype):
    S = (BLOCKS * 100).astype(dtype)
    assert same_cluster_auc(S, [0, 0, 1, 1]) == precision_at(S, [0, 0, 1, 1], 1) == 1


def test_arguments_are_left_alone():
    S, cluster = random_large()
    S.flags.writeable = cluster.flags.writeable = False
    same_cluster_auc(S, cluster)
    precision_at(S, cluster, 3)


@pytest.mark.parametrize("call", [same_cluster_auc, lambda S, c: precision_at(S, c, 1)], ids=["auc", "precision"])
@pytest.mark.parametrize("S, cluster, message", [
    (np.ones((2, 3)), [0, 1], "S must be square, one row and one column per item; got shape (2, 3)"),
    ([1, 2], [0, 1], "S must be a matrix with at least one row and column; got shape (2,)"),
    ([[1, np.nan], [0, 1]], [0, 1], "S must be finite; got 1 entries"),
    ([[1, 0.5], [0, 1]], [0, 1], "S must be symmetric; got entries that differ by 0.5 from S.T"),
    ([["a"]], [0], "S must be made of real numbers; got dtype <U1"),
    ([[1], [1, 2]], [0, 1], "S must be rectangular; got rows of different lengths"),
    (np.eye(3), [0, 1], "cluster must be one label per item, shape (3,); got shape (2,)"),
    (np.eye(3), None, "cluster must be one label per item, shape (3,); got shape ()"),
    (np.eye(3), [0, np.nan, 1], "cluster must be numbers or strings, none missing; got [ 0. nan  1.]"),
    (np.eye(3), [0, None, 1], "cluster must be numbers or strings, none missing; got [0 None 1]"),
    (np.eye(3), [0, [1, 2], 1], "cluster must be rectangular; got rows of different lengths")])
def test_errors(call, S, cluster, message):
    with pytest.raises(ValueError) as caught:
        call(S, cluster)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize("cluster, pairs", [([0, 0, 0], "3 and 0"), ([0, 1, 2], "0 and 3")])
def test_auc_needs_pairs_of_both_kinds(cluster, pairs):
    with pytest.raises(ValueError) as caught:
        same_cluster_auc(np.eye(3), cluster)
    assert str(caught.value) == f"cluster must be such that there are same-cluster pairs and others; got {pairs} pairs"


@pytest.mark.parametrize("m", [0, 3, 1.0, True, None, "1"], ids=repr)
def test_m_errors(m):
    with pytest.raises(ValueError) as caught:
        precision_at(np.eye(3), [0, 0, 1], m)
    assert str(caught.value) == f"m must be a whole number in 1..2; got {m!r}"
