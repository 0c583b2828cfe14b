"""What cosim costs, next to what one would use instead, and next to what the machine could do at best.

    make benchmarks                          all rows anew, and their record for the book
    python benchmarks/costs.py nearest       rows whose name contains the word; the others stay in the record

Every candidate runs in a process of its own with one BLAS thread, by turns with the others of its row: processor seconds,
the median of a few runs, and the peak memory. All of it goes to cosim/data/costs.json, which a page of the book shows. Some minutes on one core,
and 5 GB for the dense singular value decomposition. It ends with an error if a bar is missed. `implicit` and `faiss-cpu` are extra installs; what
needs one that is not there is left out.
"""

import json
import os
import platform
import resource
import statistics
import subprocess
import sys
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

RECORD = Path(__file__).parents[1] / "cosim" / "data" / "costs.json"
PAPER = dict(n=20_000, p=1_000, n_clusters=5)
SHAPES = {"20,000 x 1,000": (20_000, 1_000, 50), "671 x 9,066": (671, 9_066, 50), "200 x 60,000": (200, 60_000, 5),
          "20,000 x 20,000": (20_000, 20_000, 50), "1,000,000 x 20,000": (1_000_000, 20_000, 50)}
LAM1, LAM2, K = 10_000.0, 100.0, 50
ALS_STEPS, ALS_ERROR = 15, 1e-6  # implicit's default; or until the loss is so near its least value, relatively
EXTRA = {"implicit": "implicit", "faiss": "faiss-cpu"}  # module -> distribution
REPEATS = 3
ONE_THREAD = dict.fromkeys(["OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"], "1")
WARM = 2  # seconds below which five more calls are measured instead, by their median


# --- candidates: set up, then a function that is measured ---------------------------------------

def clicks(n, p):
    """The paper's data where it is the paper's size, else lists of 60 and popularity 1 / rank^0.8."""
    import cosim
    import numpy as np
    from scipy import sparse
    rng = np.random.default_rng(0)
    if (n, p) == (PAPER["n"], PAPER["p"]):
        return cosim.simulate_clicks(**PAPER, rng=rng).X
    length = rng.geometric(1 / (10 if n > 100_000 else 60), size=n)
    weight = np.arange(1, p + 1) ** -0.8
    item = rng.choice(p, size=length.sum(), p=weight / weight.sum()).astype(np.int32)
    X = sparse.csr_array((np.ones(item.size), item, np.concatenate([[0], np.cumsum(length)])), shape=(n, p))
    X.sum_duplicates()
    X.data[:] = 1
    return X


def choice_loop(max_items, rng):
    """Section 4 the plain way: one `Generator.choice` without replacement per user."""
    import numpy as np
    n, p, n_clusters = PAPER.values()
    cluster = np.sort(rng.integers(n_clusters, size=p))
    rank = np.arange(p) - np.searchsorted(cluster, cluster) + 1
    popularity = rank ** -rng.uniform(0.25, 1.5, size=n_clusters)[cluster]
    preference = rng.dirichlet(np.ones(n_clusters), size=n)
    activity = np.arange(1, max_items + 1) ** -0.5
    k_u = rng.choice(np.arange(1, max_items + 1), size=n, p=activity / activity.sum())
    chances = (p_u[cluster] * popularity for p_u in preference)
    return [rng.choice(p, size=k, replace=False, p=c / c.sum()) for c, k in zip(chances, k_u, strict=True)]


def simulate(who, max_items):
    import cosim
    import numpy as np
    if who == "cosim":
        return lambda: cosim.simulate_clicks(**PAPER, rng=np.random.default_rng(0), max_items=max_items)
    return lambda: choice_loop(max_items, np.random.default_rng(0))


def small_gram(X, k):
    """Singular values and V by the smaller of the two Gram matrices, as one would write it down."""
    import scipy.linalg
    Y = X if X.shape[0] >= X.shape[1] else X.T.tocsr()
    m = Y.shape[1]
    squares, W = scipy.linalg.eigh((Y.T @ Y).toarray(), subset_by_index=[m - k, m - 1])
    return squares**0.5, W if Y is X else X.T @ W / squares**0.5


