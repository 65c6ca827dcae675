"""`make size`: lines of code in workshop_lib, without blank lines, comments and docstrings."""

from __future__ import annotations

import ast
import io
import sys
import tokenize
from pathlib import Path

LIBRARY = Path(__file__).resolve().parent.parent / "workshop_lib"
# Counted, but outside the limit. nexus_mcp and governance can be lifted out: they are no part of the workshop's engine.
APART = {"teams", "demos", "nexus_mcp", "governance", "checks", "views"}
LIMIT = 4050  # the offline model, the conversation and the agent loop are 1,100 of them
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


def main() -> int:
    """Print each module's size, and fail over the limit."""
    counted = 0
    for path in sorted(LIBRARY.rglob("*.py")):
        name = path.relative_to(LIBRARY)
        source = path.read_text()
        size = lines_of_code(source)
        apart = name.parts[0] in APART
        counted += 0 if apart else size
        print(f"{size:6} of {len(source.splitlines()):5} lines  {name}{'  (apart)' if apart else ''}")
    print(f"{counted:6} lines of code count, of {LIMIT} at most")
    return int(counted > LIMIT)


if __name__ == "__main__":
    sys.exit(main())
