"""Section 4's data. Random draws are tested at the 0.1 % level, with fixed seeds."""

import tracemalloc
from itertools import combinations, permutations

import numpy as np
import pytest
from scipy import integrate, sparse, stats

from cosim import simulate, simulate_clicks

LEVEL = 1e-3
SEEDS = range(5)


@pytest.fixture(params=["whole", "screened"])
def race(request, monkeypatch):
    """Whichever race the sizes would ask for, this one is run."""
    monkeypatch.setattr(simulate, "_whole_race", getattr(simulate, f"_{request.param}_race"))
    monkeypatch.setattr(simulate, "_screened_race", getattr(simulate, f"_{request.param}_race"))
    return request.param


def draw(n=200, p=30, n_clusters=3, *, seed=0, max_items=10, **options):
    return simulate_clicks(n, p, n_clusters, rng=np.random.default_rng(seed), max_items=max_items, **options)


def successive(weights, k):
    """Chance of every k-subset under successive sampling, by enumerating all orders."""
    def chance(order):
        left = 1 - np.concatenate([[0], np.cumsum(weights[list(order)])[:-1]])
        return np.prod(weights[list(order)] / left)
    subsets = combinations(range(len(weights)), k)
    return {s: sum(chance(order) for order in permutations(s)) for s in subsets}


def counts(rows, k):
    """How often each k-subset occurs among rows of item indices."""
    keys = [tuple(sorted(row)) for row in rows if len(row) == k]
    return np.array([keys.count(s) for s in combinations(range(4), k)])


def rows_of(X):
    return np.split(X.indices, X.indptr[1:-1])


# Two clusters of two items, popularity 1, 1/8, 1, 1/2; with this concentration p_uc is 1/2 up to 1e-4.
FOUR = dict(p=4, n_clusters=2, cluster_sizes=[2, 2], exponents=[3, 1], concentration=1e8,
            max_items=3, activity_exponent=0)
WEIGHTS = np.array([8, 1, 8, 4]) / 21


@pytest.mark.parametrize("k", [1, 2, 3])
def test_draws_are_successive_samples(k, race):
    seen = sum(counts(rows_of(draw(20_000, seed=seed, **FOUR).X), k) for seed in SEEDS)
    expected = np.array(list(successive(WEIGHTS, k).values()))
    assert np.isclose(expected.sum(), 1)
    assert stats.chisquare(seen, expected * seen.sum()).pvalue > LEVEL
    other = np.array([np.prod(WEIGHTS[list(s)]) for s in combinations(range(4), k)])  # another usual law
    assert k == 1 or stats.chisquare(seen, other / other.sum() * seen.sum()).pvalue < 1e-6


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("k", [2, 3])
def test_draws_match_generator_choice(seed, k, race):
    seen = counts(rows_of(draw(20_000, seed=seed, **FOUR).X), k)
    rng = np.random.default_rng(seed + 1000)
    reference = counts([rng.choice(4, size=k, replace=False, p=WEIGHTS) for _ in range(7000)], k)
    assert stats.chi2_contingency([seen, reference]).pvalue > LEVEL


@pytest.mark.parametrize("seed", SEEDS)
def test_first_item_follows_the_dirichlet_mixture(seed, race):
    sizes, beta = [1, 3], [1.0, 1.0]  # with p_u1 = x ~ Unif(0, 1): p_ui = p_{u,c_i} p_i / sum
    popularity = np.array([1, 1, 1 / 2, 1 / 3])
    total = popularity[1:].sum()
    first = integrate.quad(lambda x: x / (x + (1 - x) * total), 0, 1)[0]
    expected = np.concatenate([[first], (1 - first) * popularity[1:] / total])
    X = draw(20_000, 4, 2, seed=seed, cluster_sizes=sizes, exponents=beta, max_items=1).X
    assert stats.chisquare(X.sum(axis=0), expected * 20_000).pvalue > LEVEL


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("a", [0, 0.5, 2])
def test_number_of_items_is_a_power_law(seed, a, race):
    k_u = draw(20_000, seed=seed, activity_exponent=a).X.sum(axis=1)
    law = np.arange(1, 11.0) ** -a
    assert stats.chisquare(np.bincount(k_u.astype(int), minlength=11)[1:], 20_000 * law / law.sum()).pvalue > LEVEL


