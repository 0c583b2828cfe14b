"""Assignment 7: what goes wrong, and what it costs."""

from grading.seeded import Alternative, Mistake

MISTAKES = [
    Mistake("NaN forgotten", "return np.flatnonzero(empty | broken)", "return np.flatnonzero(empty)", {"unusable": 2}, "NaN"),
    Mistake("zeros forgotten", "return np.flatnonzero(empty | broken)", "return np.flatnonzero(broken)", {"unusable": 2}, "row 1 is zero"),
    Mistake("one zero is enough", "empty = (Q == 0).all(axis=1)", "empty = (Q == 0).any(axis=1)", {"unusable": 2}, "a zero in it"),
    Mistake("only rows all of NaN", "broken = ~np.isfinite(Q).all(axis=1)", "broken = ~np.isfinite(Q).any(axis=1)", {"unusable": 2}, "NaN"),
    Mistake("infinity forgotten", "broken = ~np.isfinite(Q).all(axis=1)", "broken = np.isnan(Q).any(axis=1)", {"unusable": 2}, "infinite"),
    Mistake("short rows left out", "empty = (Q == 0).all(axis=1)", "empty = np.linalg.norm(Q, axis=1) < 1e-6", {"unusable": 2}, "a short row"),
    Mistake("True and False", "return np.flatnonzero(empty | broken)", "return empty | broken", {"unusable": 2}, "indices"),
    Mistake("tables compared", "before, after = P_old @ Q_old.T, P_new @ Q_new.T", "before, after = Q_old, Q_new", {"predictions": 2}, "not the tables"),
    Mistake("absolute change", "return np.abs(after - before).max() / np.abs(before).max()", "return np.abs(after - before).max()",
            {"predictions": 2}, "divided by the largest"),
    Mistake("mean change", "return np.abs(after - before).max()", "return np.abs(after - before).mean()", {"predictions": 2}, "largest change"),
    Mistake("sign of the change", "return np.abs(after - before).max()", "return (after - before).max()", {"predictions": 2}, "without its sign"),
    Mistake("from new to old", "M = np.linalg.lstsq(old, new, rcond=None)[0]", "M = np.linalg.lstsq(new, old, rcond=None)[0]", {"map": 2}, "from old to new"),
    Mistake("M transposed", "return M, sigma", "return M.T, sigma", {"map": 2}, "on the right"),
    Mistake("only the first rows", "M = np.linalg.lstsq(old, new, rcond=None)[0]",
            "M = np.linalg.lstsq(old[:old.shape[1]], new[:old.shape[1]], rcond=None)[0]", {"map": 2}, "all rows"),
    Mistake("eigenvalues of M^T M", "sigma = np.linalg.svd(M, compute_uv=False)", "sigma = np.linalg.eigvalsh(M.T @ M)", {"map-kappa": 1}, "singular value"),
    Mistake("entries of M", "sigma = np.linalg.svd(M, compute_uv=False)", "sigma = np.abs(M).sum(axis=0)", {"map-kappa": 1}, "singular value"),
    Mistake("eigenvalues of M", "sigma = np.linalg.svd(M, compute_uv=False)", "sigma = np.abs(np.linalg.eigvals(M))", {"map-kappa": 1}, "singular value"),
    Mistake("one fit for all rows", "few = search.choice(p, size=k, replace=False)", "few = np.arange(p)", {"off-map": 3}, "nine of ten"),
    Mistake("a miss in absolute terms", "off = np.flatnonzero(miss > 1e-6 * sizes)", "off = np.flatnonzero(miss > 0.01)", {"off-map": 3}, "own length"),
    Mistake("only large misses", "off = np.flatnonzero(miss > 1e-6 * sizes)", "off = np.flatnonzero(miss > 0.5 * sizes)", {"off-map": 3}, "were not found"),
    Mistake("rows on the map", "    return best\n", "    return np.setdiff1d(np.arange(p), best)\n", {"off-map": 3}, "nine of ten"),
    Mistake("an item is its own neighbour", "np.fill_diagonal(S, -np.inf)", "pass", {"kept": 3}, "not its own neighbour"),
    Mistake("dot product", "unit = table / np.linalg.norm(table, axis=1, keepdims=True)", "unit = table", {"kept": 3}, "lengths of the rows"),
    Mistake("places compared", "common = [len(set(mine) & set(yours)) for mine, yours in zip(*lists)]",
            "common = (lists[0] == lists[1]).sum(axis=1)", {"kept": 3}, "whatever their place"),
    Mistake("share of all in either list", "return np.mean(common) / n", "return np.mean([c / (2 * n - c) for c in common])", {"kept": 3}, "divide by n"),
    Mistake("the least similar", "np.fill_diagonal(S, -np.inf)\n        lists.append(np.argsort(-S, axis=1)[:, :n])",
            "np.fill_diagonal(S, np.inf)\n        lists.append(np.argsort(S, axis=1)[:, :n])", {"kept": 3}, "3 of 5"),
]