def spectrum(who, shape):
    import cosim
    import numpy as np
    from scipy.sparse.linalg import svds
    n, p, k = SHAPES[shape]
    X = clicks(n, p)
    if who == "numpy.linalg.svd":
        return lambda: np.linalg.svd(X.toarray(), full_matrices=False)
    if who == "TruncatedSVD":
        from sklearn.decomposition import TruncatedSVD
        return lambda: TruncatedSVD(k, algorithm="arpack").fit(X)
    return {"cosim": lambda: cosim.spectrum(X, k), "svds": lambda: svds(X, k), "smaller Gram": lambda: small_gram(X, k)}[who]


def closed_form(who):
    import cosim
    X = clicks(PAPER["n"], PAPER["p"])
    if who == "cosim":
        return lambda: cosim.solve_factors(cosim.spectrum(X, K), LAM2, K)
    from scipy.sparse import csr_matrix
    sparse, steps = csr_matrix(X.astype("float32")), ALS_STEPS
    if who == "implicit, to 1e-6":
        least = cosim.loss_factors(X, cosim.solve_factors(cosim.spectrum(X, K), LAM2, K), LAM2)
        model, steps = als(1), 0
        while steps == 0 or loss(X, model.user_factors, model.item_factors) > (1 + ALS_ERROR) * least:
            model.fit(sparse, show_progress=False)
            steps += 1
    return lambda: als(steps).fit(sparse, show_progress=False)


def als(steps):
    from implicit.als import AlternatingLeastSquares
    return AlternatingLeastSquares(K, regularization=LAM2, alpha=1, iterations=steps, num_threads=1, random_state=0)


def loss(X, P, Q):
    """Objective 2 of users P and items Q, without the matrix P Q^T."""
    import numpy as np
    P, Q = P.astype(float), Q.astype(float)
    squares = (X * X).sum() - 2 * np.sum((X.T @ P) * Q) + np.sum((P.T @ P) * (Q.T @ Q))
    return squares + LAM2 * (np.sum(P**2) + np.sum(Q**2))


def neighbours(who):
    import cosim
    import numpy as np
    E = np.random.default_rng(0).normal(size=(20_000, K))
    if who == "cosim":
        return lambda: cosim.nearest(E, 10)
    if who == "scikit-learn":
        from sklearn.neighbors import NearestNeighbors
        return lambda: NearestNeighbors(n_neighbors=10, metric="cosine", algorithm="brute").fit(E).kneighbors()
    import faiss

    def search():  # in float32; each row finds itself, too
        U = (E / np.linalg.norm(E, axis=1, keepdims=True)).astype(np.float32)
        index = faiss.IndexFlatIP(K) if who == "faiss, exact" else faiss.IndexHNSWFlat(K, 32, faiss.METRIC_INNER_PRODUCT)
        index.add(U)
        return index.search(U, 11)

    return search


def cosine_ranges(who):
    """The range of five cosines under a diagonal, exactly, or by an optimizer over the logarithms of the weights."""
    import cosim
    import numpy as np
    couples, kappa = np.random.default_rng(2).normal(size=(5, 2, 20)), 3
    if who == "cosim":
        return lambda: [cosim.cosine_range(b, c, kappa) for b, c in couples]
    from scipy.optimize import minimize
    starts, span = np.random.default_rng(3).random((10, 20)), -2 * np.log(kappa)

    def loss(u, products, sign):
        omega = np.exp(span * u)
        N, P, Q = products @ omega
        slope = products[0] / np.sqrt(P * Q) - N / np.sqrt(P * Q) * (products[1] / P + products[2] / Q) / 2
        return sign * N / np.sqrt(P * Q), sign * slope * omega * span

    def lowest(products, sign):
        return min(minimize(loss, u, (products, sign), jac=True, method="L-BFGS-B", bounds=[(0, 1)] * 20).fun for u in starts)

    return lambda: [sign * lowest(np.array([b * c, b**2, c**2]), sign) for b, c in couples for sign in (1, -1)]


