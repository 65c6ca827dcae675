"""A learner's side: reports are written to a file, and a thread delivers them to the class's board.

So a check never waits for the board, and what the board does not get while it is down, it gets later.
"""

import hashlib
import json
import threading
from contextlib import closing
from dataclasses import asdict, replace
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from workshop_lib.evidence.messages import valid_text
from workshop_lib.evidence.state import Lock, read_json, update_json
from workshop_lib.governance.identity import Claims, digest, sign
from workshop_lib.room.learner import LONGEST, MOST_REPORTS, Message, Report

_MOST_KEPT = 1_000  # reports
_ANSWER_SECONDS = 30.0  # the board answers in 20, if it can
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 60.0  # seconds until a message is sent again, if no other report comes before


class Teller:
    """Delivers one learner's reports.

    Attributes:
        learner: The name on the board: theirs, or an anonymous one made of the machine's key.
        trouble: Why the board did not take the last message; empty if it did.

    Args:
        board: The value of ``WORKSHOP_CLASS``: ``HOST:PORT/SECRET``.
        folder: Where the key and the reports that wait are kept. Nobody else may read it.
        learner: The learner's name; empty to stay anonymous.
    """

    def __init__(self, board: str, folder: Path, learner: str = "") -> None:
        self._board = board
        self._address, _, self._secret = board.partition("/")
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._file, self._lock = folder / "reports.json", Lock(folder / "sending.lock")
        fresh = Ed25519PrivateKey.generate().private_bytes_raw().hex()
        update_json(self._file, lambda kept: kept.setdefault("key", fresh))
        self._key = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(read_json(self._file)["key"]))
        self._public = self._key.public_key().public_bytes_raw()
        self.learner = learner or f"anonymous-{hashlib.sha256(self._public).hexdigest()[:6]}"
        self.trouble = ""
        self._told = threading.Event()
        threading.Thread(target=self._deliver_all, name="workshop-class", daemon=True).start()

    def tell(self, exercise: str, *, passed: bool, mistake: str = "") -> None:
        """Keep a report, and let the thread deliver it.

        Args:
            exercise: See ``Report``.
            passed: See ``Report``.
            mistake: See ``Report``.
        """

        def add(kept: dict[str, Any]) -> None:
            kept["number"] = kept.get("number", 0) + 1
            report = asdict(Report(kept["number"], exercise, passed, valid_text(mistake)[:LONGEST]))
            # What waits for the board of another class is dropped.
            waiting = kept["waiting"] if kept.get("board") == self._board else []
            kept |= {"board": self._board, "waiting": [*waiting, report][-_MOST_KEPT:]}

        update_json(self._file, add)
        self._told.set()

    def waiting(self) -> list[Report]:
        """The reports that were not delivered yet, oldest first."""
        kept = read_json(self._file)
        return [Report(**each) for each in kept.get("waiting", [])] if kept.get("board") == self._board else []

    def _deliver_all(self) -> None:
        while True:
            self._told.wait()
            self._told.clear()
            pause = _FIRST_PAUSE
            while not self._deliver():
                if not self._told.wait(pause):
                    pause = min(2 * pause, _LONGEST_PAUSE)
                self._told.clear()

    def _deliver(self) -> bool:
        """Send what waits, as much as one message takes at a time. Returns whether the board has it."""
        try:
            if not self._lock.take():  # another process of this machine sends, and no report may overtake another
                return False
            trouble = ""
            while not trouble and (reports := self.waiting()[:MOST_REPORTS]):
                trouble = self._send(reports)
        except OSError as error:
            trouble = f"{type(error).__name__}: {error}."
        finally:
            self._lock.release()
        self.trouble = trouble
        return not trouble

    def _send(self, reports: list[Report]) -> str:
        """Send one message. Returns what kept the board from taking it; empty if it has."""
        message = Message(self.learner, self._public.hex(), reports)
        # No expiry and no nonce: laptops' clocks are wrong, and the numbers make a repeated message harmless.
        claims = Claims(self.learner, "class", "board", "tell", digest(message), 0, "")
        body = json.dumps(asdict(replace(message, token=sign(claims, self._key))))
        try:  # it is in this room, so never by a proxy; and what was typed may be no address
            with closing(HTTPConnection(self._address, timeout=_ANSWER_SECONDS)) as connection:
                connection.request("POST", "/", body, {"Authorization": f"Bearer {self._secret}"})
                answer = connection.getresponse()
                said = answer.read(1_000).decode(errors="replace")
        except (OSError, ValueError, HTTPException) as error:
            return f"It does not answer at {self._address} ({error})."
        if answer.status != 200:
            return said or f"It answers with {answer.status}."
        last = reports[-1].number

        def drop(kept: dict[str, Any]) -> None:
            kept["waiting"] = [each for each in kept["waiting"] if each["number"] > last]

        update_json(self._file, drop)
        return ""
