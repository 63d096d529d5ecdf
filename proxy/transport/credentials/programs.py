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
    process = await asyncio.create_subprocess_exec(
        *argv,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(limit):
            output = await _read(process)
            return Printed(await process.wait(), output)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


async def _read(process: asyncio.subprocess.Process) -> bytes:
    assert process.stdout is not None  # asked for above
    output = bytearray()
    while chunk := await process.stdout.read(MAX_OUTPUT):
        output += chunk
        if len(output) > MAX_OUTPUT:
            raise TimeoutError
    return bytes(output)