def paper(who):
    """Data, both closed forms, and the cosines of three choices of D and of objective 2."""
    import cosim
    import numpy as np

    def cosines(spec):
        for d in (np.ones(K), spec.sigma[:K], 1 / spec.sigma[:K]):
            yield cosim.cosine_similarity(cosim.rescale(cosim.solve_product(spec, LAM1, K), d).B)
        yield cosim.cosine_similarity(cosim.solve_factors(spec, LAM2, K).B)

    def ours():
        X = cosim.simulate_clicks(**PAPER, rng=np.random.default_rng(0)).X
        return [S.mean() for S in cosines(cosim.spectrum(X, K))]

    def plain():
        X = np.zeros((PAPER["n"], PAPER["p"]))
        for row, items in zip(X, choice_loop(200, np.random.default_rng(0)), strict=True):
            row[items] = 1
        _, sigma, Vt = np.linalg.svd(X, full_matrices=False)
        return [S.mean() for S in cosines(cosim.Spectrum(sigma[:K], Vt[:K].T))]

    return ours if who == "cosim" else plain


def imports(who):
    code = "import cosim" if who == "cosim" else "import numpy, scipy.sparse"
    return lambda: subprocess.run([sys.executable, "-c", code], check=True)


def floor(who):
    """The rates of this machine: one product of float64 matrices, one of float32, and a copy of 800 MB."""
    import numpy as np
    if who == "copy":
        A = np.ones(10**8)
        return lambda: A.copy()
    A = np.random.default_rng(0).normal(size=(3000, 3000)).astype(who)
    return lambda: A @ A.T[:, ::-1].copy()


# --- rows: name -> (function, its argument, candidates, bars) -----------------------------------
# A bar is (against, ratio): cosim must cost at most 1 / ratio of it; or ("MB", limit), the peak memory of cosim.

BEST = ("svds", "smaller Gram")
ROWS = {
    "import": (imports, (), ["cosim", "numpy and scipy.sparse"], [("numpy and scipy.sparse", 1 / 1.3)]),
    "simulate, lists up to 100": (simulate, (100,), ["cosim", "choice loop"], [("choice loop", 12)]),
    "simulate, lists up to 200": (simulate, (200,), ["cosim", "choice loop"], []),
    "simulate, lists up to 1,000": (simulate, (1000,), ["cosim", "choice loop"], [("choice loop", 12)]),
    "spectrum, 20,000 x 1,000": (spectrum, ("20,000 x 1,000",), ["cosim", "numpy.linalg.svd", "TruncatedSVD", *BEST],
                                 [("numpy.linalg.svd", 12), ("best", 1 / 1.5)]),
    "spectrum, 671 x 9,066": (spectrum, ("671 x 9,066",), ["cosim", "TruncatedSVD", *BEST], [("best", 1 / 1.5)]),
    "spectrum, 200 x 60,000": (spectrum, ("200 x 60,000",), ["cosim", "TruncatedSVD", *BEST], [("best", 1 / 1.5)]),
    "spectrum, 20,000 x 20,000": (spectrum, ("20,000 x 20,000",), ["cosim", "TruncatedSVD", "svds"], [("best", 1 / 1.5)]),
    "spectrum, 1,000,000 x 20,000": (spectrum, ("1,000,000 x 20,000",), ["cosim", "TruncatedSVD", "svds"],
                                     [("best", 1 / 1.5), ("MB", 1000)]),
    "closed form of objective 2": (closed_form, (), ["cosim", f"implicit, steps: {ALS_STEPS}", "implicit, to 1e-6"],
                                   [(f"implicit, steps: {ALS_STEPS}", 10)]),
    "nearest, 20,000 rows, top 10": (neighbours, (), ["cosim", "scikit-learn", "faiss, exact", "faiss, approximate (HNSW)"],
                                     [("scikit-learn", 8)]),
    "cosine_range, 5 pairs, k = 20": (cosine_ranges, (), ["cosim", "L-BFGS-B, 10 starts an end"],
                                      [("L-BFGS-B, 10 starts an end", 20)]),
    "the paper, end to end": (paper, (), ["cosim", "plain"], [("plain", 10), ("MB", 350)]),
    "rates": (floor, (), ["float64", "float32", "copy"], []),
}


