"""The class list, the secret and the names that learning platforms give to hand-ins."""

import sys

import pytest
from guards import ROOT

sys.path.insert(0, str(ROOT / "assignments"))
import classroom  # noqa: E402

CLASS = "student,name,canvas_id\nada,\"Lovelace, Ada\",1001\ncem,Cem Ç,1002\n"
ROWS = [{"student": "ada", "name": "Lovelace, Ada", "canvas_id": "1001"}, {"student": "cem", "name": "Cem Ç", "canvas_id": "1002"}]


@pytest.mark.parametrize("text", [CLASS, "\ufeff" + CLASS, CLASS.replace("student", "Student "), CLASS.replace("\n", "\r\n"),
                                  'student;name;canvas_id\nada;Lovelace, Ada;1001\ncem;Cem Ç;1002\n', CLASS + "\n", CLASS + ",,\n"],
                         ids=["plain", "BOM", "capital", "CRLF", "semicolons", "empty line", "empty row"])
def test_class_list_as_spreadsheets_write_it(tmp_path, text):
    (tmp_path / "class.csv").write_text(text, encoding="utf-8", newline="")
    assert classroom.read_class(tmp_path / "class.csv") == ROWS


@pytest.mark.parametrize("text, message", [
    ("", "must have a column 'student'.* one is {}"), ("name\nAda\n", "must have a column 'student'"), ("student\n", "must have a column 'student'"),
    ("student,name\nada,A\n,B\n", "in every row"), ("student\nada\nada\n", "more than once: ada"),
    ("student\n../ada\n", "cannot begin with a dot"), ("student\nada/b\n", "got ada/b"),
])
def test_class_list_that_cannot_be_used(tmp_path, text, message):
    (tmp_path / "class.csv").write_text(text, encoding="utf-8")
    with pytest.raises(SystemExit, match=message):
        classroom.read_class(tmp_path / "class.csv")


def test_missing_or_foreign_files_are_named(tmp_path):
    for read in (classroom.read_class, classroom.read_secret):
        with pytest.raises(SystemExit, match="nothing.csv cannot be read: No such file"):
            read(tmp_path / "nothing.csv")
    (tmp_path / "latin.csv").write_text("student\nçem\n", encoding="latin-1")
    with pytest.raises(SystemExit, match="must be text in UTF-8"):
        classroom.read_class(tmp_path / "latin.csv")


@pytest.mark.parametrize("entry, student", [
    ("lovelaceada_1001_98765_01-rescaling.ipynb", "ada"), ("c_LATE_1002_98766_01-rescaling-2.ipynb", "cem"),
    ("Ada Lovelace_4711_assignsubmission_file_", "ada"), ("Cem Ç_4712_assignsubmission_file", "cem"),
    ("somebody_1003_1001_01-rescaling.ipynb", "as it is"), ("Ada_4711_assignsubmission_file_", "as it is"), ("ada-01.ipynb", "as it is"),
])
def test_names_given_by_canvas_and_moodle(entry, student):
    assert classroom.owner(entry, "as it is", ROWS) == student


def test_two_of_one_name_are_told_apart_by_nobody():
    twins = [{**ROWS[0], "student": name} for name in ("ada", "ada2")]
    assert classroom.owner("Ada Lovelace_4711_assignsubmission_file_", "as it is", twins) == "as it is"
    assert classroom.owner("lovelaceada_1001_98765_01.ipynb", "ada2", twins) == "ada2"
