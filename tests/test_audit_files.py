"""Files of every kind that the audit reads, and more than sixty that it refuses in one line."""

import csv
import gzip
import io
import json
import os
import pickle
import struct
import zipfile

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import save_file

from cosim.audit import files
from cosim.audit.command import main

E = np.random.default_rng(0).normal(size=(5, 3)).round(3)
IDS = ["a", "b,c", "naïve", "nan", "00"]


def npy(E, **options):
    out = io.BytesIO()
    np.save(out, E, **options)
    return out.getvalue()


def npz(**arrays):
    out = io.BytesIO()
    np.savez(out, **arrays)
    return out.getvalue()


def table(separator=",", header=True, ids=IDS, E=E):
    rows = [["id", *(f"d{i}" for i in range(E.shape[1]))]] if header else []
    rows += [[f'"{name}"' if separator in str(name) else name, *map(str, row)] for name, row in zip(ids, E)]
    return "\n".join(separator.join(map(str, row)) for row in rows) + "\n"


def word2vec(head=True, ids=("the", "a", "nan", "#x", '"'), E=E):
    return (f"{len(E)} {E.shape[1]}\n" if head else "") + "".join(f"{name} {' '.join(map(str, row))} \n" for name, row in zip(ids, E))


def parquet(frame):
    out = io.BytesIO()
    frame.to_parquet(out)
    return out.getvalue()


FRAME = pd.DataFrame(E, columns=list("xyz"))


@pytest.mark.parametrize("name, content, ids", [
    ("a.npy", npy(E), None), ("A.NPY", npy(E), None), ("a.npy", npy(np.asfortranarray(E)), None), ("a.npz", npz(vectors=E), None),
    ("a.npz", npz(vectors=E, ids=np.array(IDS), extra=np.zeros(3)), IDS),
    ("a.csv", table(), IDS), ("a.csv", table(header=False), IDS), ("a.tsv", table("\t"), IDS), ("a.csv", "\ufeff" + table(), IDS),
    ("a.csv", "\n".join(",".join(map(str, row)) for row in E), None), ("a.csv", table().replace("\n", "\r\n"), IDS),
    ("a.csv", table(ids=range(5)).replace("\n1,", "\n7,").replace("id,", "item_id,"), ["0", "7", "2", "3", "4"]),
    ("a.parquet", parquet(FRAME.assign(id=IDS)), IDS), ("a.parquet", parquet(FRAME), None),
    ("a.txt", word2vec(), ["the", "a", "nan", "#x", '"']), ("a.vec", word2vec(head=False), ["the", "a", "nan", "#x", '"'])])
def test_what_is_read(tmp_path, name, content, ids):
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    found = files.read_table(path)
    np.testing.assert_array_equal(found.E, E)
    assert (found.ids is None) == (ids is None) and (ids is None or list(found.ids) == ids)
    assert isinstance(found.E, np.memmap) == (path.suffix.lower() == ".npy")


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
def test_number_types_stay_as_they_are(tmp_path, kind):
    save_file({"vectors": E.astype(kind), "step": np.zeros(1)}, tmp_path / "a.safetensors")
    np.save(tmp_path / "a.npy", E.astype(kind))
    for name in ("a.safetensors", "a.npy"):
        assert files.read_table(tmp_path / name).E.dtype == kind


def test_ids_from_elsewhere(tmp_path):
    np.save(tmp_path / "a.npy", E)
    (tmp_path / "ids.txt").write_text("\n".join(IDS), encoding="utf-8")
    assert list(files.read_table(tmp_path / "a.npy", tmp_path / "ids.txt").ids) == IDS
    FRAME.assign(isbn=IDS).to_csv(tmp_path / "a.csv", index=False)
    assert list(files.read_table(tmp_path / "a.csv", id_column="isbn").ids) == IDS


@pytest.mark.parametrize("text", ["a,b\nb,c\n", "left,right\na,b\nb,c\n", "\ufeffa,b\r\nb,c\r\n"])
def test_pairs(tmp_path, text):
    (tmp_path / "p.csv").write_bytes(text.encode())
    pairs, similar = files.read_pairs(tmp_path / "p.csv", ["a", "b", "c"], 3)
    assert pairs.tolist() == [[0, 1], [1, 2]] and similar is None


