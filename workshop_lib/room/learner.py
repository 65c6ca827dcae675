"""A learner's progress, as a Workflow. Checks report to it, and the class's board queries it.

There is one Workflow for each learner, not one for the class: a learner's reports wait for nobody else's, each history
stays short, and who may write is decided where it is written. Only the machine whose key came first may.
"""

from contextlib import suppress
from dataclasses import dataclass, field, replace

from temporalio import workflow
from temporalio.exceptions import ApplicationError

with workflow.unsafe.imports_passed_through():
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from workshop_lib.governance.identity import digest, opened

# The package cryptography imports this exception from Rust when it first raises it. In the sandbox, that aborts the
# process, so it is raised here first: whoever makes the Worker imports this module outside of the sandbox.
with suppress(InvalidSignature):
    Ed25519PrivateKey.generate().public_key().verify(b"", b"")

LONGEST = 80  # characters of the name of an exercise or mistake
_MOST_EXERCISES = 200
_MOST_MISTAKES = 20  # of one exercise
MOST_REPORTS = 100  # of one message


@dataclass(frozen=True)
class Report:
    """What one check found. Any other question with right and wrong answers can be reported in the same way.

    Attributes:
        number: 1, 2, … of this learner's reports.
        exercise: The exercise, such as ``"2.2"``.
        passed: Whether the answer was right.
        mistake: What was wrong, by its name in ``advice.toml``; empty if the answer was right.
    """

    number: int
    exercise: str
    passed: bool
    mistake: str = ""


@dataclass(frozen=True)
class Message:
    """Reports on their way, signed.

    Attributes:
        learner: The learner's name.
        key: Their machine's public key, 32 raw bytes in hexadecimal.
        reports: Oldest first.
        token: From ``identity.sign``. Its digest is that of this message without the token.
    """

    learner: str
    key: str
    reports: list[Report]
    token: str = ""


@dataclass
class Tally:
    """What became of one exercise.

    Attributes:
        passed: Whether an answer has ever been right.
        mistakes: How often each wrong answer was given.
    """

    passed: bool = False
    mistakes: dict[str, int] = field(default_factory=dict)


@dataclass
class Standing:
    """Where a learner is.

    Attributes:
        learner: Their name.
        key: The key that came first, as in ``Message``; empty before the first report.
        last: The number of the newest report.
        at: The exercise that it is about.
        heard: When it arrived, in seconds since 1970.
        exercises: What became of each exercise.
    """

    learner: str
    key: str = ""
    last: int = 0
    at: str = ""
    heard: float = 0.0
    exercises: dict[str, Tally] = field(default_factory=dict)


@workflow.defn
class LearnerProgress:
    """One learner's progress.

    Args:
        standing: The learner's name; after a continue-as-new, everything so far.
    """

    @workflow.init
    def __init__(self, standing: Standing) -> None:
        self._standing = standing

    @workflow.run
    async def run(self, standing: Standing) -> None:
        """Take reports until the history is long, then go on in a new run."""
        # No handler ever waits, so none is unfinished then.
        await workflow.wait_condition(lambda: workflow.info().is_continue_as_new_suggested())
        workflow.continue_as_new(self._standing)

    @workflow.update
    def tell(self, message: Message) -> None:
        """Take a message's reports. Those that were taken before are passed over, so a repeated message does no harm.

        Args:
            message: The signed message.
        """
        here = self._standing
        here.key = message.key
        for report in message.reports:
            if report.number > here.last:
                here.last, here.at, here.heard = report.number, report.exercise, workflow.now().timestamp()
                tally = here.exercises.setdefault(report.exercise, Tally())
                tally.passed = tally.passed or report.passed
                if not report.passed:
                    known = report.mistake in tally.mistakes or len(tally.mistakes) < _MOST_MISTAKES
                    mistake = report.mistake if known else "further mistakes"
                    tally.mistakes[mistake] = tally.mistakes.get(mistake, 0) + 1

    @tell.validator
    def _check_message(self, message: Message) -> None:
        """Refuse what is not signed with this learner's key, and what would make the state grow without bound."""
        here = self._standing
        if here.key not in ("", message.key):
            what = f"Another machine reports as {here.learner!r}. Choose another name."
            raise ApplicationError(what, type="NameTaken")
        claims = opened(message.token, {here.learner: bytes.fromhex(message.key)})
        if claims.digest != digest(replace(message, token="")):
            raise ApplicationError("The signature is for another message.", type="NotSigned")
        exercises = {*here.exercises, *(report.exercise for report in message.reports)}
        texts = [text for report in message.reports for text in (report.exercise, report.mistake)]
        most = len(message.reports) <= MOST_REPORTS and len(exercises) <= _MOST_EXERCISES
        if not most or max(map(len, texts), default=0) > LONGEST:
            raise ApplicationError("There are too many reports or exercises, or a name is too long.", type="TooMuch")

    @workflow.query
    def standing(self) -> Standing:
        """Where the learner is."""
        return self._standing
