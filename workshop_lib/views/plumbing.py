"""``plumbing``: how many lines of a program are business logic, and how many are plumbing.

A line of code is business logic if it has a name from the business, such as a step or its data. Otherwise it is
plumbing. A statement counts with all its lines. Imports, comments, docstrings and blank lines are not counted.
"""

import io
import tokenize
from collections.abc import Iterable, Mapping

from workshop_lib.views.svg import WAIT, WIDTH, WORK, Picture

_NAMES, _BARS, _LONGEST = 8, 196, 400  # where names and bars begin, and the length of the longest bar


def plumbing(title: str, versions: Mapping[str, str], names: Iterable[str]) -> None:
    """Draw how much of each version is business logic, and how much is plumbing.

    Args:
        title: What the picture shows.
        versions: The source code of each version, by its name.
        names: The names from the business.
    """
    counted = {name: count(version, names) for name, version in versions.items()}
    scale = _LONGEST / (max(map(sum, counted.values())) or 1)
    picture, text, y = Picture(title), [title], 44.0
    picture.text(_NAMES, 18, title, bold=True)
    for name, (business, other) in counted.items():
        share = round(100 * business / ((business + other) or 1))
        said = f"{business} + {other} lines, {share} % business logic"
        between, end = _BARS + business * scale, _BARS + (business + other) * scale
        picture.text(_NAMES, y + 4, name, room=_BARS - _NAMES - 8)
        picture.rect(_BARS, y - 9, between - _BARS, 18, fill=WORK)
        if other:
            picture.rect(between, y - 9, end - between, 18, stroke=WAIT)
        picture.text(end + 8, y + 4, said, room=WIDTH - end - 8)
        text.append(f"  {name}: {said}")
        y += 28
    picture.notes(_NAMES, y + 8, "filled: business logic · hollow: plumbing")
    picture.show(y + 18, "\n".join(text))


def count(source: str, names: Iterable[str]) -> tuple[int, int]:
    """The number of lines of business logic and of plumbing in a program.

    Args:
        source: The program.
        names: The names from the business.
    """
    business, counted = frozenset(names), [0, 0]
    words: list[tokenize.TokenInfo] = []
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type in (tokenize.NAME, tokenize.NUMBER, tokenize.OP):
            words.append(token)
        elif token.type == tokenize.NEWLINE:  # the end of what Python reads as one line
            if words and words[0].string not in ("import", "from"):  # a docstring has no words
                is_plumbing = business.isdisjoint(word.string for word in words)
                counted[is_plumbing] += token.end[0] - words[0].start[0] + 1
            words = []
    return counted[0], counted[1]