@pytest.mark.parametrize("probs", [None, [0.2, 0.3, 0.5]])
def test_items_join_clusters_with_the_given_chances(probs):
    cluster = draw(1, 20_000, seed=1, cluster_probs=probs).cluster
    expected = 20_000 * np.array(probs or [1 / 3] * 3)
    assert stats.chisquare(np.bincount(cluster, minlength=3), expected).pvalue > LEVEL


@pytest.mark.parametrize("options, low, high", [({}, 0.25, 1.5), (dict(exponent_range=(2, 3)), 2, 3)])
def test_exponents_are_uniform(options, low, high):
    C = 1000
    popularity = draw(1, 2 * C, C, cluster_sizes=[2] * C, **options).popularity
    beta = -np.log2(popularity[1::2])  # the second item of a cluster has popularity 2^-beta
    assert stats.kstest(beta, stats.uniform(low, high - low).cdf).pvalue > LEVEL


def test_X_holds_zeros_and_ones_without_repetition(race):
    X, cluster, popularity = draw(3000)
    assert isinstance(X, sparse.csr_array) and X.shape == (3000, 30)
    assert X.has_canonical_format and set(X.data) == {1}
    dense = X.toarray()
    assert set(np.unique(dense)) == {0, 1}
    assert set(dense.sum(axis=1)) == set(range(1, 11))
    assert cluster.shape == popularity.shape == (30,)


@pytest.mark.parametrize("seed", SEEDS)
def test_items_are_sorted_by_cluster_then_popularity(seed):
    _, cluster, popularity = draw(seed=seed)
    assert (np.diff(cluster) >= 0).all()
    for c in range(3):
        own = popularity[cluster == c]
        assert own[0] == 1 and (np.diff(own) < 0).all()


def test_given_sizes_and_exponents_are_used():
    _, cluster, popularity = draw(5, 6, cluster_sizes=[3, 0, 3], exponents=[1, 9, 2], max_items=2)
    np.testing.assert_array_equal(cluster, [0, 0, 0, 2, 2, 2])
    np.testing.assert_allclose(popularity, [1, 1 / 2, 1 / 3, 1, 1 / 4, 1 / 9], rtol=1e-15)


def test_concentration_spreads_a_users_clicks(race):
    shares = []
    for value in (0.01, 1, 100):
        X, cluster, _ = draw(2000, 300, concentration=value, cluster_sizes=[100] * 3, exponents=[1] * 3,
                             activity_exponent=-1e6)  # 10 items each
        per_cluster = np.array([X[:, cluster == c].sum(axis=1) for c in range(3)])
        shares.append(np.mean(per_cluster.max(axis=0) / per_cluster.sum(axis=0)))
    assert shares[0] > shares[1] + 0.1 and shares[1] > shares[2] + 0.1


@pytest.mark.parametrize("options", [
    dict(cluster_probs=[0.1, 0.1, 0.8]), dict(cluster_sizes=[20, 5, 5]), dict(exponent_range=(0, 0.1)),
    dict(exponents=[0, 0, 0]), dict(concentration=5.0), dict(activity_exponent=2.0), dict(max_items=5)], ids=str)
def test_every_choice_has_an_effect(options, race):
    assert (draw(**options).X != draw().X).nnz > 0


def test_the_rng_decides_everything(race):
    before = np.random.get_state()[1].copy()
    first, again, other = draw(), draw(), draw(seed=1)
    assert (np.random.get_state()[1] == before).all()
    for left, right in zip(first[1:], again[1:], strict=True):
        np.testing.assert_array_equal(left, right)
    assert (first.X != again.X).nnz == 0 and (first.X != other.X).nnz > 0
    rng = np.random.default_rng(0)
    one, two = (simulate_clicks(50, 30, 3, rng=rng, max_items=10).X for _ in range(2))
    assert (one != two).nnz > 0  # the generator moves on


@pytest.mark.parametrize("chunk", [1, 100, 10**9])
def test_the_chunk_size_changes_nothing_where_all_is_drawn(chunk, monkeypatch):
    expected = draw().X
    monkeypatch.setattr(simulate, "CHUNK", chunk)
    assert (draw().X != expected).nnz == 0


