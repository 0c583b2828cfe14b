"""Assignment 5: what goes wrong, and what it costs."""

from grading.seeded import Alternative, Mistake

MISTAKES = [
    Mistake("a generator of one's own", "generator = rng", "generator = np.random.default_rng(1)", {"sim-same": 1}, "passed in"),
    Mistake("numpy's global state", "k_u = generator.choice(", "k_u = np.random.choice(", {"sim-same": 1}, "rng"),
    Mistake("drawn with replacement", "replace=False", "replace=True", {"sim-counts": 2}, "replacement"),
    Mistake("repeated clicks counted", "replace=False, p=weight / weight.sum())\n        X[u, chosen] = 1",
            "p=weight / weight.sum())\n        np.add.at(X[u], chosen, 1)", {"sim-counts": 2}, "0 and 1"),
    Mistake("every number of items equally likely", "activity = counts**-0.5", "activity = counts**0.0", {"sim-counts": 2}, "k^(-1/2)"),
    Mistake("popularity rises with rank", "rank ** -np", "rank ** np", {"sim-popularity": 2}, "popular"),
    Mistake("ranks run on through the clusters", "np.concatenate([np.arange(1, size + 1) for size in sizes])",
            "np.arange(1, len(cluster) + 1)", {"sim-popularity": 2}, "start anew"),
    Mistake("one exponent for all clusters", "dtype=float)[cluster]", "dtype=float)[0 * cluster]", {"sim-popularity": 2}, "own exponent"),
    Mistake("preferences forgotten", "weight = preference[cluster] * popularity", "weight = popularity", {"sim-preference": 2}, "user"),
    Mistake("one preference for all users", "preference = generator.dirichlet(np.ones(len(sizes)))",
            "preference = preference if u else generator.dirichlet(np.ones(len(sizes)))", {"sim-preference": 2}, "user"),
    Mistake("mean difference for the order", "return (win + tie / 2).mean()", "return difference.mean() / 2 + 0.5",
            {"auc-score": 2}, "order"),
    Mistake("labels taken for numbers", "same = labels[i] == labels[j]", "same = (labels[i] < 1) == (labels[j] < 1)",
            {"auc-score": 2}, "clusters"),
    Mistake("a tie counts as a win", "tie / 2", "tie", {"auc-ties": 1}, "one half"),
    Mistake("rounding noise ranked", "win = difference > 1e-9\n    tie = np.abs(difference) <= 1e-9",
            "win = difference > 0\n    tie = difference == 0", {"auc-ties": 1}, "rounding noise"),
    Mistake("diagonal counted", "len(S), k=1)", "len(S), k=0)", {"auc-diagonal": 1}, "diagonal"),
    Mistake("rows for columns", "items = smoothed.T", "items = smoothed", {"project-back": 2}, "columns"),
    Mistake("cosine of the embeddings", "items = smoothed.T", "items = B", {"project-back": 2}, "columns"),
    Mistake("divided by the variance", "spread = X.std(axis=0)", "spread = X.var(axis=0)", {"standardize": 1}, "shift and unit"),
    Mistake("1/(n-1)", "X.std(axis=0)", "X.std(axis=0, ddof=1)", {"standardize": 1}, "1/n"),
    Mistake("0 divided by 0", "spread = np.where(constant, 1, spread)", "", {"standardize-constant": 1}, "NaN"),
    Mistake("smallest singular values", "all_sigma[:k], all_rows[:k].T", "all_sigma[-k:], all_rows[-k:].T",
            {"embed-1": 2, "embed-2": 1}, "V_k"),
    Mistake("sigma for sigma squared", "top**2 / (top**2 + lam_1)", "top / (top + lam_1)", {"embed-1": 2}, "0.5"),
    Mistake("cases swapped", "\"case 2\": V_top * gain", "\"case 2\": V_top / gain", {"embed-1": 2}, "case 2"),
    Mistake("root lost in objective 2", "V_top * np.sqrt(remaining)", "V_top * remaining", {"embed-2": 1}, "carries 3"),
    Mistake("no max(0, .)", "np.maximum(top - lam_2, 0)", "top - lam_2", {"embed-2": 1}, "NaN"),
]

ALTERNATIVES = [
    Alternative("exponential race, ranks by scipy, the small metric, eigenvectors", [
        ("chosen = generator.choice(len(cluster), size=k_u, replace=False, p=weight / weight.sum())",
         "chosen = np.argsort(generator.exponential(size=len(cluster)) / np.maximum(weight, 1e-300))[:k_u]"),
        ("difference = values[same][:, None] - values[~same]\n    win = difference > 1e-9\n    tie = np.abs(difference) <= 1e-9\n"
         "    return (win + tie / 2).mean()",
         "from scipy.stats import rankdata\n    ranks, m = rankdata(np.round(values, 10)), same.sum()\n"
         "    return (ranks[same].sum() - m * (m + 1) / 2) / (m * (~same).sum())"),
        ("smoothed = X @ A @ B.T\n    items = smoothed.T\n", "items = B @ np.linalg.qr(X @ A, mode='r').T\n"),
        ("spread = X.std(axis=0)\n    constant = X.max(axis=0) == X.min(axis=0)\n    spread = np.where(constant, 1, spread)\n"
         "    return (X - X.mean(axis=0)) / spread",
         "Z = X - X.mean(axis=0)\n    s = np.sqrt((Z**2).mean(axis=0))\n    return np.divide(Z, s, out=np.zeros_like(Z), where=s > 0)"),
        ("all_sigma, all_rows = np.linalg.svd(X, full_matrices=False)[1:]\n",
         "squares, vectors = np.linalg.eigh(X.T @ X)\n    all_sigma, all_rows = np.sqrt(np.abs(squares[::-1])), -vectors.T[::-1]\n"),
    ]),
]
