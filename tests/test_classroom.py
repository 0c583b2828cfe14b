"""The class list, the secret, the names that learning platforms give to hand-ins, and the house that the programs live in."""

import re
import unicodedata

import pytest
from guards import ROOT, assert_none

import grading
from grading import roster

CLASS = "student,name,canvas_id\nada,\"Lovelace, Ada\",1001\ncem,Cem Ç,1002\n"
ROWS = [{"student": "ada", "name": "Lovelace, Ada", "canvas_id": "1001"}, {"student": "cem", "name": "Cem Ç", "canvas_id": "1002"}]


@pytest.mark.parametrize("text", [CLASS, "\ufeff" + CLASS, CLASS.replace("student", "Student "), CLASS.replace("\n", "\r\n"),
                                  'student;name;canvas_id\nada;Lovelace, Ada;1001\ncem;Cem Ç;1002\n', CLASS + "\n", CLASS + ",,\n", "sep=,\n" + CLASS,
                                  '"sep=;"\nstudent;name;canvas_id\nada;Lovelace, Ada;1001\ncem;Cem Ç;1002\n', CLASS.replace(",", "\t").replace("e\t A", "e, A"),
                                  unicodedata.normalize("NFD", CLASS).replace(unicodedata.normalize("NFD", "Cem Ç"), "Cem Ç")],
                         ids=["plain", "BOM", "capital", "CRLF", "semicolons", "empty line", "empty row", "sep=,", "sep=;", "tabs", "NFD"])
def test_class_list_as_spreadsheets_write_it(tmp_path, text):
    (tmp_path / "class.csv").write_text(text, encoding="utf-8", newline="")
    assert roster.read_class(tmp_path / "class.csv") == ROWS


@pytest.mark.parametrize("text, message", [
    ("", "must have a column 'student'.* one is {}"), ("name\nAda\n", "must have a column 'student'"), ("student\n", "must have a column 'student'"),
    ("student,name\nada,A\n,B\n", "in every row"), ("student\nada\nada\n", "more than once: ada"),
    ("student\nada\nAda\n", "more than once: ada, Ada"), ("student,canvas_id\nada,1\nbob,1\n", "column canvas_id.*more than once: 1"),
    ("student,sis_id\nada,1.23457E+11\n", "rounded long numbers, 1.23457E.11"), ("student\n../ada\n", "cannot begin with a dot"), ("student\nada/b\n", "got ada/b"),
])
def test_class_list_that_cannot_be_used(tmp_path, text, message):
    (tmp_path / "class.csv").write_text(text, encoding="utf-8")
    with pytest.raises(SystemExit, match=message):
        roster.read_class(tmp_path / "class.csv")


def test_missing_or_foreign_files_are_named(tmp_path):
    for read in (roster.read_class, roster.read_secret):
        with pytest.raises(SystemExit, match="nothing.csv cannot be read: No such file"):
            read(tmp_path / "nothing.csv")
    (tmp_path / "latin.csv").write_text("student\nçem\n", encoding="latin-1")
    with pytest.raises(SystemExit, match="must be text in UTF-8"):
        roster.read_class(tmp_path / "latin.csv")


@pytest.mark.parametrize("entry, student", [
    ("lovelaceada_1001_98765_01-rescaling.ipynb", "ada"), ("c_LATE_1002_98766_01-rescaling-2.ipynb", "cem"),
    ("Ada Lovelace_4711_assignsubmission_file_", "ada"), ("Cem Ç_4712_assignsubmission_file", "cem"),
    ("lovelaceada_1001_98765_01-rescaling-1.ipynb", "ada"), ("Ada Lovelace_4711_assignsubmission_file_01-rescaling.ipynb", "ada"),
    ("Group A-Ada Lovelace_4711_assignsubmission_file_", "ada"), (unicodedata.normalize("NFD", "Cem Ç_4712_assignsubmission_file_"), "cem"),
    ("Participant_4713_assignsubmission_file_", "dot"), ("cem ç", "cem"), ("Lovelace, Ada", "ada"), ("Ada", "ada"),
    ("somebody_1003_1001_01-rescaling.ipynb", "as it is"), ("Ada_4711_assignsubmission_file_", "as it is"), ("ada-01.ipynb", "as it is"),
])
def test_names_given_by_canvas_and_moodle(entry, student):
    rows = [*ROWS, {"student": "dot", "name": "Dot D", "participant": "4713"}]
    assert roster.owner(entry, entry if len(entry) < 15 and entry != "ada-01.ipynb" else "as it is", rows) == student


def test_two_of_one_name_are_told_apart_by_nobody():
    twins = [{**ROWS[0], "student": name} for name in ("ada", "ada2")]
    assert roster.owner("Ada Lovelace_4711_assignsubmission_file_", "as it is", twins) == "as it is"
    assert roster.owner("lovelaceada_1001_98765_01.ipynb", "ada2", twins) == "ada2"


def test_canvas_own_export_is_a_class_list(tmp_path):
    (tmp_path / "class.csv").write_text("Student,ID,SIS User ID,SIS Login ID,Section,01-rescaling (7)\n    Points Possible,,,,,12\n"
                                        '"Lovelace, Ada",1001,S1,ada,ML-1,\n"Student, Test",,,,ML-1,\n', encoding="utf-8-sig")
    (row,) = roster.read_class(tmp_path / "class.csv")
    assert (row["student"], row["name"], row["canvas_id"], row["sis_id"], row["section"]) == ("ada", "Lovelace, Ada", "1001", "S1", "ML-1")


@pytest.mark.parametrize("name, readable", [
    ("Jos\u0065\u0301", "José"), ("J\udcf6rg", "Jörg"), ("a\nb", "a?b"), ("a\u202eb", "a?b"), ("plain", "plain"), ("\udcff\udcfe", "ÿþ")])
def test_names_can_be_written_and_printed(name, readable):
    assert roster.shown(name) == readable
    readable.encode()


def test_each_program_says_what_it_touches_and_is_short():
    modules = sorted((ROOT / "grading").glob("*.py"))
    assert len(modules) > 20
    assert_none(f"{path.name}: {len(text.splitlines())} lines" for path in modules if len((text := path.read_text()).splitlines()) > 250)
    assert_none(f"{path.name}: no sentence on what it touches" for path in modules
                if path.name != "__init__.py" and not re.search(r"^Touches: [^\n]", path.read_text().split('"""')[1], re.MULTILINE))
    assert_none(f"{path.name} is not on the map of the house" for path in modules if path.name not in grading.__doc__ and path.name != "__init__.py")


def test_nothing_of_the_programs_stands_among_the_content():
    assert {path.suffix for path in (ROOT / "assignments").iterdir() if path.is_file()} == set()
