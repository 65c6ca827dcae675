"""`make size`: how much code there is, room by room. Nothing is left out, and nothing may grow past its limit."""

import ast
import io
import sys
import tokenize
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# Lines of code, of code, and of all kinds. The goals are 11,000, 2,200 and 11,000: whoever makes it less lowers these.
LIBRARY, CHECKS, TESTS = 12_544, 2_371, 13_529
FILE, CLASS = 450, 250  # lines of all kinds
STILL_LONG: set[str] = set()
_NO_CODE = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}


def lines_of_code(source: str) -> int:
    """Lines that hold a token of code."""
    docstrings: set[int] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0] if node.body else None
            if (
                isinstance(first, ast.Expr)
                and isinstance(first.value, ast.Constant)
                and isinstance(first.value.value, str)
            ):
                docstrings |= set(range(first.lineno, (first.end_lineno or first.lineno) + 1))
    code: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in _NO_CODE:
            code |= set(range(token.start[0], token.end[0] + 1))
    return len(code - docstrings)


def python_files(folder: str) -> list[Path]:
    return [path for path in sorted((ROOT / folder).rglob("*.py")) if "node_modules" not in path.parts]


def too_long(path: Path) -> list[str]:
    """A file and its classes, where they have more lines than they may have."""
    source = path.read_text(encoding="utf-8")
    sizes = {"": (len(source.splitlines()), FILE)}
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ClassDef):
            sizes[f", class {node.name}"] = ((node.end_lineno or node.lineno) - node.lineno + 1, CLASS)
    if path.name in STILL_LONG:
        return []
    name = path.relative_to(ROOT)
    return [f"{name}{what}: {lines} lines, of {most} at most" for what, (lines, most) in sizes.items() if lines > most]


def main() -> int:
    rooms: Counter[str] = Counter()
    for path in python_files("workshop_lib"):
        rooms[path.relative_to(ROOT / "workshop_lib").parts[0]] += lines_of_code(path.read_text(encoding="utf-8"))
    for room, size in rooms.most_common():
        print(f"{size:6}  {room}")
    answers = sorted((ROOT / "tests").rglob("answers_*.txt"))
    tests = sum(len(path.read_text(encoding="utf-8").splitlines()) for path in [*python_files("tests"), *answers])
    limits = [
        (rooms.total(), LIBRARY, "lines of code in workshop_lib"),
        (rooms["checks"], CHECKS, "of these in checks"),
        (tests, TESTS, "lines in tests"),
    ]
    for size, most, what in limits:
        print(f"{size:6}  {what}, of {most} at most")
    over = [line for folder in ("workshop_lib", "tests") for path in python_files(folder) for line in too_long(path)]
    print("\n".join(over))
    return int(bool(over) or any(size > most for size, most, _ in limits))


if __name__ == "__main__":
    sys.exit(main())
