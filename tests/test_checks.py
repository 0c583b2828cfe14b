"""Inputs as people hold them: small number types, tables, strings of many kinds, text of any locale."""

import ast
import subprocess
import sys
from fractions import Fraction

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from guards import ROOT
from scipy import sparse

import cosim

E = np.random.default_rng(0).normal(size=(4, 3))


def refused(message, call, *args):
    with pytest.raises(ValueError) as caught:
        call(*args)
    assert str(caught.value).startswith(message)


# --- sparse data of small types, with entries that stand twice ---

LAYOUTS = {"coo": lambda *a, **k: sparse.coo_array(*a, **k),
           "csr": lambda data, shape: sparse.csr_array((data[0], data[1][1], np.r_[0, len(data[0])]), shape=shape)}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("values, total", [
    (np.ones(129, np.int8), 129), (np.array([1, 255], np.uint8), 256), (np.ones(200, np.int8), 200),
    (np.array([30000, 30000], np.int16), 60000), (np.array([1.0, -1.0, 2.0]), 2)])
def test_duplicates_add_up_in_double_precision(layout, values, total):
    zero = np.zeros(len(values), int)
    X = LAYOUTS[layout]((values, (zero, zero)), shape=(1, 1))
    np.testing.assert_allclose(cosim.spectrum(X).sigma, [total], rtol=1e-12)
    assert cosim.weight_by_propensity(X, 0).toarray() == total
    np.testing.assert_allclose(cosim.loss_product(X, ([[0.0]], [[1.0]]), 1), float(total)**2, rtol=1e-12)


def test_duplicates_in_the_layouts_that_hold_none():
    for make in (sparse.csc_array, sparse.lil_array, sparse.dok_array, sparse.bsr_array, sparse.dia_array):
        np.testing.assert_allclose(cosim.spectrum(make(np.array([[100, 100]], np.int8))).sigma, [np.sqrt(20_000)])


# --- similarities that come in single or half precision ---

def cosines(dtype, seed=0):
    U = np.random.default_rng(seed).normal(size=(300, 64))
    U = (U / np.linalg.norm(U, axis=1, keepdims=True)).astype(dtype)
    return U @ U.copy().T


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16])
def test_rounding_of_the_type_that_came_in_is_no_error(dtype):
    S, cluster = cosines(dtype), np.arange(300) % 3
    exact = cosines(np.float64)
    figure, ax = plt.subplots()
    cosim.show_similarity(ax, S, cluster)
    plt.close(figure)
    assert cosim.same_cluster_auc(S, cluster) == pytest.approx(cosim.same_cluster_auc(exact, cluster), abs=0.005)
    assert cosim.precision_at(S, cluster, 10) == pytest.approx(cosim.precision_at(exact, cluster, 10), abs=0.01)


@pytest.mark.parametrize("dtype, noise", [(np.float64, 1e-15), (np.float32, 3e-7), (np.float16, 1e-3)])
def test_rounding_of_the_type_that_came_in_is_not_ranked(dtype, noise):
    rng = np.random.default_rng(0)
    S = np.eye(60) + np.triu(noise * rng.uniform(-1, 1, size=(60, 60)), 1)
    S = np.maximum(S, S.T).astype(dtype)
    assert cosim.same_cluster_auc(S, np.repeat([0, 1, 2], 20)) == 0.5


@pytest.mark.parametrize("dtype, excess", [(np.float64, 1.2e-7), (np.float32, 0.01), (np.float16, 0.1)])
def test_what_is_no_rounding_is_refused_with_digits_and_a_hint(dtype, excess):
    S = np.array([[1 + excess, 0.5], [0.5, 1]], dtype)
    figure, ax = plt.subplots()
    refused(f"S must be between -1 and 1, where the colours end; got {S.max():.10g} in magnitude. "
            "Where that is rounding, use numpy.clip", cosim.show_similarity, ax, S, [0, 1])
    assert f"{S.max():.10g}" != "1"
    plt.close(figure)
    S = np.array([[1, 0.5 + excess], [0.5, 1]], dtype)
    refused("S must be symmetric; got entries that differ by", cosim.same_cluster_auc, S, [0, 1])


# --- labels ---