@pytest.mark.parametrize("n, p, n_clusters, options", [
    (1, 1, 1, dict(max_items=1)), (3, 4, 4, dict(max_items=4)), (5, 6, 1, dict(max_items=6)),
    (5, 6, 2, dict(max_items=6, cluster_sizes=[6, 0])), (5, 6, 2, dict(max_items=3, cluster_probs=[0, 1])),
    (5, 6, 2, dict(max_items=6, activity_exponent=-1e6)), (5, 6, 2, dict(max_items=6, activity_exponent=1e6)),
    (5, 6, 2, dict(max_items=1, concentration=1e-3)), (5, 200, 2, dict(max_items=200)),
    (np.int8(100), np.uint8(200), np.int8(2), dict(max_items=np.uint8(200)))], ids=str)
def test_degenerate_sizes(n, p, n_clusters, options, race):
    X = draw(n, p, n_clusters, **options).X
    k_u = X.sum(axis=1)
    assert X.shape == (n, p) and k_u.min() >= 1 and k_u.max() <= options["max_items"]
    if abs(options.get("activity_exponent", 0)) == 1e6:
        assert (k_u == (6 if options["activity_exponent"] < 0 else 1)).all()


@pytest.mark.parametrize("max_items", [1, 200])  # with 1, all users share one k_u
def test_full_size_never_forms_a_dense_float_matrix(max_items):
    """160 MB would be one n x p matrix in float64."""
    tracemalloc.start()
    draw(20_000, 1_000, 5, max_items=max_items)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 120e6


def test_arguments_are_left_alone():
    given = [np.array([10, 10, 10]), np.array([1.0, 0.5, 0.2])]
    for g in given:
        g.flags.writeable = False
    draw(cluster_sizes=given[0], exponents=given[1])


NUMBER = "made of real numbers; got dtype"


@pytest.mark.parametrize("options, message", [
    (dict(n=0), "n must be a whole number >= 1; got 0"),
    (dict(n=1.5), "n must be a whole number >= 1; got 1.5"),
    (dict(n="9"), "n must be a whole number >= 1; got '9'"),
    (dict(p=2, max_items=1), "p must be a whole number >= 3; got 2"),
    (dict(n_clusters=0), "n_clusters must be a whole number >= 1; got 0"),
    (dict(n_clusters=True), "n_clusters must be a whole number >= 1; got True"),
    (dict(max_items=0), "max_items must be a whole number in 1..30; got 0"),
    (dict(max_items=31), "max_items must be a whole number in 1..30; got 31"),
    (dict(concentration=0), "concentration must be a finite number > 0; got 0"),
    (dict(concentration=np.inf), "concentration must be a finite number > 0; got inf"),
    (dict(concentration=[1, 1, 1]), "concentration must be a finite number > 0; got [1, 1, 1]"),
    (dict(concentration="1"), f"concentration must be {NUMBER} <U1"),
    (dict(activity_exponent=np.nan), "activity_exponent must be a finite number; got nan"),
    (dict(activity_exponent=[1, 2]), "activity_exponent must be a finite number; got [1, 2]"),
    (dict(activity_exponent=None), f"activity_exponent must be {NUMBER} object"),
    (dict(cluster_probs=[0.5, 0.5]), "cluster_probs must be a vector of 3 numbers; got shape (2,)"),
    (dict(cluster_probs=[0.5, 0.5, 1e-6]), "cluster_probs must be >= 0 with sum 1; got [5.e-01 5.e-01 1.e-06]"),
    (dict(cluster_probs=[1, 1, -1]), "cluster_probs must be >= 0 with sum 1; got [ 1.  1. -1.]"),
    (dict(cluster_probs=[1, np.nan, 0]), "cluster_probs must be finite; got [ 1. nan  0.]"),
    (dict(cluster_probs="abc"), f"cluster_probs must be {NUMBER} <U3"),
    (dict(cluster_probs=[1, 0, 0], cluster_sizes=[30, 0, 0]),
     "cluster_probs must be left out when cluster_sizes is given; got [1, 0, 0]"),
    (dict(cluster_sizes=[30]), "cluster_sizes must be a vector of 3 numbers; got shape (1,)"),
    (dict(cluster_sizes=[10, 10, 11]), "cluster_sizes must be whole numbers >= 0 that sum to p = 30; got [10. 10."),
    (dict(cluster_sizes=[31, -1, 0]), "cluster_sizes must be whole numbers >= 0 that sum to p = 30; got [31. -1."),
    (dict(cluster_sizes=[9.5, 10.5, 10]), "cluster_sizes must be whole numbers >= 0 that sum to p = 30; got [ 9.5"),
    (dict(exponents=[1, 2]), "exponents must be a vector of 3 numbers; got shape (2,)"),
    (dict(exponents=[1, 2, -1]), "exponents must be >= 0; got [ 1.  2. -1.]"),
    (dict(exponents=[1, 2, np.inf]), "exponents must be finite; got [ 1.  2. inf]"),
    (dict(exponent_range=(2, 1)), "exponent_range must be (low, high) with 0 <= low <= high; got (2, 1)"),
    (dict(exponent_range=(-1, 1)), "exponent_range must be (low, high) with 0 <= low <= high; got (-1, 1)"),
    (dict(exponent_range=1), "exponent_range must be a vector of 2 numbers; got shape ()"),
    (dict(exponents=[1e6, 1e6, 1e6]), "max_items must be at most the number of items that a user can choose; got"),
], ids=str)
def test_errors(options, message, race):
    with pytest.raises(ValueError) as caught:
        draw(**options)
    assert str(caught.value).startswith(message), str(caught.value)