def timed(call):
    """Processor seconds of this process and of its children that have ended."""
    start = spent()
    call()
    return spent() - start


def spent():
    both = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in both)


def measure_here(row, who):
    """In a fresh process: set up, run, print the processor seconds and MB before and at the peak."""
    function, arguments, _, _ = ROWS[row]
    call = function(who, *arguments)
    unit = 1e6 if sys.platform == "darwin" else 1e3
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
    seconds = timed(call)
    if seconds < WARM:  # what is imported or loaded at the first call would count more than the call
        seconds = statistics.median(timed(call) for _ in range(5))
    print(json.dumps([seconds, before, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit]))


def measure(row):
    """Candidate -> median processor seconds, and largest MB before and at the peak."""
    candidates = [who for who in ROWS[row][2] if (module := who.partition(",")[0]) not in EXTRA or find_spec(module)]
    runs = {who: [] for who in candidates}
    for _ in range(REPEATS):
        for who in candidates:
            run = subprocess.run([sys.executable, __file__, "--one", row, who], check=True, capture_output=True, encoding="utf-8",
                                 env=os.environ | ONE_THREAD)
            runs[who].append(json.loads(run.stdout.splitlines()[-1]))
    return {who: dict(seconds=round(statistics.median(s for s, _, _ in of), 4), before=round(max(b for _, b, _ in of)),
                      peak=round(max(p for _, _, p in of))) for who, of in runs.items()}


def missed(row, found):
    """What this row's bars are, and by how much they are missed or met."""
    for against, bar in ROWS[row][3]:
        if against not in ("MB", "best", *found):
            continue
        if against == "MB":
            value, ok = found["cosim"]["peak"], found["cosim"]["peak"] <= bar
        else:
            other = min(found[who]["seconds"] for who in found if who in (BEST if against == "best" else [against]))
            value = other / found["cosim"]["seconds"]
            ok = value >= bar
        yield dict(against=against, bar=round(bar, 3), value=round(value, 3), met=ok)


def machine():
    name = next((line.partition(":")[2].strip() for line in open("/proc/cpuinfo", encoding="utf-8") if line.startswith("model name")),
                platform.processor()) if Path("/proc/cpuinfo").exists() else platform.processor()
    libraries = ["numpy", "scipy", "scikit-learn", *(name for module, name in EXTRA.items() if find_spec(module))]
    return dict(processor=name, cores=os.cpu_count(), load=round(os.getloadavg()[0], 1), python=platform.python_version(),
                libraries={library: version(library) for library in libraries})


def main(word=""):
    record = json.loads(RECORD.read_text(encoding="utf-8")) if RECORD.exists() and word else dict(rows={})
    left = record.get("machine", {}).get("libraries", {})  # of the rows that stay
    record["machine"] = machine()
    record["machine"]["libraries"] = left | record["machine"]["libraries"]
    for row in [row for row in ROWS if word in row]:
        found = measure(row)
        bars = list(missed(row, found))
        record["rows"][row] = dict(candidates=found, bars=bars)
        print(row, *(f"  {who:<24} {of['seconds']:9.3f} s  {of['peak']:6} MB" for who, of in found.items()),
              *(f"  {'' if bar['met'] else 'MISSED '}{bar}" for bar in bars), sep="\n", flush=True)
        RECORD.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    bad = [row for row, of in record["rows"].items() if not all(bar["met"] for bar in of["bars"])]
    sys.exit(f"bar missed: {'; '.join(bad)}" if bad else 0)


if __name__ == "__main__":
    measure_here(*sys.argv[2:]) if sys.argv[1:2] == ["--one"] else main(*sys.argv[1:])