ALTERNATIVES = [
    Alternative("sums, normal equations, reweighted least squares, scipy's distances", [
        ("empty = (Q == 0).all(axis=1)\n    broken = ~np.isfinite(Q).all(axis=1)\n    return np.flatnonzero(empty | broken)",
         "size = np.sum(np.abs(Q), axis=1)\n    return [i for i, s in enumerate(size) if s == 0 or not np.isfinite(s)]"),
        ("before, after = P_old @ Q_old.T, P_new @ Q_new.T\n    return np.abs(after - before).max() / np.abs(before).max()",
         "Y = P_old.dot(Q_old.T)\n    return np.linalg.norm((P_new.dot(Q_new.T) - Y).ravel(), np.inf) / np.max(np.abs(Y))"),
        ("M = np.linalg.lstsq(old, new, rcond=None)[0]\n    sigma = np.linalg.svd(M, compute_uv=False)\n    return M, sigma.max() / sigma.min()",
         "M = np.linalg.solve(old.T @ old, old.T @ new)\n    return [M, np.linalg.cond(M)]"),
        ("search = np.random.default_rng(0)\n    p, k = old.shape\n    sizes = np.linalg.norm(new, axis=1)\n    best = np.arange(p)\n    for _ in range(300):\n"
         "        few = search.choice(p, size=k, replace=False)\n        length = np.linalg.norm(old[few], axis=1, keepdims=True)\n"
         "        M = np.linalg.lstsq(old[few] / length, new[few] / length, rcond=None)[0]\n        miss = np.linalg.norm(old @ M - new, axis=1)\n"
         "        off = np.flatnonzero(miss > 1e-6 * sizes)\n        if len(off) < len(best):\n            best = off\n    return best\n",
         "size = np.linalg.norm(old, axis=1, keepdims=True)\n    X, Y, w = old / size, new / size, np.ones(len(old))\n    for _ in range(500):\n"
         "        M = np.linalg.lstsq(X * w[:, None], Y * w[:, None], rcond=None)[0]\n        miss = np.linalg.norm(X @ M - Y, axis=1)\n"
         "        w = 1 / np.sqrt(miss + 1e-12)\n    return [i for i in range(len(old)) if miss[i] > 1e-6 * np.linalg.norm(Y[i])]\n"),
        ("lists = []\n    for table in (old, new):\n        unit = table / np.linalg.norm(table, axis=1, keepdims=True)\n        S = unit @ unit.T\n"
         "        np.fill_diagonal(S, -np.inf)\n        lists.append(np.argsort(-S, axis=1)[:, :n])\n"
         "    common = [len(set(mine) & set(yours)) for mine, yours in zip(*lists)]\n    return np.mean(common) / n",
         "from scipy.spatial.distance import cdist\n    near = []\n    for table in (old, new):\n        far = cdist(table, table, 'cosine') + 9 * np.eye(len(table))\n"
         "        near.append(far.argsort(axis=1).argsort(axis=1) < n)\n    return (near[0] & near[1]).sum() / near[0].sum()"),
    ]),
    Alternative("np.matrix, lists and float32", [
        ("return np.flatnonzero(empty | broken)", "return list(np.flatnonzero(empty | broken))"),
        ("return np.abs(after - before).max() / np.abs(before).max()", "return np.float32(np.abs(after - before).max() / np.abs(before).max())"),
        ("return M, sigma.max() / sigma.min()", "return np.matrix(M), np.float32(sigma.max() / sigma.min())"),
        ("    return best\n", "    return tuple(best)\n"),
        ("return np.mean(common) / n", "return np.float32(np.mean(common) / n)"),
    ]),
]
