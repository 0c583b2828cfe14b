"""What cosim costs, next to what one would use instead, at the paper's full size.

Run it with the project's environment, on one BLAS thread so that the ratios mean the same everywhere:

    OPENBLAS_NUM_THREADS=1 python benchmarks/costs.py

It prints one row per comparison, both sides measured in the same run: processor seconds, best of a
few repetitions, and how many times cheaper cosim is. It ends with an error if a bar is missed.
About half a minute and 1 GB. What was seen is in README.md beside this file.
"""

import subprocess
import sys
import time

import numpy as np
from scipy.optimize import minimize

import cosim

N, P, CLUSTERS, MAX_ITEMS = 20_000, 1_000, 5, 200
MEMORY_BAR = 300  # MB

# The peak of a fresh process that only draws X, and its peak after the imports.
MEMORY_RUN = f"""
import resource, sys
import numpy as np, cosim
unit = 1e6 if sys.platform == "darwin" else 1e3
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
before = peak()
X = cosim.simulate_clicks({N}, {P}, {CLUSTERS}, rng=np.random.default_rng(0)).X
print(peak(), before)
"""


def seconds(call, repeat=3):
    """Processor seconds of the best of `repeat` runs, and the result."""
    best = np.inf
    for _ in range(repeat):
        start = time.process_time()
        result = call()
        best = min(best, time.process_time() - start)
    return best, result


def choice_loop(rng):
    """Section 4 the plain way: one `Generator.choice` without replacement per user."""
    cluster = np.sort(rng.integers(CLUSTERS, size=P))
    rank = np.arange(P) - np.searchsorted(cluster, cluster) + 1
    popularity = rank ** -rng.uniform(0.25, 1.5, size=CLUSTERS)[cluster]
    preference = rng.dirichlet(np.ones(CLUSTERS), size=N)
    activity = np.arange(1, MAX_ITEMS + 1) ** -0.5
    k_u = rng.choice(np.arange(1, MAX_ITEMS + 1), size=N, p=activity / activity.sum())
    chances = (p_u[cluster] * popularity for p_u in preference)
    return [rng.choice(P, size=k, replace=False, p=c / c.sum()) for c, k in zip(chances, k_u, strict=True)]


def lbfgs(X, lam, k, rng):
    """Objective 1 by L-BFGS from a random start, on X^T X so that n does not count."""
    gram, total = (X.T @ X).toarray(), float((X * X).sum())

    def loss_and_gradient(x):
        A, B = x.reshape(2, P, k)
        GA, AA, BB = gram @ A, A.T @ A, B.T @ B
        loss = total - 2 * np.sum(GA * B) + np.sum((A.T @ GA) * BB) + lam * np.sum(AA * BB)
        return loss, np.ravel([2 * (GA @ BB - gram @ B + lam * A @ BB), 2 * (B @ (A.T @ GA) - GA + lam * B @ AA)])

    start = rng.normal(scale=0.1, size=2 * P * k)
    run = minimize(loss_and_gradient, start, jac=True, method="L-BFGS-B",
                   options=dict(maxiter=500, maxfun=2000, ftol=1e-13, gtol=0))
    return run.fun


def widest(b, c, kappa, rng):
    """The range of a cosine under a diagonal by L-BFGS-B over the logarithms of the weights."""
    products, span = np.array([b * c, b**2, c**2]), -2 * np.log(kappa)

    def loss(u, sign):
        omega = np.exp(span * u)
        N, P, Q = products @ omega
        slope = products[0] / np.sqrt(P * Q) - N / np.sqrt(P * Q) * (products[1] / P + products[2] / Q) / 2
        return sign * N / np.sqrt(P * Q), sign * slope * omega * span

    return [sign * min(minimize(loss, u, (sign,), jac=True, method="L-BFGS-B", bounds=[(0, 1)] * b.size).fun
                       for u in rng.random((10, b.size))) for sign in (1, -1)]


def main():
    # First, while this process is small: a child's peak starts at its parent's.
    run = subprocess.run([sys.executable, "-c", MEMORY_RUN], capture_output=True, encoding="utf-8", check=True)
    peak, before = map(float, run.stdout.split())
    print(f"peak memory of a process that draws X: {peak:.0f} MB, {before:.0f} MB of it after the imports"
          f" (bar: {MEMORY_BAR} MB)\n")
    missed = ["memory"] if peak >= MEMORY_BAR else []

    def row(name, ours, theirs, bar):
        ok = bar is None or theirs / ours >= bar
        missed.extend([] if ok else [name])
        print(f"{name:<58} {ours:8.3f} s {theirs:8.3f} s {theirs / ours:7.1f}x   "
              f"{'-' if bar is None else f'>= {bar}x'}", flush=True)

    print(f"{'X is ' + format(N, ',') + ' x ' + format(P, ','):<58} {'cosim':>10} {'instead':>10} {'ratio':>8}   bar")
    ours, clicks = seconds(lambda: cosim.simulate_clicks(N, P, CLUSTERS, rng=np.random.default_rng(0)))
    theirs, _ = seconds(lambda: choice_loop(np.random.default_rng(0)), repeat=2)
    row("simulate_clicks | Generator.choice per user", ours, theirs, 4)

    dense = clicks.X.toarray()
    theirs, _ = seconds(lambda: np.linalg.svd(dense, full_matrices=False), repeat=1)
    ours, top = seconds(lambda: cosim.spectrum(clicks.X, 50))
    row("spectrum(X, 50) | numpy.linalg.svd(dense)", ours, theirs, 8)
    ours, _ = seconds(lambda: cosim.spectrum(clicks.X))
    row("spectrum(X) | numpy.linalg.svd(dense)", ours, theirs, 8)
    del dense

    lam, k = 10_000, 50
    ours, factors = seconds(lambda: cosim.solve_product(cosim.spectrum(clicks.X, k), lam, k))
    theirs, loss = seconds(lambda: lbfgs(clicks.X, lam, k, np.random.default_rng(1)), repeat=1)
    row("spectrum(X, 50) and Eq. 5 | L-BFGS on Eq. 1", ours, theirs, None)
    closed = cosim.loss_product(clicks.X, factors, lam)
    print(f"  L-BFGS ends at a loss {(loss - closed) / closed:.0e} above the closed form (relative)")

    couples = np.random.default_rng(2).normal(size=(5, 2, 20))
    ours, ranges = seconds(lambda: [cosim.cosine_range(b, c, 3) for b, c in couples])
    theirs, found = seconds(lambda: [widest(b, c, 3, np.random.default_rng(3)) for b, c in couples], repeat=1)
    row("cosine_range, 5 pairs, k = 20 | L-BFGS-B, 10 starts an end", ours, theirs, 20)
    print(f"  the optimizer's ranges are narrower by up to {np.max(np.abs(np.subtract(ranges, found))):.0e}")

    sys.exit(f"bar missed: {', '.join(missed)}" if missed else 0)


if __name__ == "__main__":
    main()