@pytest.mark.parametrize("rng", [None, 0, np.random, np.random.RandomState(0)], ids=str)
def test_rng_must_be_a_generator(rng):
    with pytest.raises(ValueError) as caught:
        simulate_clicks(3, 3, 1, rng=rng, max_items=1)
    assert str(caught.value).startswith(f"rng must be a numpy.random.Generator; got {rng!r}. Make one with")


# One taste for each user, steep and flat popularity, empty clusters, very short lists.
SCREENS = [dict(), dict(concentration=0.01), dict(exponents=[0, 1, 9]), dict(cluster_sizes=[300, 0, 0]),
           dict(max_items=3, exponent_range=(0, 0.1))]


@pytest.mark.parametrize("options", SCREENS, ids=str)
def test_a_byte_rules_out_only_who_comes_too_late(options, monkeypatch):
    """An item whose byte is above the last one arrives after the time of its user, whatever its fraction."""
    seen = []
    screen = simulate._screen
    monkeypatch.setattr(simulate, "_screen", lambda *given: seen.append((given, screen(*given))) or seen[-1][1])
    X = draw(2000, 300, **{"max_items": 30, **options}).X
    (preference, cluster, popularity, k_u), (last_byte, level, until) = seen[0]
    last = np.concatenate([of[level[c]] for c, of in enumerate(last_byte)], axis=1)
    chance = -np.expm1(-until[:, None] * preference[:, cluster] * popularity)
    assert last.shape == (2000, 300) and (chance <= (last + 1.0) / 256).all()
    assert (X.sum(axis=1) == k_u).all()
    if not options:  # it rules out most items, and most users are done at the first try
        assert np.mean(last < 32) > 0.7 and np.mean(chance.sum(axis=1) > k_u + 2 * np.sqrt(k_u)) > 0.99


@pytest.mark.parametrize("exponents", [[0.2, 0.7, 1.5], [0, 0, 0], [0, 2, 4]], ids=str)
def test_both_races_have_the_same_law(exponents, monkeypatch):
    """How often each item is among a list of 1 to 30 items of 300, for users who like three clusters alike."""
    drawn = []
    for short in (10, 10**9):  # lists are short at up to a tenth of the items, or never
        monkeypatch.setattr(simulate, "SHORT", short)
        clicks = draw(30_000, 300, seed=short, max_items=30, exponents=exponents, cluster_sizes=[100] * 3, concentration=1e8)
        drawn.append(clicks.X.sum(axis=0))
    drawn = np.array(drawn)
    assert stats.chi2_contingency(drawn[:, drawn.sum(axis=0) > 20]).pvalue > LEVEL


class Known:
    """In the place of a generator: these bytes; and fractions below 1/2 for what is drawn first, above it for what follows."""

    def __init__(self, byte):
        self.byte, self.noise, self.base = byte, np.random.default_rng(1), 0.0

    def integers(self, *_, **__):
        return self.byte.ravel().view(np.uint64)

    def random(self, size):
        self.base, base = 0.5, self.base
        return base + self.noise.random(size) / 2


