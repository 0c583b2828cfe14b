"""Answers to the exercises of the book, compared without being shown.

`exercises.toml` keeps a salted hash of every right answer, and a sentence for each mistake that is likely.
"""

import hashlib
import numbers
import re
import tomllib
from functools import cache
from importlib import resources
from itertools import permutations

import numpy as np

from ._checks import real_array, require

NEAR = 5  # units of the third digit


def self_check(exercise: str, answer) -> None:
    """Say whether an answer to an exercise is right, almost right, and why, or wrong; print one line.

    The right answer stands nowhere in clear: hashes are compared. That keeps it from being read by accident, not from
    being searched for. Numbers are compared to three significant digits, words without case, signs and what is in
    parentheses.

    Source: this project; the exercises stand at the end of each chapter.

    Parameters
    ----------
    exercise : str
        Chapter and number: "full-rank-2" is the second exercise of that chapter.
    answer : float, sequence of float, str or sequence of str
        What the exercise asks for; ``...`` as long as there is none.

    Raises
    ------
    ValueError
        If there is no such exercise, or the answer is not of the kind that it asks for.

    Examples
    --------
    >>> self_check("how-arbitrary-1", ...)
    not answered yet
    >>> self_check("how-arbitrary-1", 0.549)
    almost: that is ln κ, and the condition number itself is asked
    """
    exercises = _exercises()
    require(exercise in exercises, "exercise", "chapter and number of one that can be checked, like 'full-rank-2'", repr(exercise))
    asked = exercises[exercise]
    if answer is ... or isinstance(answer, (list, tuple)) and ... in answer:
        print("not answered yet")
        return
    form = _FORMS[asked["form"]](answer, asked)
    print(_verdict(exercise, form, asked))


@cache
def _exercises():
    """Exercise -> its form, the hashes of right answers, and hints: hash of a mistake -> what is said to it."""
    return tomllib.loads(resources.files(__package__).joinpath("exercises.toml").read_text(encoding="utf-8"))


def _hash(exercise, answer):
    return hashlib.blake2b(f"{exercise}: {answer}".encode(), digest_size=6).hexdigest()


def _verdict(exercise, answer, asked):
    right, hints = asked["right"], asked.get("hints", {})
    given = _hash(exercise, answer)
    if given in right:
        return "right"
    if given in hints:
        return hints[given]
    near = (why for other, why in _NEAR[asked["form"]](answer, asked) if _hash(exercise, other) in right)
    return next((f"almost: {why}" for why in near), "wrong")


# --- one form for all that means the same -------------------------------------------------------


def _number(answer, asked):
    number = _array(answer)
    require(number.ndim == 0, "answer", "one number", f"shape {number.shape}")
    return _digits(number)


def _numbers(answer, asked):
    found = _array(answer)
    require(found.ndim == 1, "answer", "a list of numbers", f"shape {found.shape}")
    return ", ".join(map(_digits, found))


def _array(answer):
    require(not isinstance(answer, (str, set)), "answer", "made of numbers", repr(answer))
    found = real_array(answer, "answer")
    require(np.isfinite(found).all(), "answer", "finite", found)
    return found


def _digits(number):
    """Three significant digits: 1.7320508 is "1.73e+00"."""
    return f"{number + 0.0:.2e}"  # -0. is 0.


def _word(answer, asked):
    require(isinstance(answer, (str, numbers.Real)), "answer", "a text, in quotes", repr(answer))
    text = answer if isinstance(answer, str) else f"{answer:g}"
    return " ".join(re.findall(r"\w+", re.sub(r"\(.*?\)", " ", text.casefold())))


def _choices(answer, asked):
    """The options that were chosen, in the order of the exercise."""
    options = {_word(option, asked): option for option in asked["options"]}
    require(isinstance(answer, (str, list, tuple, set)), "answer", "a list of texts", repr(answer))
    chosen = {_word(each, asked) for each in ([answer] if isinstance(answer, str) else answer)}
    for each in chosen:
        require(each in options, "answer", f"made of {', '.join(map(repr, options.values()))}", repr(each))
    return ", ".join(option for option in options if option in chosen)


_FORMS = {"number": _number, "numbers": _numbers, "word": _word, "choices": _choices}


# --- answers that are nearly the same, and what is said to them ----------------------------------


def _near_number(answer, asked):
    number = float(answer)
    unit = 10.0 ** (int(answer.partition("e")[2]) - 2)
    yield _digits(-number), "the sign is not right"
    yield _digits(1 / number) if number else answer, "turn the fraction over"
    yield _digits(number / 100), "as a share of 1, not in percent"
    for step in range(1, NEAR + 1):
        for other in (number - step * unit, number + step * unit):
            yield _digits(other), "right to about two digits, and three are asked"


def _near_numbers(answer, asked):
    for other in permutations(answer.split(", ")[:6]):
        yield ", ".join(other), "these are the numbers, in another order"


def _near_choices(answer, asked):
    """One too many or one too few."""
    options = [_word(option, asked) for option in asked["options"]]
    chosen = set(filter(None, answer.split(", ")))
    for option in options:
        other = ", ".join(each for each in options if each in chosen ^ {option})
        yield other, "one of them does not belong there" if option in chosen else "all of them belong there, and one is missing"


_NEAR = {"number": _near_number, "numbers": _near_numbers, "word": lambda answer, asked: (), "choices": _near_choices}
