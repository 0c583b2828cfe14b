"""The ledger of claims, and the check that a chapter runs.

`ledger/` holds every claim, one file for each chapter that checks some: where the paper makes it, its statement
in words and symbols, the relation that is checked, its tolerance and its status.
"""

import tomllib
from functools import cache
from importlib import resources
from types import MappingProxyType

import numpy as np

from ._checks import real_array, require


@cache
def ledger():
    """Read the ledger.

    Returns
    -------
    mapping
        "claims": claim id -> its fields and its "chapter"; "equations": equation number -> where it
        is in code. Read-only; `ledger/README.md` explains the fields.
    """
    package, claims = resources.files(__package__), {}
    for file in sorted(package.joinpath("ledger").iterdir(), key=lambda file: file.name):
        if file.name.endswith(".toml"):
            chapter = file.name.removesuffix(".toml")
            for name, claim in tomllib.loads(file.read_text(encoding="utf-8")).items():
                require(name not in claims, "ledger", "free of claims that stand twice", name)
                claims[name] = {**claim, "chapter": chapter}
    equations = tomllib.loads(package.joinpath("equations.toml").read_text(encoding="utf-8"))
    return MappingProxyType({"claims": claims, "equations": equations})


def check(claim_id: str, left, right) -> None:
    r"""Check a claim of the ledger against numbers; print one line if it holds.

    The relation is looked at entry by entry, with the claim's tolerance t and the scale
    :math:`s = \max(|left|, |right|)`:

    ====  =========================================  =========================================
    ==    :math:`|left - right| \le t s`             equal up to a relative tolerance
    <=    :math:`left - right \le t s`               a bound, up to rounding
    <     :math:`left - right < -t`                  smaller by a margin, in left's unit
    !=    :math:`|left - right| > t s`               different by a relative margin
    ====  =========================================  =========================================

    The maximum in s is over all entries; with `scale` "column" in the ledger over each column,
    with "entry" over the two numbers themselves, so that weak dimensions are tested too. All
    entries must pass; with `share` in the ledger at least that share of them (for != without a
    share: one entry).

    Source: this project; the ledger names the paper's place for each claim.

    Parameters
    ----------
    claim_id : str
        A key of the ledger.
    left, right : float or array
        The two sides; of one shape, or one of them a number.

    Raises
    ------
    KeyError
        If the ledger has no such claim.
    ValueError
        If the shapes differ, or a side is empty, not finite or not made of numbers.
    AssertionError
        If the claim fails; the message gives the measured difference.

    Examples
    --------
    >>> check("case1-identity", np.eye(2), np.eye(2))
    case1-identity holds (==, 1e-10): At full rank and D = w^(1/2), the item–item cosine is the identity.
    """
    claims = ledger()["claims"]
    if claim_id not in claims:
        raise KeyError(f"claim_id must be in the ledger; got {claim_id!r}")
    claim = claims[claim_id]
    left, right = real_array(left, "left"), real_array(right, "right")
    require(left.shape == right.shape or 0 in (left.ndim, right.ndim), "left and right",
            "of one shape, or one of them a number", f"{left.shape} and {right.shape}")
    require(left.size and right.size and np.isfinite(left).all() and np.isfinite(right).all(),
            "left and right", "finite and not empty", f"{left} and {right}")

    relation, tolerance, share = claim["relation"], claim["tolerance"], claim.get("share")
    passed = _passes(left, right, relation, tolerance, claim.get("scale", "all")).mean()
    if passed < (1 if share is None else share) and not (relation == "!=" and share is None and passed):
        raise AssertionError(
            f"{claim_id} fails: left {relation} right is off in {1 - passed:.3g} of the entries; largest "
            f"|left - right| = {np.abs(left - right).max():.3g}, largest left - right = "
            f"{(left - right).max():.3g}, tolerance {tolerance:g}. Claim: {claim['statement']}")
    how = "".join(f", {word} {claim[field]}" for field, word in {"scale": "by", "share": "share"}.items() if field in claim)
    print(f"{claim_id} holds ({relation}, {tolerance:g}{how}): {claim['statement']}")


def _passes(left, right, relation, tolerance, scale):
    """Where the relation holds, entry by entry."""
    size = np.maximum(np.abs(left), np.abs(right))
    bound = tolerance * {"all": np.max, "column": lambda size: size.max(axis=0), "entry": np.asarray}[scale](size)
    difference = left - right
    return {
        "==": np.abs(difference) <= bound,
        "<=": difference <= bound,
        "<": difference < -tolerance,
        "!=": np.abs(difference) > bound,
    }[relation]
