"""Answers to the exercise of notebook 00."""

from answers import right, wrong

ANSWERS = {
    "0.1": [
        right("a plain def", ("async def", "def")),
        wrong("nothing returned", "Does your code say `return`?", ("return ", "")),
        wrong("a fixed name", "Use the argument `name` instead of a fixed name.", ("{name}", "Ann")),
        wrong("other words", "to return 'Hello, Ann!'; saw 'Hi, Ann!'", ("Hello", "Hi")),
        wrong("a forgotten f", "Put an `f` before the quotation mark", ('f"Hello', '"Hello')),
        wrong("an error", "ValueError: oops", body='raise ValueError("oops")'),
    ]
}
