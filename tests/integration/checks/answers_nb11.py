"""Answers to the exercises of notebook 11, right and wrong."""

from answers import right, wrong

_CARDS, _REFUNDS = "[limit, small, large]", "[huge, small, large]"
_TOML = '''
return Policy.from_toml(f"""
    [[rules]]
    name = "no large cards"
    verdict = "deny"
    callers = ["{sales}"]
    when = ["dollars > 25"]
    [[rules]]
    name = "three a day"
    verdict = "limit"
    callers = ["{sales}"]
    most = 3
    per = "day"
    [[rules]]
    name = "cards"
    verdict = "allow"
    callers = ["{sales}", "{marketing}"]
    operations = ["GiftCards.*"]
    when = ["dollars <= 100"]
""")
'''
_REST = ', Rule("the rest", "allow", [marketing], ["Refunds.refund"])]'
_BETWEEN = 'when=["amount > 50", "amount <= 2000"], approvers'

ANSWERS = {
    "11.1": [
        right("the limit last but one", (_CARDS, "[large, limit, small]")),
        right("in TOML", body=_TOML),
        wrong(
            "the limit after the allow",
            "if it comes before the rule that allows.",
            (_CARDS, "[small, limit, large]"),
        ),
        wrong("a limit for all", "The limit is for sales only", ('"limit", [sales]', '"limit", ["*"]')),
        wrong("three an hour", '`per="day"`', ('per="day"', 'per="hour"')),
        wrong("no limit", "sales' fourth card", (_CARDS, "[small, large]")),
        wrong("another field", "The field is called `dollars`", ("dollars <= 25", "amount <= 25")),
        wrong("no list", "are lists, also where", ('"allow", [sales]', '"allow", sales')),
        wrong("another bound", "*up to* includes it", ("dollars <= 25", "dollars <= 24")),
        wrong("too many operations", "What no rule allows is denied.", (", large]", f", large{_REST}")),
        wrong("only in the log", "`log_only=True` decides nothing", ('per="day"', 'per="day", log_only=True')),
    ],
    "11.2": [
        right("small first", (_REFUNDS, "[small, huge, large]")),
        right("held between two bounds", (_REFUNDS, "[large, small]"), ("approvers", _BETWEEN)),
        wrong("below fifty", "50 dollars run at once", ("amount <= 50", "amount < 50")),
        wrong("the hold first", "have to come before the rule that holds", (_REFUNDS, "[large, huge, small]")),
        wrong("the deny last", "have to come before the rule that holds", (_REFUNDS, "[small, large, huge]")),
        wrong("for everybody", "Name the callers", ('"small", "allow", [sales]', '"small", "allow", ["*"]')),
        wrong("silence allows", "the default is", ("hours=48", 'hours=48, silence="allow"')),
        wrong("one day", "`hours=48`", ("hours=48", "hours=24")),
        wrong("no time", "Your policy cannot be made", ("hours=48", "hours=0")),
        wrong("others approve", "Finance alone decides", ("approvers=[finance]", 'approvers=["sales"]')),
    ],
    "11.3": [
        right("with a default", ("paid.get(row.caller, 0.0) + row", "paid.setdefault(row.caller, 0.0) + row")),
        wrong("held is paid", "A call that is held has paid nothing yet.", ('"approved")', '"hold")')),
        wrong("approved is not", "It was paid, too.", ('("allow", "approved")', '("allow",)')),
        wrong("twice", "has two rows", ('"approved")', '"approved", "hold")')),
        wrong("denied is paid", "paid nothing", ('"approved")', '"approved", "deny")')),
        wrong("only the last", "Add up", ("paid.get(row.caller, 0.0) + row", "row")),
        wrong("for who approved", "`by` is who approved", ("paid[row.caller]", "paid[row.by or row.caller]")),
        wrong("a list", "Return a dict", ("return paid", "return list(paid.items())")),
    ],
}
