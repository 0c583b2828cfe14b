"""What arguments must satisfy, and the errors when they don't."""

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


def require(ok, argument, rule, value, hint=""):
    """Raise ValueError "{argument} must be {rule}; got {value}" unless `ok`."""
    if not ok:
        raise ValueError(f"{argument} must be {rule}; got {value}" + (f". {hint}" if hint else ""))


def as_array(x, argument):
    """Return x as an array, without a copy; masked and ragged input is refused."""
    require(not np.ma.is_masked(x), argument, "free of masked entries", "some", "Drop or impute them first")
    try:
        return np.asarray(x)
    except ValueError:
        require(False, argument, "rectangular", "rows of different lengths")


def real_array(x, argument):
    """Return x as a float64 copy."""
    x = as_array(x, argument)
    require(x.dtype.kind in "buif", argument, "made of real numbers", f"dtype {x.dtype}")
    return x.astype(np.float64)


def check_matrix(X, argument):
    """Return X as a finite float64 copy: CSR if it came sparse, dense otherwise."""
    if sparse.issparse(X):
        require(X.dtype.kind in "buif", argument, "made of real numbers", f"dtype {X.dtype}")
        X = sparse.csr_array(X, dtype=np.float64, copy=True)
    else:
        X = real_array(X, argument)
    require(X.ndim == 2 and min(X.shape) > 0, argument, "a matrix with at least one row and column",
            f"shape {X.shape}")
    bad = np.count_nonzero(~(np.abs(X.data if sparse.issparse(X) else X) < LARGEST))  # counts NaN too
    require(bad == 0, argument, "finite", f"{bad} entries that are NaN, infinite or above {LARGEST:g}",
            "Drop or impute them first")
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
    """Return sigma and V, which must fit each other."""
    require(isinstance(spec, tuple) and len(spec) == 2, "spec", "a Spectrum (sigma, V)", type(spec).__name__)
    V = check_dense(spec[1], "V")
    sigma = check_vector(spec[0], V.shape[1], "sigma")
    require((sigma > 0).all() and (np.diff(sigma) <= 0).all(), "sigma", "> 0 and decreasing", sigma)
    return sigma, V


def check_factors(factors):
    """Return A and B as finite matrices of one shape."""
    require(isinstance(factors, (tuple, list)) and len(factors) == 2, "factors", "a pair (A, B)",
            type(factors).__name__)
    A, B = check_dense(factors[0], "A"), check_dense(factors[1], "B")
    require(A.shape == B.shape, "A and B", "of one shape", f"{A.shape} and {B.shape}")
    return A, B


def check_directions(lengths, argument):
    """Rows of these lengths all have a direction."""
    zero = np.flatnonzero(lengths <= ZERO_ROW * lengths.max())
    require(zero.size == 0, argument, "free of zero rows, which have no direction",
            f"{zero.size} of them: rows {zero[:10]}", "Leave those rows out")


def check_labels(cluster, size):
    """Return the cluster labels as a vector of the given size."""
    cluster = as_array(cluster, "cluster")
    require(cluster.shape == (size,), "cluster", f"one label per item, shape ({size},)",
            f"shape {cluster.shape}")
    require(cluster.dtype.kind in "buifSU" and (cluster == cluster).all(), "cluster",
            "numbers or strings, none missing", cluster)
    return cluster


def check_similarity(S):
    """Return S as a finite symmetric matrix."""
    S = check_dense(S, "S")
    require(S.shape[0] == S.shape[1], "S", "square, one row and one column per item", f"shape {S.shape}")
    gap = np.abs(S - S.T).max()
    require(gap <= 1e-8 * np.abs(S).max(), "S", "symmetric", f"entries that differ by {gap:.3g} from S.T")
    return S


def check_rng(rng):
    """The source of randomness is a numpy Generator, never a seed or the global state."""
    require(isinstance(rng, np.random.Generator), "rng", "a numpy.random.Generator", repr(rng),
            "Make one with numpy.random.default_rng(seed)")
