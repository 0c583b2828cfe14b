"""The class list, the course secret, and who is meant by a name that a platform, a browser or an operating system made.

Touches: reads files that the teacher wrote.
"""
import csv
import os
import re
import unicodedata
from collections import Counter
from pathlib import Path

import yaml

# lovelaceada_LATE_1001_98765_01-rescaling.ipynb: the student's ID, the file's
CANVAS = re.compile(r"(?P<short>[^_]*?)_(?:LATE_)?(?P<canvas_id>\d+)_\d+_(?P<rest>.*)", re.DOTALL)
# Ada Lovelace_4711_assignsubmission_file_, a folder, or with the file's name after it; a group's name may stand before
MOODLE = re.compile(r"(?P<name>.*)_(?P<participant>\d+)_assignsubmission_(?:file|onlinetext)_?(?P<rest>.*)", re.DOTALL)
# Homework 1_ada_attempt_2026-10-01-12-00-00_01-rescaling.ipynb, by Blackboard, and the same with .txt and no name of a file
BLACKBOARD = re.compile(r"(?P<title>.*)_(?P<student>[^_]+)_attempt_\d{4}(?:-\d\d){5}_?(?P<rest>.*)", re.DOTALL)
GRADESCOPE = "submission_metadata.yml"
COPY = re.compile(r"(?:[-_ ]+copy\s*\d*|-copy\d+|\s*\(\d+\)|-\d{1,2})+$", re.IGNORECASE)
CANVAS_COLUMNS = {"student": "name", "id": "canvas_id", "sis login id": "student", "sis user id": "sis_id"}


def shown(name: str) -> str:
    """A name as it can be written and printed: composed letters (a Mac decomposes them), no bytes of an old Windows, one line."""
    raw = os.fsencode(name) if any("\ud800" <= letter <= "\udfff" for letter in name) else name.encode()
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        text = raw.decode("cp1252", "replace")
    return "".join(letter if letter.isprintable() else "?" for letter in unicodedata.normalize("NFC", text))


def words(name: str) -> list[str]:
    """The words of a name in any order: "Lovelace, Ada" is Ada Lovelace."""
    return sorted(re.findall(r"\w+", shown(name).casefold()))


def from_platform(name: str) -> str:
    """What is left of a file's name when a platform's part is taken off; empty if no platform named it."""
    made = MOODLE.fullmatch(name) or BLACKBOARD.fullmatch(name) or CANVAS.fullmatch(name)
    return made["rest"] or "notebook" if made else ""


def owner(entry: str, guess: str, listed: list[dict[str, str]]) -> str:
    """Who in the class list handed in a file or folder with this name, or else `guess`."""
    entry, guess = shown(entry), shown(guess)
    names = {row["student"]: row["student"] for row in listed}
    tries = [[name for name in names if name == guess], [name for name in names if name.casefold() == guess.casefold()]]
    if moodle := MOODLE.fullmatch(entry):
        full = words(moodle["name"])
        tries.append([row["student"] for row in listed if row.get("participant") == moodle["participant"]])
        tries.append([row["student"] for row in listed if words(row.get("name", "")) == full])
        group = moodle["name"].rpartition("-")[2]
        tries.append([row["student"] for row in listed if group and words(row.get("name", "")) == words(group)])
    elif canvas := CANVAS.fullmatch(entry):
        tries.append([row["student"] for row in listed if row.get("canvas_id") == canvas["canvas_id"]])
    elif blackboard := BLACKBOARD.fullmatch(entry):
        guess = blackboard["student"]
        tries.append([name for name in names if name.casefold() == guess.casefold()])
    else:
        tries.append([row["student"] for row in listed if row.get("name") and words(row["name"]) == words(guess)])
        tries.append([name for name in names if guess.isdecimal() and name.isdecimal() and int(name) == int(guess)])  # Excel takes zeros away
    return next((found[0] for found in tries if len(found) == 1), guess)


