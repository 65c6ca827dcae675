"""Key rings: which key is used, who reads what, and what is said where a key is missing."""

import os

import pytest
from temporalio.api.common.v1 import Payload
from temporalio.converter import NexusSerializationContext, WorkflowSerializationContext
from temporalio.exceptions import ApplicationError

from workshop_lib.governance.keys import KeyRing

KEYS = {name: os.urandom(32) for name in ("sales", "contract", "other")}
PLAIN = Payload(metadata={"encoding": b"json/plain"}, data=b'"ACME"')
OPERATION = NexusSerializationContext(endpoint="finance", service="Finance", operation="stock_price")


def ring(*names: str) -> KeyRing:
    return KeyRing({name: KEYS[name] for name in names}, names[0], {"finance": names[-1]})


@pytest.mark.parametrize(
    ("context", "key"),
    [
        (OPERATION, b"contract"),
        (NexusSerializationContext(endpoint="it", service="IT", operation="get_ip"), b"sales"),
        (WorkflowSerializationContext(namespace="sales", workflow_id="ask-1"), b"sales"),
    ],
)
async def test_only_calls_of_that_endpoint_take_the_contracts_key(
    context: NexusSerializationContext | WorkflowSerializationContext, key: bytes
) -> None:
    [sealed] = await ring("sales", "contract").with_context(context).encode([PLAIN])
    assert sealed.metadata["key"] == key
    assert b"ACME" not in sealed.SerializeToString()
    assert await ring("contract", "sales").decode([sealed]) == [PLAIN]


async def test_what_was_never_encrypted_is_read_as_it_is() -> None:
    assert await ring("sales").decode([PLAIN]) == [PLAIN]


@pytest.mark.parametrize("case", ["no such key", "another key of that name", "altered", "cut"])
async def test_what_cannot_be_read_is_the_callers_mistake(case: str) -> None:
    [sealed] = await ring("sales").encode([PLAIN])
    reader, words = ring("other"), "key 'sales'"
    if case == "another key of that name":
        reader, words = KeyRing({"sales": KEYS["other"]}, "sales"), "altered"
    if case in ("altered", "cut"):
        reader, words = ring("sales"), "altered"
        sealed.data = sealed.data[:-1] + bytes([sealed.data[-1] ^ 1]) if case == "altered" else b"cut"
    with pytest.raises(ApplicationError, match=words) as refused:
        await reader.decode([sealed])
    # By these two the SDK makes BAD_REQUEST of it, which Nexus does not try again.
    assert refused.value.type == "PayloadValidationError"
    assert refused.value.non_retryable