@pytest.mark.parametrize("labels", [
    pd.Series(["a", "a", "b"]), pd.Series(["a", "a", "b"], dtype=object), pd.Categorical(["a", "a", "b"]),
    pd.Series(["a", "a", "b"], dtype="category"), np.array(["a", "a", "b"], np.dtypes.StringDType()),
    np.array(["a", "a", "b"], object), pd.Index(["a", "a", "b"]), ["a", "a", "b"], np.array([b"a", b"a", b"b"]),
    pd.Categorical([2, 2, 1]), pd.Series([1, 1, 0], dtype="Int64"), pd.Series([True, True, False]),
    np.array([1, 1, 0.5], object), np.array([np.True_, True, 0], object), pd.Series([2**60 + 1, 2**60 + 1, 2**60], dtype=object)],
    ids=lambda labels: f"{type(labels).__name__}-{getattr(labels, 'dtype', 'list')}")
def test_labels_as_people_hold_them(labels):
    S = [[1, 0.9, 0.1], [0.9, 1, 0.1], [0.1, 0.1, 1]]
    assert cosim.same_cluster_auc(S, labels) == 1
    assert cosim.precision_at(S, labels, 1) == pytest.approx(2 / 3)


@pytest.mark.parametrize("labels", [
    pd.Series(["a", None, "b"]), pd.Categorical(["a", None, "b"]), pd.Series([1, None, 2], dtype="Int64"),
    np.array(["a", np.nan, "b"], object), np.array(["a", 1, "b"], object), np.array([1, np.nan, 2], object),
    np.array([1, 2, 2**70], object), pd.to_datetime(["2026-01-01"] * 3)])
def test_missing_or_mixed_labels_are_refused(labels):
    refused("cluster must be numbers or strings, none missing; got", cosim.same_cluster_auc, np.eye(3), labels)


# --- tables ---

@pytest.mark.parametrize("table, expected", [
    (pd.DataFrame({"a": [True, False], "b": [0.5, 2]}), [[1, 0.5], [0, 2]]),
    (pd.DataFrame({"a": [1, 2], "b": [3, 4]}, dtype="Int64"), [[1, 3], [2, 4]]),
    (pd.DataFrame({"a": [1.5, 2], "b": [3, 4]}).convert_dtypes(), [[1.5, 3], [2, 4]]),
    (pd.DataFrame({"a": [True, False], "b": [1, 2]}).convert_dtypes(), [[1, 1], [0, 2]]),
    (np.array([[1, 0.5], [np.float32(2), np.True_]], object), [[1, 0.5], [2, 1]]),
    (np.array([[Fraction(1, 2), 2]], object), [[0.5, 2]])])
def test_tables_of_numbers_are_matrices(table, expected):
    np.testing.assert_allclose(cosim.cosine_similarity(table), cosim.cosine_similarity(expected), rtol=1e-12)


@pytest.mark.parametrize("table, message", [
    (pd.Series(list(E)), "E must be made of real numbers; got dtype object with whole rows as entries. "
                         "Make it a matrix with numpy.stack(list(...))"),
    (pd.DataFrame({"a": [1, None], "b": [True, False]}, dtype=object), "E must be made of real numbers; got dtype object"),
    (pd.DataFrame({"a": [1, None]}, dtype="Int64").assign(b=True), "E must be "),
    (pd.DataFrame({"a": ["x", "y"], "b": [1, 2]}), "E must be made of real numbers; got dtype object with 'x' as entries"),
    (np.array([["1", "2"]], object), "E must be made of real numbers; got dtype object with '1' as entries"),
    (np.array([[1j, 2]], object), "E must be made of real numbers; got dtype object with 1j"),
    (E[0], "E must be a matrix with at least one row and column; got shape (3,). One row E[0] is given as the matrix E[[0]]")])
def test_what_is_no_matrix_of_numbers_is_refused_with_a_hint(table, message):
    refused(message, cosim.cosine_similarity, table)


class Unreadable:
    def __array__(self, dtype=None, copy=None):
        raise ValueError("the device is gone")


def test_the_original_message_is_not_swallowed():
    refused("E must be readable as an array; got ValueError: the device is gone", cosim.cosine_similarity, Unreadable())


# --- users and items ---

def test_rescale_takes_users_and_items():
    rng = np.random.default_rng(1)
    P, Q, d = rng.normal(size=(7, 3)), rng.normal(size=(4, 3)), [1.0, 2.0, -3.0]
    users, items = cosim.rescale((P, Q), d)
    assert users.shape == P.shape and items.shape == Q.shape
    np.testing.assert_allclose(users @ items.T, P @ Q.T, rtol=1e-12)


