"""One hash for one value, whoever wrote it as JSON."""

import hashlib
import json
from typing import Any


def sha256(value: Any) -> str:
    """The hash of a value as JSON, in hexadecimal: the same for 500 and 500.0, which are one number in JSON.

    Args:
        value: What ``json`` can write.
    """
    return hashlib.sha256(json.dumps(_canonical(value), sort_keys=True).encode()).hexdigest()


def _canonical(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list | tuple):
        return [_canonical(each) for each in value]
    return {name: _canonical(each) for name, each in value.items()} if isinstance(value, dict) else value
