"""A warden: a tiny process that runs one command, and ends it when the warden's own parent has ended.

A notebook's server and Workers must survive an interrupt, which Jupyter sends to the kernel's whole process group, and
must not survive the kernel, which may be killed without notice. So each runs in its own session under a warden. The
warden reads a pipe that only the kernel holds open: when the pipe closes, the kernel has ended.

Run as a file, with the standard library only: ``python -I -S warden.py FD COMMAND…``. FD is a descriptor to
which the command's process id is written.
"""

import contextlib
import os
import signal
import subprocess
import sys
import threading


def main(report: int, command: list[str], descriptors: list[int]) -> None:
    """Run the command until it ends or standard input closes, and exit with its status.

    Args:
        report: A descriptor for the process id, as a decimal number; closed after it.
        command: The program and its arguments.
        descriptors: Further descriptors that the command inherits (a lock that must last as long as it does).
    """
    # Handlers, not SIG_IGN: an ignored signal would stay ignored in the command.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: None)
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True, pass_fds=descriptors)
    with contextlib.suppress(BrokenPipeError):
        os.write(report, str(child.pid).encode())
    os.close(report)

    def follow() -> None:
        status = child.wait()
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, signal.SIGKILL)  # what the command started and left behind
        os._exit(status if status >= 0 else 128 - status)

    threading.Thread(target=follow, daemon=True).start()
    while os.read(0, 1024):
        pass
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()
    os._exit(0)


if __name__ == "__main__":
    fds = [int(number) for number in sys.argv[2].split(",") if number]
    main(int(sys.argv[1]), sys.argv[3:], fds)