@pytest.mark.parametrize("shapes", [((7, 2), (4, 2)), ((4, 2), (7, 2)), ((7, 2), (7, 2))])
def test_the_losses_take_only_matrices_with_a_row_for_each_item(shapes):
    factors = tuple(np.ones(shape) for shape in shapes)
    rows = " and ".join(str(shape[0]) for shape in shapes)
    for loss in (cosim.loss_product, cosim.loss_factors):
        refused(f"A and B must be matrices of 4 rows, one per column of X; got {rows} rows", loss, np.ones((7, 4)), factors, 1)


@pytest.mark.parametrize("kind", [sparse.csr_array, sparse.coo_array, sparse.csc_array])
def test_project_back_takes_sparse_sides(kind):
    dense = cosim.project_back(E, E[:3])
    for left, right in ((kind(E), E[:3]), (E, kind(E[:3])), (kind(E), kind(E[:3]))):
        np.testing.assert_allclose(np.asarray(cosim.project_back(left, right)), dense, atol=1e-12)


# --- a spectrum that is none ---

@pytest.mark.parametrize("V, gap", [(5 * np.eye(3), "24"), (np.array([[1.0, 1], [0, 1]]), "1"), (np.eye(3) * (1 + 1e-6), "2e-06")])
def test_V_must_be_orthonormal(V, gap):
    spec = (np.arange(len(V), 0, -1.0), V)
    for solve in (cosim.solve_product, cosim.solve_factors):
        refused("V must be a matrix with orthonormal columns, one row per item; got entries of V.T @ V that are off by "
                f"{gap}", solve, spec, 1.0, 1)


def test_V_of_numpy_in_single_precision_is_orthonormal():
    X = np.random.default_rng(0).normal(size=(50, 20)).astype(np.float32)
    U, sigma, Vt = np.linalg.svd(X, full_matrices=False)
    A, B = cosim.solve_product((sigma, Vt.T), 1.0, 20)
    C, D = cosim.solve_product(cosim.spectrum(X), 1.0, 20)
    np.testing.assert_allclose(A @ B.T, C @ D.T, atol=1e-5)
    refused("sigma must be a vector of 50 numbers", cosim.solve_product, np.linalg.svd(X.T, full_matrices=False)[1:], 1.0, 1)


# --- text is UTF-8, whatever the locale says ---

def test_cosim_reads_its_files_in_any_locale():
    code = "import cosim; cosim.claims.ledger(); cosim.explore(([1.0], [[0.6], [0.8]]), [[1, 0]], [0, 0], lam=1, name='a')"
    subprocess.run([sys.executable, "-X", "warn_default_encoding", "-W", "error::EncodingWarning:cosim", "-c", code],
                   check=True, env={"PYTHONUTF8": "0", "LC_ALL": "C"})


# The grader and its tests are looked at by tests of their own.
SOURCES = [path for folder in ("cosim", "tests", "book", "experiments", "benchmarks")
           for path in sorted((ROOT / folder).rglob("*.py")) if path.stem not in ("test_grading", "test_classroom", "test_oddities")]


def locale_dependent(source):
    """Lines that read or write text without saying in which encoding."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call) or any(word.arg in ("encoding", None) for word in node.keywords):
            continue
        name = getattr(node.func, "attr", getattr(node.func, "id", ""))
        owner = getattr(getattr(node.func, "value", None), "id", "")
        mode = [arg.value for arg in [*node.args, *(word.value for word in node.keywords)]
                if isinstance(arg, ast.Constant) and isinstance(arg.value, str) and set(arg.value) <= set("rwaxbt+")]
        text = any(word.arg in ("text", "universal_newlines") for word in node.keywords)
        if (name in ("read_text", "write_text") or name == "open" and owner not in ("Image", "gzip", "os", "viewer")
                and not any("b" in word for word in mode) or owner == "subprocess" and text):
            yield node.lineno


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_text_is_read_and_written_in_utf_8(path):
    assert list(locale_dependent(path.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize("line, found", [
    ("p.read_text()", True), ("p.read_text(encoding='utf-8')", False), ("open('a')", True), ("open('a', 'rb')", False),
    ("p.open('w')", True), ("p.open(mode='wb')", False), ("p.write_text('a')", True), ("Image.open(a)", False),
    ("subprocess.run(a, text=True)", True), ("subprocess.run(a, text=True, encoding='utf-8')", False),
    ("subprocess.run(a)", False), ("open('a', **options)", False)])
def test_the_look_for_locales_sees_them(line, found):
    assert bool(list(locale_dependent(line))) == found
