"""What arguments must satisfy, and the errors when they don't."""

import numbers
import operator

import numpy as np
from scipy import sparse

# Larger entries are refused: their squares could not be added up in double precision.
LARGEST = 1e150

# Rows this much shorter than the longest one have no direction: a never-consumed item leaves a row of
# about 1e-16 instead of 0 behind, so the test for zero is relative.
ZERO_ROW = 1e-12

# A column whose standard deviation is below this share of its largest entry is constant: the rounding of
# the mean leaves about 1e-16 of it.
CONSTANT = 1e-12

# What a missing, an infinite or a nonsensical number is answered with.
CLEAN_UP = "Drop or impute them first"

# Cosines that are equal in exact arithmetic differ by rounding noise: they are tied if equal to this many decimals.
TIE_DECIMALS = 10


def require(ok, argument, rule, value, hint=""):
    """Raise ValueError "{argument} must be {rule}; got {value}" unless `ok`."""
    if not ok:
        raise ValueError(f"{argument} must be {rule}; got {value}" + (f". {hint}" if hint else ""))


def as_array(x, argument):
    """Return x as an array, without a copy; masked and ragged input is refused."""
    require(not np.ma.is_masked(x), argument, "free of masked entries", "some", CLEAN_UP)
    try:
        return np.asarray(x)
    except ValueError as error:
        ragged = "inhomogeneous" in str(error)
        require(False, argument, "rectangular" if ragged else "readable as an array",
                "rows of different lengths" if ragged else f"ValueError: {error}")


def real_array(x, argument):
    """Return x as a float64 copy. A table of mixed number types arrives as objects: each must be a real number."""
    x = as_array(x, argument)
    if x.dtype.kind == "O":
        wrong = next((entry for entry in x.flat if not isinstance(entry, (numbers.Real, np.bool_))), 0.0)
        rows = isinstance(wrong, (np.ndarray, list, tuple))
        require(isinstance(wrong, numbers.Real), argument, "made of real numbers",
                f"dtype object with {'whole rows' if rows else repr(wrong)} as entries",
                "Make it a matrix with numpy.stack(list(...))" if rows else CLEAN_UP)
    else:
        require(x.dtype.kind in "buif", argument, "made of real numbers", f"dtype {x.dtype}")
    return x.astype(np.float64)


def resolution(x, argument):
    """Rounding unit of the numbers in x as they came, at least that of float64."""
    dtype = as_array(x, argument).dtype
    return float(np.finfo(dtype if dtype in (np.float16, np.float32) else np.float64).eps)


def half_digits(x, argument):
    """Relative tolerance for what should be exact but for rounding: 1.5e-8 for float64, 3.5e-4 for float32."""
    return np.sqrt(resolution(x, argument))


def check_matrix(X, argument):
    """Return X as a finite float64 copy: CSR without duplicates if it came sparse, dense otherwise."""
    if sparse.issparse(X):
        require(X.dtype.kind in "buif", argument, "made of real numbers", f"dtype {X.dtype}")
        X = sparse.csr_array(X.astype(np.float64), copy=True)  # in this order: a small type cannot add duplicates up
    else:
        X = real_array(X, argument)
    require(X.ndim == 2 and min(X.shape) > 0, argument, "a matrix with at least one row and column",
            f"shape {X.shape}", "One row E[0] is given as the matrix E[[0]]" if X.ndim == 1 else "")
    entries = X.data if sparse.issparse(X) else X
    if not entries.size or -LARGEST < entries.min() and entries.max() < LARGEST:  # neither holds for NaN; no copy is made
        bad = 0
    else:
        bad = np.count_nonzero(~(np.abs(entries) < LARGEST))
    require(bad == 0, argument, "finite", f"{bad} entries that are NaN, infinite or above {LARGEST:g}", CLEAN_UP)
    if sparse.issparse(X):
        X.sum_duplicates()
    return X


def check_dense(X, argument):
    """Return X as a finite, dense float64 matrix."""
    require(not sparse.issparse(X), argument, "dense", "a sparse array", "Call its toarray()")
    return check_matrix(X, argument)


def check_vector(x, size, argument):
    """Return x as a finite float64 vector of the given size."""
    x = real_array(x, argument)
    require(x.shape == (size,), argument, f"a vector of {size} numbers", f"shape {x.shape}")
    require(np.isfinite(x).all(), argument, "finite", x)
    return x


