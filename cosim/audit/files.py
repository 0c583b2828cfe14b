"""Read vectors, ids, pairs and labels as people keep them. Every refusal is one line: file, rule, value.

Nothing in a file is executed: pickles are refused, not opened. Vectors stay on disk where the format allows it (.npy).
"""

import csv
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np

from .._checks import require
from .report import counted

# What the column with the ids is usually called; any other column of text has to be named.
ID_NAMES = {"id", "ids", "item", "item_id", "itemid", "key", "name", "token", "word"}
SEPARATORS = {".csv": ",", ".tsv": "\t"}  # word2vec's text has spaces
LARGEST_ARCHIVE = 2**32  # bytes that a .npz may unpack to in memory; a .npy stays on disk


class Table(NamedTuple):
    """E (n, k), of the number type in the file, and ids, n strings or None."""

    E: np.ndarray
    ids: np.ndarray | None


def read_table(path, ids=None, id_column=None) -> Table:
    """Read a table of vectors, one row each: .npy, .npz, .csv, .tsv, .parquet, .safetensors, word2vec text.

    Parameters
    ----------
    path : path
        The file; its ending says what it is (.txt and .vec: word2vec's text format, with or without its first line).
    ids : path, optional
        A text file with one id a line, in the order of the rows, if the ids are not in the file itself.
    id_column : str, optional
        The column of a csv or parquet file (the array of an .npz) that holds the ids. Default: one with a usual name,
        or the first if it is text.

    Returns
    -------
    Table
        E (n, k) and the ids; .npy stays on disk and is mapped into memory.

    Raises
    ------
    ValueError
        If the file cannot be read, holds anything but one table of real numbers, or an id stands twice.
    """
    path = Path(path)
    require(path.suffix.lower() in READERS, path, f"one of {', '.join(READERS)}", repr(path.suffix))
    E, found = _try(path, READERS[path.suffix.lower()], id_column)
    require(E.dtype.kind in "buif" and E.dtype.itemsize <= 8, path, "made of real numbers of at most 64 bits",
            f"dtype {E.dtype}")
    require(E.ndim == 2 and min(E.shape) > 0, path, "a matrix with at least one row and column", f"shape {E.shape}")
    found = read_lines(ids) if ids else found
    if found is not None:
        source, found = ids or path, np.asarray(found, dtype=str)
        require(found.shape == (len(E),), source, f"one id for each of the {len(E)} rows of {path}",
                counted(found.size, "id"))
        check_unique(found, source)
    return Table(E, found)


def check_unique(ids, source):
    """Ids name one row each."""
    again = np.delete(ids, np.unique(ids, return_index=True)[1])[:1]
    require(not again.size, source, "free of ids that stand twice",
            f"{str(*again)!r} in rows {np.flatnonzero(np.isin(ids, again))[:3]}")


def read_lines(path):
    """The lines of a text file, as ids; line feeds and carriage returns end a line, and nothing else does."""
    text = _try(Path(path), lambda path: path.read_text(encoding="utf-8-sig"))
    return np.array(text.removesuffix("\n").split("\n"), dtype=str)


def read_pairs(path, ids, n):
    """Read pairs "left,right" or "left,right,similar" with similar 0 or 1, as rows of the table.

    Returns
    -------
    array of int, shape (m, 2), and array of bool, shape (m,), or None without a third column.
    """
    left, right, *similar = _columns(path, (2, 3), ids, n, known=2)
    if not similar:
        return np.column_stack([left, right]), None
    wrong = similar[0][~np.isin(similar[0], ["0", "1"])]
    require(wrong.size == 0, path, "0 or 1 in its third column", repr(str(*wrong[:1])),
            "Cut a graded similarity at the level from which you call a pair similar")
    return np.column_stack([left, right]), similar[0] == "1"


def read_labels(path, ids, n):
    """Read "id,label" as one label a row of the table; "" where there is none."""
    rows, labels = _columns(path, (2,), ids, n, known=1)
    check_unique(rows, path)
    found = np.full(n, "", dtype=object)
    found[rows] = labels
    return found.astype(str)


def _columns(path, widths, ids, n, known):
    """The columns of a csv file, the first `known` as rows of the table; a first line of other words is its header."""
    frame = _try(Path(path), _strings)
    require(frame.shape[1] in widths, path, f"a csv file of {' or '.join(map(str, widths))} columns", frame.shape[1])
    at = _rows_of(frame.iloc[:, :known], map(str, range(n)) if ids is None else ids)
    header = int((at[0] < 0).all())
    frame, at = frame[header:], at[header:]
    require(len(at), path, "a table with at least one line below its header", "none")
    missing = frame.iloc[:, :known].to_numpy()[at < 0][:1]
    require(not missing.size, path, "made of ids of the table", repr(str(*missing)),
            "Without ids they are row numbers, from 0")
    return [*at.T, *frame.iloc[:, known:].to_numpy(str).T]


