"""Payload encryption with several keys: a team's own, and one for each contract that it shares with others."""

import copy
import os
from collections.abc import Mapping, Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from temporalio.api.common.v1 import Payload
from temporalio.converter import NexusSerializationContext, PayloadCodec, SerializationContext, WithSerializationContext
from temporalio.exceptions import ApplicationError

ENCODING = b"binary/encrypted"


class KeyRing(PayloadCodec, WithSerializationContext):
    """Encrypts with one key, and decrypts with every key that it holds. Each payload says which key it needs.

    The input of a Nexus operation is encrypted with the key of the contract, everything else with the team's own. The
    SDK says for which endpoint a payload is (``NexusSerializationContext``, experimental). It does not say so for the
    result of a workflow behind an operation, so the Worker that runs such workflows has the contract's key as its own.

    To change a key, first give the new one to everybody who reads, then let those who write use it, and take the old
    one away when nothing that it encrypted is still needed.

    Args:
        keys: AES keys of 16 or 32 bytes, by their ids. Ids are stored in plain text.
        own: The id of the key for everything that is not the input of an operation.
        contracts: The ids of keys for operations, by endpoint.
    """

    def __init__(self, keys: Mapping[str, bytes], own: str, contracts: Mapping[str, str] | None = None) -> None:
        self._ciphers = {name: AESGCM(key) for name, key in keys.items()}
        self._own, self._contracts = own, contracts or {}

    def with_context(self, context: SerializationContext) -> "KeyRing":
        """See base class."""
        if isinstance(context, NexusSerializationContext) and context.endpoint in self._contracts:
            chosen = copy.copy(self)
            chosen._own = self._contracts[context.endpoint]
            return chosen
        return self

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """See base class."""
        return [self._seal(payload) for payload in payloads]

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """See base class.

        Raises:
            ApplicationError: A payload is encrypted with a key that is not here, or was altered. A Nexus handler makes
                ``BAD_REQUEST`` of it, which is not tried again.
        """
        return [self._open(each) if each.metadata.get("encoding") == ENCODING else each for each in payloads]

    def _seal(self, payload: Payload) -> Payload:
        nonce = os.urandom(12)
        data = self._ciphers[self._own].encrypt(nonce, payload.SerializeToString(), None)
        return Payload(metadata={"encoding": ENCODING, "key": self._own.encode()}, data=nonce + data)

    def _open(self, sealed: Payload) -> Payload:
        name = sealed.metadata["key"].decode(errors="replace")
        if name not in self._ciphers:
            known = ", ".join(self._ciphers)
            raise _refused(f"A value is encrypted with key {name!r}, and the keys here are: {known}.")
        try:
            return Payload.FromString(self._ciphers[name].decrypt(sealed.data[:12], sealed.data[12:], None))
        except (InvalidTag, ValueError):  # so little is left of it that it has no nonce
            raise _refused(f"A value is not encrypted with the key {name!r} that we have, or was altered.") from None


def _refused(why: str) -> ApplicationError:
    # The type by which the SDK tells a caller's mistake from a handler's (temporalio.converter).
    return ApplicationError(why, type="PayloadValidationError", non_retryable=True)