def check_number(value, argument, above=-np.inf):
    """Return a finite number greater than `above`."""
    number = real_array(value, argument)
    rule = "a finite number" + ("" if above == -np.inf else f" > {above}")
    require(number.shape == () and above < number < np.inf, argument, rule, value)
    return float(number)


def check_lam(lam):
    """A penalty weight is a finite number above zero."""
    check_number(lam, "lam", above=0)


def check_int(value, low, high, argument):
    """A whole number in low..high (high=None: no upper bound)."""
    try:
        number = operator.index(value)
    except TypeError:
        number = None
    inside = number is not None and low <= number and (high is None or number <= high)
    bound = f">= {low}" if high is None else f"in {low}..{high}"
    require(inside and not isinstance(value, (bool, np.bool_)), argument, f"a whole number {bound}",
            repr(value))


def check_spectrum(spec):
    """Return sigma and V, which must fit each other. A square V.T in the place of V has orthonormal columns, too."""
    require(isinstance(spec, tuple) and len(spec) == 2, "spec", "a Spectrum (sigma, V)", type(spec).__name__)
    V = check_dense(spec[1], "V")
    sigma = check_vector(spec[0], V.shape[1], "sigma")
    require((sigma > 0).all() and (np.diff(sigma) <= 0).all(), "sigma", "> 0 and decreasing", sigma)
    gap = np.abs(V.T @ V - np.eye(len(sigma))).max()
    require(gap <= half_digits(spec[1], "V"), "V", "a matrix with orthonormal columns, one row per item",
            f"entries of V.T @ V that are off by {gap:.3g}")
    return sigma, V


def check_width(E, F, argument="E and F"):
    """Both have as many columns."""
    require(E.shape[1] == F.shape[1], argument, "of one width", f"widths {E.shape[1]} and {F.shape[1]}")


def check_factors(factors, rows=None):
    """Return A and B as finite matrices of one width, and of `rows` rows each where that is given."""
    require(isinstance(factors, (tuple, list)) and len(factors) == 2, "factors", "a pair (A, B)",
            type(factors).__name__)
    A, B = check_dense(factors[0], "A"), check_dense(factors[1], "B")
    check_width(A, B, "A and B")
    require(rows in (None, len(A)) and rows in (None, len(B)), "A and B",
            f"matrices of {rows} rows, one per column of X", f"{len(A)} and {len(B)} rows")
    return A, B


def check_directions(lengths, argument):
    """Rows of these lengths all have a direction."""
    zero = np.flatnonzero(lengths <= ZERO_ROW * lengths.max())
    require(zero.size == 0, argument, "free of zero rows, which have no direction",
            f"{zero.size} of them: rows {zero[:10]}", "Leave those rows out")


def check_labels(cluster, size):
    """Return the cluster labels as a vector of the given size, of numbers or of strings."""
    cluster = as_array(cluster, "cluster")
    require(cluster.shape == (size,), "cluster", f"one label per item, shape ({size},)",
            f"shape {cluster.shape}")
    given = cluster
    if cluster.dtype.kind in "OT":  # strings of pandas and numpy, or numbers of several types
        same = any(all(isinstance(x, kind) for x in cluster) for kind in (str, (numbers.Real, np.bool_)))
        cluster = np.array(cluster.tolist()) if same else cluster
    require(cluster.dtype.kind in "buifSU" and (cluster == cluster).all(), "cluster",
            "numbers or strings, none missing", given)
    return cluster


def check_similarity(S):
    """Return S as a finite symmetric matrix; half the digits of its number type are left to rounding."""
    slack = half_digits(S, "S")
    S = check_dense(S, "S")
    require(S.shape[0] == S.shape[1], "S", "square, one row and one column per item", f"shape {S.shape}")
    gap = np.abs(S - S.T).max()
    require(gap <= slack * np.abs(S).max(), "S", "symmetric", f"entries that differ by {gap:.3g} from S.T",
            "Where that is rounding, take (S + S.T) / 2")
    return S


def check_rng(rng):
    """The source of randomness is a numpy Generator, never a seed or the global state."""
    require(isinstance(rng, np.random.Generator), "rng", "a numpy.random.Generator", repr(rng),
            "Make one with numpy.random.default_rng(seed)")