def test_pairs_with_an_answer_and_labels(tmp_path):
    (tmp_path / "p.csv").write_text("0,1,1\n2,1,0\n", encoding="utf-8")
    pairs, similar = files.read_pairs(tmp_path / "p.csv", None, 3)
    assert pairs.tolist() == [[0, 1], [2, 1]] and similar.tolist() == [True, False]
    (tmp_path / "l.csv").write_text('id,label\n2,"x, y"\n0,z\n', encoding="utf-8")
    assert files.read_labels(tmp_path / "l.csv", None, 3).tolist() == ["z", "", "x, y"]


# --- bad input: file name -> (content, what the line says); read as the items ---


class Boom:
    def __reduce__(self):
        return os.mkdir, ("executed",)


def header(shape, descr="<f8"):
    text = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text


def tensors(head, data=b""):
    return struct.pack("<Q", len(head)) + head + data


def zipped(name, content):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(name, content)
    return out.getvalue()


def with_entry(value):
    bad = E.copy()
    bad[3, 1] = value
    return bad


KIND = "must be a readable file of its kind; got "
BAD = {
    # numpy
    "empty.npy": (b"", KIND), "truncated.npy": (npy(E)[:-8], KIND), "half-a-header.npy": (npy(E)[:40], KIND), "text.npy": (b"1 2 3\n", KIND),
    "pickled.npy": (npy(np.array([Boom(), 1], object), allow_pickle=True), KIND), "pickle.npy": (pickle.dumps(Boom()), KIND),
    "huge-shape.npy": (header((10**12, 10**6)), KIND), "overflow-shape.npy": (header((2**62, 2**62)), KIND), "negative-shape.npy": (header((-5, 3)) + npy(E)[128:], KIND),
    "huge-header.npy": (b"\x93NUMPY\x02\x00" + struct.pack("<I", 2**31) + b"x" * 100, KIND), "code-in-header.npy": (header("__import__('os').mkdir('executed')"), KIND),
    "future-version.npy": (b"\x93NUMPY\x09\x00" + npy(E)[8:], KIND), "unknown-type.npy": (header((5, 3), "<q9"), KIND),
    "vector.npy": (npy(E[0]), "a matrix with at least one row and column; got shape (3,)"), "cube.npy": (npy(E[None]), "a matrix"), "number.npy": (npy(np.array(3.0)), "a matrix"),
    "no-rows.npy": (npy(E[:0]), "a matrix with at least one row"), "no-columns.npy": (npy(E[:, :0]), "a matrix with at least one row"), "one-row.npy": (npy(E[:1]), "at least two rows"),
    "complex.npy": (npy(E + 1j), "real numbers of at most 64 bits; got dtype complex128"), "strings.npy": (npy(np.array([["a"], ["b"]])), "real numbers"),
    "dates.npy": (npy(np.zeros((3, 2), "M8[D]")), "real numbers"), "records.npy": (npy(np.zeros((3, 2), "i4,f8")), "real numbers"),
    "long-double.npy": (npy(E.astype(np.longdouble)), "real numbers of at most 64 bits"),
    "nan.npy": (npy(with_entry(np.nan)), "items must be finite; got 1 row with NaN, infinity or a number above 1e150: 3"),
    "inf.npy": (npy(with_entry(-np.inf)), "items must be finite"), "huge.npy": (npy(with_entry(1e200)), "items must be finite"), "half-inf.npy": (npy(with_entry(np.inf).astype("f2")), "items must be finite"),
    "zeros.npy": (npy(0 * E), "two rows that are not zero"),
    # archives
    "empty.npz": (b"", KIND), "truncated.npz": (npz(a=E)[:100], KIND), "none.npz": (npz(), "exactly one matrix; got 0"), "two.npz": (npz(a=E, b=E), "exactly one matrix; got 2"),
    "pickled.npz": (npz(a=np.array([[Boom()]], object)), KIND), "not-arrays.npz": (zipped("readme.txt", "hello"), KIND), "sparse.npz": (npz(data=E[0], indices=E[0], indptr=E[0]), "exactly one matrix; got 0"),
    "npz-called.npy": (npz(a=E), "a .npy file; got an archive"), "npy-called.npz": (npy(E), KIND), "ids-too-few.npz": (npz(a=E, ids=np.array(["a"])), "one id for each of the 5 rows"),
    "object.npz": (npz(a=np.array([[1, None]], object)), KIND), "member-of-another-kind.npz": (zipped("a.npy", b"PK" + b"\0" * 50), KIND), "bad-checksum.npz": (npz(a=E).replace(npy(E)[-8:], b"\1" * 8, 1), KIND),
    "huge.npz": (zipped("a.npy", header((10**12, 10**6))), KIND),
    # tables
    "empty.csv": (b"", "a table; got an empty file"), "header-only.csv": (b"id,x,y\n", "a table with at least one row; got none"), "text-in-numbers.csv": (b"id,x,y\na,1,2\nb,3,oops\n", "'oops' in column 'y'"),
    "decimal-commas.csv": (b'id,x,y\na,"1,5","2,5"\nb,"1,0","2,0"\n', "numbers, apart from one column of ids"), "ragged.csv": (b"id,x,y\na,1,2\nb,3,4,5,6\n", KIND),
    "missing.csv": (b"id,x,y\na,1,\nb,3,4\n", "items must be finite; got 1 row"), "twice.csv": (b"id,x,y\na,1,2\nb,3,4\na,5,6\n", "ids that stand twice; got 'a' in rows [0 2]"),
    "latin.csv": ("id,x,y\nä,1,2\nb,3,4\n".encode("latin-1"), KIND), "binary.csv": (bytes(range(256)) * 20, KIND), "two-texts.csv": (b"id,title,x\na,One,1\nb,Two,2\n", "'One' in column 'title'"),
    "semicolons.csv": (b"id;x;y\na;1;2\nb;3;4\n", "a matrix with at least one row and column"), "excel-error.csv": (b"id,x\na,1\nb,#DIV/0!\n", "'#DIV/0!' in column 'x'"),
    "only-ids.csv": (b"id\na\nb\n", "a matrix with at least one row and column"), "nul.csv": (b"id,x\na,1\x00\nb,2\n", None),
    "ids-empty.csv": (b"id,x\n,1\n,2\n", "ids that stand twice"),
    "utf-16.csv": ("id,x,y\na,1,2\nb,3,4\n".encode("utf-16"), KIND), "bom-only.csv": (b"\xef\xbb\xbf", "a table; got an empty file"), "blank-lines.csv": (b"\n\n\n", "a table; got an empty file"),
    "open-quote.csv": (b'id,x,y\n"a,1,2\nb,3,4\n', KIND), "infinite.csv": (b"id,x\na,1\nb,inf\n", "items must be finite; got 1 row"), "complex.csv": (b"id,x\na,1\nb,1+2j\n", "'1+2j' in column 'x'"),
    # parquet, safetensors
    "truncated.parquet": (parquet(FRAME)[:-20], KIND), "text.parquet": (b"hello", KIND), "empty.parquet": (b"", KIND), "lists.parquet": (parquet(pd.DataFrame({"vector": [[1.0], [2.0]]})), "in column 'vector'"),
    "empty.safetensors": (b"", KIND), "huge-header.safetensors": (struct.pack("<Q", 2**62) + b"{}", KIND), "no-json.safetensors": (tensors(b"hello"), KIND),
    "outside.safetensors": (tensors(json.dumps({"a": {"dtype": "F32", "shape": [10**6, 9], "data_offsets": [0, 36 * 10**6]}}).encode(), b"xx"), KIND),
    "none.safetensors": (tensors(b"{}"), "exactly one matrix; got 0"),
    # word2vec
    "empty.vec": (b"", "a table; got an empty file"), "count.vec": (b"3 2\na 1 2\nb 3 4\n", "3 x 2, as its first line says; got 2 x 2"), "width.vec": (b"2 3\na 1 2\nb 3 4\n", "2 x 3, as its first line says"),
    "spaces.vec": (b"2 2\na 1 2\nnew york 3 4\n", KIND), "words.vec": (b"2 2\na 1 2\nb x y\n", "in column 1"), "twice.vec": (b"2 1\na 1\na 2\n", "ids that stand twice"), "prose.txt": (b"Hello.\nThis is a letter.\n", "a word and its numbers"),
    # other files
    "truncated.npy.gz": (gzip.compress(npy(E))[:-9], "one of .npy"), "table.csv.gz": (gzip.compress(b"id,x\na,1\n"), "one of .npy"), "gz-called.npy": (gzip.compress(npy(E))[:-9], KIND), "gz-called.csv": (gzip.compress(b"id,x\na,1\n")[:-9], KIND),
    "archive.zip": (zipped("a.npy", npy(E)), "one of .npy, .npz, .csv"), "model.bin": (b"\0" * 100, "one of .npy"), "noending": (npy(E), "one of .npy"), "weights.pt": (pickle.dumps(Boom()), "one of .npy"),
    "model.pkl": (pickle.dumps(Boom()), "one of .npy"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_is_refused_in_one_line(tmp_path, monkeypatch, capsys, name):
    monkeypatch.chdir(tmp_path)
    content, message = BAD[name]
    (tmp_path / name).write_bytes(content)
    status = main(["audit", name, "--quiet", "--json", "out.json"])
    said = capsys.readouterr().err
    assert not (tmp_path / "executed").exists()
    if message is None:  # read as it is, or refused: both are right, as long as nothing else happens
        assert status in (0, 2)
        return
    assert status == 2 and said.count("\n") == 1 and said.startswith("cosim audit: ") and len(said) < 400, said
    assert " must be " in said and "; got " in said and message in said
    assert name in said or said.startswith("cosim audit: items must be ")
    assert not (tmp_path / "out.json").exists()


def test_there_are_enough_of_them():
    assert sum(message is not None for _, message in BAD.values()) >= 80


def test_what_is_no_regular_file_is_not_waited_for(tmp_path, capsys):
    os.mkfifo(tmp_path / "pipe.npy")
    (tmp_path / "gone.npy").symlink_to(tmp_path / "nothing.npy")
    for name, said in (("pipe.npy", "got no regular file"), ("gone.npy", "got nothing of that name")):
        assert main(["audit", str(tmp_path / name), "--quiet"]) == 2
        assert f"{name} must be a file; {said}" in capsys.readouterr().err


def test_an_archive_that_unpacks_to_more_than_the_memory_is_refused(tmp_path, monkeypatch, capsys):
    np.savez_compressed(tmp_path / "bomb.npz", a=np.zeros((1000, 1000)))
    assert (tmp_path / "bomb.npz").stat().st_size < 10_000
    monkeypatch.setattr(files, "LARGEST_ARCHIVE", 10**6)
    assert main(["audit", str(tmp_path / "bomb.npz"), "--quiet"]) == 2
    assert "bomb.npz must be an archive of at most 1,000,000 bytes unpacked; got 8,000,128. Save the table as .npy" in capsys.readouterr().err


def test_ids_that_hold_lines_or_html_are_ids(tmp_path, capsys):
    rows = [["a\nb", *E[0]], ["<script>alert(1)</script>", *E[0]], ["\u2028", *E[2]], ["c\x85d", *E[3]], ["e", *E[4]]]
    with (tmp_path / "a.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(rows)
    assert main(["audit", str(tmp_path / "a.csv"), "--html", str(tmp_path / "a.html")]) == 0
    assert "<script>alert(1)</script> = a?b" in capsys.readouterr().out and "<script" not in (tmp_path / "a.html").read_text(encoding="utf-8")
    (tmp_path / "ids.txt").write_text("\n".join(["a\u2028b", "c\x85d", "e\x0bf", "g", "h"]), encoding="utf-8")
    np.save(tmp_path / "a.npy", E)
    assert len(files.read_table(tmp_path / "a.npy", tmp_path / "ids.txt").ids) == 5


# --- bad input: options -> what the line says ---

GOOD = {"q.npy": npy(E), "zero.npy": npy(np.vstack([E[:4], 0 * E[:1]])), "p.npy": npy(E[:4]), "p2.npy": npy(E[:3]), "wide.npy": npy(np.ones((4, 5))), "short.npy": npy(E[:4]), "ids.txt": "\n".join("abcde"), "few.txt": "a\nb\n",
        "twice.txt": "a\na\nb\nc\nd\n", "latin.txt": "\xe4\nb\nc\nd\ne".encode("latin-1"), "pairs.csv": "0,1\n2,3\n", "unknown.csv": "0,1\n2,77\n", "graded.csv": "0,1,0.5\n2,3,1\n",
        "wide.csv": "0,1,1,1\n", "ragged.csv": "0,1\n2\n", "longer.csv": "0,1\n2,3,1\n", "empty.csv": "", "head.csv": "left,right\n", "one-sided.csv": "0,1,1\n2,3,1\n", "labels.csv": "0,x\n1,x\n2,y\n",
        "known.csv": "0,1,1\n2,3,0\n", "nan.csv": "0,x\n1,nan\n2,x\n3,nan\n", "utf-16.csv": "0,x\n1,x\n2,y\n".encode("utf-16"), "same-row.csv": "0,4\n",
        "labels-twice.csv": "0,x\n0,y\n", "one-label.csv": "0,x\n1,x\n", "csv-with-id.csv": "id,x\na,1\nb,2\n"}


@pytest.mark.parametrize("options, message", [
    ("missing.npy", "missing.npy must be a file; got nothing of that name"), (".", "must be one of .npy"), ("folder.npy", "folder.npy must be a file; got a folder"),
    ("q.npy --users wide.npy", "users must be of the width of items, 3; got width 5"), ("q.npy --users missing.npy", "missing.npy must be a file"),
    ("q.npy --previous short.npy", "previous must be a table of 5 rows, unless both have ids; got 4 rows"),
    ("q.npy --previous q.npy --previous-users p.npy", "previous_users must be given with users"), ("q.npy --users p.npy --previous q.npy --previous-users p2.npy", "previous_users must be a table of 4 rows, unless both have ids; got 3 rows"),
    ("q.npy --ids few.txt", "few.txt must be one id for each of the 5 rows of q.npy; got 2 ids"), ("q.npy --ids twice.txt", "twice.txt must be free of ids that stand twice; got 'a' in rows [0 1]"),
    ("q.npy --ids latin.txt", "latin.txt must be a readable file"), ("csv-with-id.csv --id-column nr", "a table with a column 'nr'; got ['id', 'x']"),
    ("q.npy --pairs unknown.csv", "unknown.csv must be made of ids of the table; got '77'"), ("q.npy --pairs graded.csv", "0 or 1 in its third column; got '0.5'"),
    ("q.npy --pairs wide.csv", "a csv file of 2 or 3 columns; got 4"), ("q.npy --pairs ragged.csv", "ragged.csv must be a csv file with equally many fields in all lines; got 1 and 2"), ("q.npy --labels ragged.csv", "equally many fields in all lines; got 1 and 2"), ("q.npy --pairs longer.csv", "equally many fields in all lines; got 2 and 3"),
    ("q.npy --pairs empty.csv", "empty.csv must be a readable file of its kind; got EmptyDataError"),
    ("q.npy --pairs head.csv", "at least one line below its header"), ("q.npy --pairs one-sided.csv", "similar must be true for some pairs and false for others; got 2 of 2 true"),
    ("q.npy --labels labels-twice.csv", "ids that stand twice"), ("q.npy --labels one-label.csv", "labels must be at least two"), ("q.npy --labels graded.csv", "a csv file of 2 columns"),
    ("q.npy --pairs folder.npy", "folder.npy must be a file; got a folder"),
    ("q.npy --want f1=0.5", "--want must be precision=SHARE or recall=SHARE"), ("q.npy --want precision=2", "--want must be"), ("q.npy --want precision", "--want must be"),
    ("q.npy --threshold nan", "threshold must be a finite number"), ("q.npy --seed -1", "--seed must be a whole number >= 0; got -1"),
    ("q.npy --fail-if nonsense", "--fail-if must be a name, one of < <= > >=, and a number"), ("q.npy --fail-if zero_rows>many", "--fail-if must be a name"),
    ("q.npy --fail-if zero_rows>nan", "--fail-if must be a name"), ("q.npy --fail-if zero_rows==0", "--fail-if must be a name"), ("q.npy --fail-if >0", "--fail-if must be a name"), ("q.npy --fail-if zero_rows>", "--fail-if must be a name"),
    ("q.npy --fail-if health<0.5", "--fail-if must be about a number that `cosim audit --help` lists; got 'health'"), ("q.npy --fail-if zerorows>-1", "got 'zerorows'"),
    ("q.npy --previous-users p.npy", "previous must be given where previous_users are"), ("q.npy --labels labels.csv --pairs known.csv", "labels must be given without pairs of known similarity; got both"),
    ("q.npy --labels nan.csv", "labels must be empty where there is none; got 'nan'"), ("q.npy --html same.x --json same.x", "--json must be another file than --html; got same.x"),
    ("q.npy --want precision=nan", "--want must be"), ("q.npy --want recall=-1", "--want must be"), ("q.npy --threshold=-inf", "threshold must be a finite number"),
    ("q.npy --ids folder.npy", "folder.npy must be a file; got a folder"), ("q.npy --ids empty.csv", "empty.csv must be one id for each of the 5 rows of q.npy; got 1 id"),
    ("q.npy --previous q.npy --previous-ids few.txt", "few.txt must be one id for each"), ("q.npy --users ids.txt", "ids.txt must be word2vec text"),
    ("q.npy --labels utf-16.csv", "utf-16.csv must be a readable file"), ("zero.npy --pairs same-row.csv", "pairs must be made of rows that have a direction; got rows [4], which are zero or not finite"),
    ("q.npy --fail-if kappa>2", "--fail-if must be about something that was measured"), ("q.npy --json folder.npy", "folder.npy must be a file in a folder that exists; got a folder"), ("q.npy --html nowhere/x.html", "x.html must be a file in a folder that exists; got no such folder")])
def test_bad_options_are_refused_in_one_line(tmp_path, monkeypatch, capsys, options, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder.npy").mkdir()
    for name, content in GOOD.items():
        (tmp_path / name).write_bytes(content.encode() if isinstance(content, str) else content)
    assert main(["audit", *options.split(), "--quiet"]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and said.startswith("cosim audit: ") and message in said, said


@pytest.mark.parametrize("options", [["audit"], ["audit", "q.npy", "--trained", "sgd"], ["audit", "q.npy", "--metric", "jaccard"], [], ["audit", "q.npy", "--threshold", "x"]])
def test_the_parser_ends_with_the_same_status(options, capsys):
    with pytest.raises(SystemExit) as caught:
        main(options)
    assert caught.value.code == 2


def test_a_file_that_may_not_be_read(tmp_path, monkeypatch, capsys):
    np.save(tmp_path / "a.npy", E)
    monkeypatch.setattr(np, "load", lambda *a, **k: (_ for _ in ()).throw(PermissionError(13, "Permission denied")))
    assert main(["audit", str(tmp_path / "a.npy"), "--quiet"]) == 2
    assert "a.npy must be a readable file of its kind; got PermissionError: Permission denied" in capsys.readouterr().err


def test_a_missing_reader_is_named(tmp_path, monkeypatch, capsys):
    save_file({"a": E}, tmp_path / "a.safetensors")
    monkeypatch.setitem(__import__("sys").modules, "safetensors", None)
    assert main(["audit", str(tmp_path / "a.safetensors"), "--quiet"]) == 2
    said = capsys.readouterr().err
    assert "a.safetensors must be readable here; got " in said and "pip install safetensors" in said