@pytest.mark.parametrize("steps, share", [(0, 0.0), (5, 0.2), (14, 0.99)])
def test_who_is_not_done_in_time_is_drawn_further(steps, share, monkeypatch):
    """What was drawn of a user stays: to begin anew would favour those who have a late arrival."""
    byte, k = np.random.default_rng(0).integers(256, size=(400, 200)).astype(np.uint8), np.full(400, 20)
    cluster, popularity, preference = np.zeros(200, int), np.ones(200), np.ones((400, 1))
    last_byte, level, until = simulate._screen(preference, cluster, popularity, k)
    level, until = level - steps, until * np.exp(-0.1 * steps)
    monkeypatch.setattr(simulate, "_screen", lambda *_: (last_byte, level, until))
    found, = simulate._screened_race([np.arange(400)], preference, cluster, popularity, k, Known(byte))

    first, U, fractions = byte <= last_byte[0][level[0]], np.full(byte.shape, np.inf), Known(byte)
    U[first] = (byte[first] + fractions.random(first.sum())) / 256
    again = -np.log1p(-np.minimum(np.sort(U, axis=1)[:, 19], 1 - 1e-9)) > until
    rest = np.zeros_like(first)
    rest[again] = ~first[again]
    U[rest] = ((byte[again] + fractions.random((again.sum(), 200))) / 256)[~first[again]]
    assert abs(again.mean() - share) < 0.1
    np.testing.assert_array_equal(found.reshape(400, 20), np.sort(np.argsort(U, axis=1)[:, :20], axis=1))


def test_a_tie_for_the_last_place_makes_no_list_longer():
    byte, k = np.repeat(np.arange(64, dtype=np.uint8), 10).reshape(4, 160), np.full(4, 8)
    known = Known(byte)
    known.random = np.zeros  # the same fraction for all, so that ten arrive at once
    found, = simulate._screened_race([np.arange(4)], np.ones((4, 1)), np.zeros(160, int), np.ones(160), k, known)
    assert found.size == 32 and (np.diff(found.reshape(4, 8)) > 0).all() and (found < 10).all()


@pytest.mark.parametrize("keys", [
    lambda rng: rng.random((50, 40)), lambda rng: 1 + 1e-12 * rng.random((50, 40)),  # float32 sees 1
    lambda rng: 1e300 * rng.random((50, 40)), lambda rng: 1e-300 * rng.random((50, 40)),  # infinity, and 0
    lambda rng: np.where(rng.random((50, 40)) < 0.2, np.inf, rng.random((50, 40)))],
    ids=["plain", "close", "huge", "tiny", "some never arrive"])
@pytest.mark.parametrize("k", [[1] * 50, [20] * 50, range(1, 51)], ids=["one", "twenty", "one more in each row up to twenty"])
def test_the_smallest_keys_are_those_of_a_sort(keys, k, request):
    given, k = keys(np.random.default_rng(0)), np.minimum(k, 20)
    expected = np.concatenate([np.sort(np.argsort(row)[:m]) for row, m in zip(given, k)])
    np.testing.assert_array_equal(simulate._smallest_exactly(given, k), expected)
    with np.errstate(over="ignore"):
        found = simulate._smallest(given.astype(np.float32), k)
    assert (found is None) == (request.node.callspec.id.partition("-")[2] in ("close", "huge", "tiny"))
    if found is not None:
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("far", [1e25, np.inf])
def test_what_float32_cannot_tell_is_left_open(far):
    """Two keys closer than its rounding about the last place, whichever is first; and keys whose rates lose their digits."""
    keys = np.array([[1, 2, 3, 3 * (1 + 2e-7), 5, 6, 7, 8]], dtype=np.float32)
    assert simulate._smallest(keys, np.array([3])) is None and simulate._smallest(keys[:, ::-1], np.array([3])) is None
    assert simulate._smallest(keys, np.array([2])).tolist() == [0, 1]
    assert simulate._smallest(np.array([[1, far, 2 * far]], dtype=np.float32), np.array([2])) is None


@pytest.mark.parametrize("options", [dict(), dict(max_items=30, activity_exponent=-1), dict(concentration=0.02, max_items=3),
                                     dict(exponent_range=(0, 20)), dict(exponents=[30, 40, 0])], ids=str)
def test_the_race_is_the_one_of_float64(options, monkeypatch):
    """As it was first written: all keys in float64, sorted user by user."""
    X = draw(**options).X
    monkeypatch.setattr(simulate, "_smallest", lambda keys, k: None)
    exact = draw(**options).X
    np.testing.assert_array_equal(X.indices, exact.indices)
    np.testing.assert_array_equal(X.indptr, exact.indptr)