def submitters(folder: Path) -> dict[str, list[dict[str, str]]]:
    """Name, email and number of who handed in each folder of Gradescope's export, `submission_123`."""
    found = {}
    for path in [*folder.glob(GRADESCOPE), *folder.glob(f"*/{GRADESCOPE}")]:
        try:
            found |= {entry: [{key.strip(":"): str(value or "") for key, value in who.items()} for who in about[":submitters"]]
                      for entry, about in yaml.safe_load(read_text(path)).items()}
        except (yaml.YAMLError, AttributeError, KeyError, TypeError):
            raise SystemExit(f"{path} must be as Gradescope wrote it: the submitters of each folder") from None
    return found


def submitter(who: dict[str, str], listed: list[dict[str, str]]) -> str:
    """Who in the class list is meant by Gradescope, else the name as it has it."""
    for key, column in (("email", "email"), ("sid", "student"), ("sid", "sis_id")):
        same = [row["student"] for row in listed if who.get(key) and row.get(column, "").casefold() == who[key].casefold()]
        if len(same) == 1:
            return same[0]
    guess = who.get("name") or who.get("email", "")
    return owner(guess, guess, listed)


def read_class(path: Path) -> list[dict[str, str]]:
    """A class list: a CSV file with the column `student`, the name that submissions come under, or Canvas's own export."""
    rows = read_table(path)
    if rows and "sis login id" in rows[0]:
        rows = [{CANVAS_COLUMNS.get(key, key): value for key, value in row.items()} for row in rows]
        rows = [row for row in rows if row.get("name", "").strip() not in ("Points Possible", "Student, Test") and row.get("canvas_id")]
    if unnamed := [row for row in rows or [{}] if not row.get("student")]:
        raise SystemExit(f"{path} must have a column 'student' and a name in it in every row; one is {unnamed[0]}")
    for row in rows:
        row["student"] = shown(row["student"])
    for column in ("student", "canvas_id", "participant"):
        counts = Counter(row[column].casefold() for row in rows if row.get(column))
        if twice := [row[column] for row in rows if row.get(column) and counts[row[column].casefold()] > 1]:
            raise SystemExit(f"{path} must name every student once (column {column}); it names more than once: {', '.join(dict.fromkeys(twice))}")
    if rounded := [row[column] for row in rows for column in ("student", "canvas_id", "sis_id") if re.fullmatch(r"\d[.,]?\d*E\+?\d+", row.get(column, ""))]:
        raise SystemExit(f"{path}: a spreadsheet has rounded long numbers, {', '.join(rounded[:3])}: make the column text and fill it in again")
    if unfit := [row["student"] for row in rows if re.search(r'^\.|[/\\:*?"<>|]|[. ]$', row["student"])]:
        raise SystemExit(f"{path}: a student's name becomes a folder's name, so it cannot begin with a dot, end with a dot or hold "
                         f"/ \\ : * ? \" < > |; got {', '.join(unfit)}")
    return rows


def read_secret(path: Path | None) -> str | None:
    """The course secret, from a file that stays with the teacher."""
    if path is None:
        return None
    secret = read_text(path).strip()
    if len(secret) < 16:
        raise SystemExit(f"{path} must hold at least 16 characters; make one with: openssl rand -hex 16 > {path}")
    return secret


def separator(path: Path) -> str:
    """The separator that the teacher's spreadsheet uses."""
    lines = table_lines(path)
    return max(",;\t", key=lines[0].count) if lines else ","


def table_lines(path: Path) -> list[str]:
    """The lines of a table, without the line `sep=;` that some spreadsheets put first."""
    lines = read_text(path).splitlines()
    return lines[1:] if lines and re.fullmatch(r'"?sep=.?"?', lines[0].strip(), re.IGNORECASE) else lines


def read_table(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV file that the teacher wrote, with whatever separator the spreadsheet at hand uses."""
    rows = [{(key or "").strip().lower(): value.strip() for key, value in row.items() if isinstance(value, str)}
            for row in csv.DictReader(table_lines(path), delimiter=separator(path))]
    return [row for row in rows if any(row.values())]


def read_text(path: Path) -> str:
    """A file that the teacher wrote."""
    try:
        data = path.read_bytes()
        return data.decode("utf-16" if data.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig")
    except OSError as error:
        raise SystemExit(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise SystemExit(f"{path} must be text in UTF-8 (in a spreadsheet: save as 'CSV UTF-8')") from None


def path(text: str) -> Path:
    """A path as typed: make does not expand ~."""
    return Path(text).expanduser().resolve()
