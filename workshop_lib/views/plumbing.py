"""``plumbing``: how many lines of a program are business logic, and how many are plumbing.

A line of code is business logic if it has a name from the business, such as a step or its data. Otherwise it is
plumbing. A statement counts with all its lines. Imports, comments, docstrings and blank lines are not counted.
"""

import io
import tokenize
from collections.abc import Iterable, Mapping

from workshop_lib.evidence.messages import Display
from workshop_lib.views.grid import FAINT, WAIT, WORK, at, bar, box, figure, text

_LONGEST = 0.55  # the longest bar, as a share of the room for bars and what they say


def plumbing(title: str, versions: Mapping[str, str], names: Iterable[str]) -> None:
    """Draw how much of each version is business logic, and how much is plumbing.

    Args:
        title: What the picture shows.
        versions: The source code of each version, by its name.
        names: The names from the business.
    """
    counted = {name: count(version, names) for name, version in versions.items()}
    scale = _LONGEST / (max(map(sum, counted.values())) or 1)
    parts, lines = [text(title, grid_column="1/-1", font_weight="600")], [title]
    for name, (business, other) in counted.items():
        share = round(100 * business / ((business + other) or 1))
        said = f"{business} + {other} lines, {share} % business logic"
        between, end = business * scale, (business + other) * scale
        bars = [bar(0, between, 18, background=WORK), at(end, said, margin_left="8px")]
        bars += [bar(between, end, 18, border=f"1px solid {WAIT}")] if other else []
        parts += [text(name), box(*bars, position="relative", margin_left="12px")]
        lines.append(f"  {name}: {said}")
    parts.append(text("filled: business logic · hollow: plumbing", grid_column="1/-1", color=FAINT))
    Display().show(figure(title, *parts, columns="fit-content(25%) 1fr", line_height="28px"), "\n".join(lines))


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
