"""``python -m workshop_lib doctor | demos | rehearse | board | reset``."""

import argparse
import asyncio
import shutil
import sys
from pathlib import Path

from workshop_lib.demos import NAMES
from workshop_lib.evidence.messages import WorkshopError


def _doctor(arguments: argparse.Namespace) -> int:
    from workshop_lib.programs import doctor

    return doctor.main()


def _reset(arguments: argparse.Namespace) -> int:
    from workshop_lib.evidence.state import Lock, home

    kept = 0
    for folder in sorted((home() / "notebooks").glob("*/")):
        lock = Lock(folder / "kernel.lock")
        if lock.take():
            shutil.rmtree(folder, ignore_errors=True)
            lock.release()
        else:
            kept += 1
            print(f"Not removed, because its kernel is running: {folder.name}")
    (home() / "progress.json").unlink(missing_ok=True)
    print("Removed: your progress, and all workflows and ledgers" + (" of the other notebooks." if kept else "."))
    if kept:
        print("→ To remove the rest, shut all kernels down (Kernel → Shut Down All Kernels), and try again.")
    return 1 if kept else 0


def _demos(arguments: argparse.Namespace) -> int:
    if arguments.number is None:
        from workshop_lib.views import comparison

        found = asyncio.run(comparison.in_terminal())
        if arguments.html:
            Path(arguments.html).write_text(found.page(), encoding="utf-8")
            print(f"Written to {arguments.html}.")
        return 0
    from workshop_lib.demos import terminal

    return asyncio.run(terminal.talk(arguments.number, arguments.question, processes=arguments.processes))


def _rehearse(arguments: argparse.Namespace) -> int:
    from workshop_lib.rehearse import rehearse

    return 0 if rehearse(arguments.way) else 1


def _board(arguments: argparse.Namespace) -> int:
    from workshop_lib.views import board

    asyncio.run(board.in_terminal(arguments.listen, arguments.page))
    return 0


def main() -> int:
    """Run the command that the arguments name. Returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m workshop_lib", description="Helpers of the workshop.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    commands.add_parser("doctor", help="check this machine").set_defaults(run=_doctor)
    demos = commands.add_parser("demos", help="compare the four demos, or chat with one, in the terminal")
    demos.add_argument("number", nargs="?", type=int, choices=sorted(NAMES), help="the one to chat with")
    demos.add_argument("question", nargs="?", default="", help="answer this question, and end")
    demos.add_argument("--processes", action="store_true", help="run each team's Worker in its own process")
    demos.add_argument("--html", default="", metavar="FILE", help="also write the comparison to a page")
    demos.set_defaults(run=_demos)
    rehearse = commands.add_parser("rehearse", help="before a class: run its notebooks and the demos on this machine")
    rehearse.add_argument("way", nargs="?", default="2 hours", help="the class takes 2 hours, 4 hours or 6 hours")
    rehearse.set_defaults(run=_rehearse)
    board = commands.add_parser("board", help="show where each learner of a class is; for the instructor")
    listen = "this machine's address in the class's network; without it, only this machine reaches the board"
    board.add_argument("--listen", default="127.0.0.1", metavar="ADDRESS", help=listen)
    board.add_argument("--page", default="", metavar="FILE", help="where to write the board as a page")
    board.set_defaults(run=_board)
    commands.add_parser("reset", help="remove all workflows, ledgers and progress").set_defaults(run=_reset)
    arguments = parser.parse_args()
    try:
        return int(arguments.run(arguments))
    except WorkshopError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    from workshop_lib.workers.process import leave

    leave(main())