def _strings(path):
    """The fields of a csv file. A line that is too short is refused here: pandas would fill it with nothing."""
    import pandas as pd
    with path.open(encoding="utf-8-sig", newline="") as file:
        widths = sorted({len(line) for line in csv.reader(file) if line})
    require(len(widths) < 2, path, "a csv file with equally many fields in all lines", " and ".join(map(str, widths)))
    return pd.read_csv(path, header=None, dtype=str, keep_default_na=False, encoding="utf-8-sig")


def _rows_of(frame, ids):
    """Rows of the table that have these ids; -1 where none has."""
    import pandas as pd
    names = pd.Index(ids)
    return np.column_stack([names.get_indexer(frame[column]) for column in frame])


def _try(path, read, *args):
    """Read, and say in one line what is wrong if that fails."""
    try:
        require(path.is_file(), path, "a file", "a folder" if path.is_dir() else "no regular file" if path.exists()
                else "nothing of that name")
        return read(path, *args)
    except ImportError as error:
        raise ValueError(f"{path} must be readable here; got {error}. pip install {error.name}") from error
    except Exception as error:  # whatever a reader of a broken file comes up with
        if str(error).startswith(f"{path} must be "):
            raise
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())
        raise ValueError(
            f"{path} must be a readable file of its kind; got {type(error).__name__}: {reason[:150]}") from error


def _npy(path, id_column):
    E = np.load(path, mmap_mode="r", allow_pickle=False)
    require(isinstance(E, np.ndarray), path, "a .npy file", "an archive of several")
    return E, None


def _npz(path, id_column):
    with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
        size = sum(entry.file_size for entry in archive.zip.infolist())
        require(size <= LARGEST_ARCHIVE, path, f"an archive of at most {LARGEST_ARCHIVE:,} bytes unpacked", f"{size:,}",
                "Save the table as .npy, which is not read into memory")
        held = {name: archive[name] for name in archive.files}
    ids = held.pop(id_column or "ids", None)
    return _only_matrix(path, held), ids


def _safetensors(path, id_column):
    from safetensors import numpy
    return _only_matrix(path, numpy.load_file(path)), None


def _only_matrix(path, arrays):
    matrices = [E for E in arrays.values() if E.ndim == 2]
    require(len(matrices) == 1, path, "a file with exactly one matrix", f"{len(matrices)} among {list(arrays)[:5]}")
    return matrices[0]


def _text(path, id_column):
    """A csv or tsv file with or without a header, or word2vec's text with or without its line of rows and columns."""
    import pandas as pd
    separator = SEPARATORS.get(path.suffix.lower(), " ")
    quoting = csv.QUOTE_NONE if separator == " " else csv.QUOTE_MINIMAL
    with path.open(encoding="utf-8-sig", newline="") as file:
        lines = list(islice(filter(None, csv.reader(file, delimiter=separator, quoting=quoting)), 2))
    lines = [[field for field in line if field or separator != " "] for line in lines]
    require(lines and lines[0], path, "a table", "an empty file")
    require(separator != " " or len(lines[0]) > 1, path, "word2vec text: a word and its numbers on each line",
            f"the first line {lines[0]}")
    counts = separator == " " and len(lines[0]) == 2 and all(field.isdigit() for field in lines[0])
    header = separator != " " and any(not is_number(field) for field in lines[0][1:] or lines[0])
    first = lines[0][0] if header else 0
    if id_column is None and (separator == " " or not is_number(lines[-1][0]) or str(first).lower() in ID_NAMES):
        id_column = first
    frame = pd.read_csv(path, sep=separator, header=0 if header else None, skiprows=int(counts), encoding="utf-8-sig",
                        quoting=quoting, converters={id_column: str})
    if separator == " ":
        frame = frame.dropna(axis=1, how="all")  # each line may end with a space
    require(not counts or [*frame.shape] == [int(lines[0][0]), int(lines[0][1]) + 1], path,
            f"{' x '.join(lines[0])}, as its first line says", f"{len(frame)} x {frame.shape[1] - 1}")
    return _from_frame(path, frame, id_column)


def _parquet(path, id_column):
    import pandas as pd
    frame = pd.read_parquet(path)
    usual = [name for name in frame.columns if str(name).lower() in ID_NAMES]
    return _from_frame(path, frame, id_column or (usual[0] if usual else None))


def _from_frame(path, frame, id_column):
    require(id_column is None or id_column in frame.columns, path, f"a table with a column {id_column!r}",
            list(frame.columns)[:5])
    require(len(frame), path, "a table with at least one row", "none")
    ids = None if id_column is None else frame.pop(id_column).astype(str).to_numpy()
    text = [name for name in frame.columns if frame[name].dtype.kind not in "buif"]
    if text:
        wrong = next((value for value in frame[text[0]] if not is_number(value)), None)
        require(False, path, "made of numbers, apart from one column of ids", f"{wrong!r} in column {text[0]!r}")
    return frame.to_numpy(), ids


def is_number(field):
    """Whether a text is one number."""
    try:
        return float(field) is not None
    except (TypeError, ValueError):
        return False


READERS = {".npy": _npy, ".npz": _npz, ".csv": _text, ".tsv": _text, ".parquet": _parquet, ".safetensors": _safetensors,
           ".txt": _text, ".vec": _text}
