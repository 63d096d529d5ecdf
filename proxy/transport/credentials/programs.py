"""Running the program that prints a credential: no shell, no input, a limit on time and on output.

The program gets a session of its own, so that everything it started can be ended with it.
"""

import asyncio
import contextlib
import os
import signal
from collections.abc import Sequence

from proxy.transport.credentials.surroundings import Printed

#: Seconds; the command lines of clouds are slow starters.
LIMIT = 30.0
MAX_OUTPUT = 256 * 1024


async def run_program(argv: Sequence[str], limit: float = LIMIT) -> Printed:
    """Run it to its end. Raises OSError where it cannot be started, TimeoutError where it does not end in time or prints
    without end. Cancelling ends it, too."""
    transport, output = await asyncio.get_running_loop().subprocess_exec(
        _Output,
        *argv,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(limit):
            await output.ended.wait()
        status = transport.get_returncode()
        if status is None or len(output.text) > MAX_OUTPUT:
            raise TimeoutError
        return Printed(status, bytes(output.text))
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(transport.get_pid(), signal.SIGKILL)
        # The end of the process is only told when its pipe is closed, too, and somebody else may hold its other end.
        transport.close()
        await output.gone.wait()


class _Output(asyncio.SubprocessProtocol):
    """What the program prints, up to a little more than is allowed. A StreamReader would stop reading when it is full, and
    then never tell that the program is gone."""

    def __init__(self) -> None:
        self.text = bytearray()
        #: Enough is known: it is gone, or prints too much.
        self.ended = asyncio.Event()
        self.gone = asyncio.Event()

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        if len(self.text) > MAX_OUTPUT:
            return
        self.text += data
        if len(self.text) > MAX_OUTPUT:
            self.ended.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self.gone.set()
        self.ended.set()
