"""Credentials of this machine: the text of a file, and what a program prints."""

import os.path

from proxy.core.sources import CommandSource, FileSource
from proxy.transport.credentials.surroundings import Denied, Surroundings, denied
from proxy.wire.token_answers import Denial, Grant, is_token, read_printed

#: Seconds between looks at a file.
FILE_EVERY = 5.0


async def fetch_file(source: FileSource, around: Surroundings) -> Grant:
    """The secret in a file. While the file cannot be read, or holds none, the last one is kept."""
    text = await around.text(source.path)
    if not is_token(text):
        raise denied(f"{source.path} is empty" if not text else f"{source.path} holds more than a key")
    return Grant(secret=text, renew_in=FILE_EVERY)


async def fetch_command(source: CommandSource, around: Surroundings) -> Grant:
    """What a program prints."""
    name = os.path.basename(source.argv[0])
    asked = around.wall()
    try:
        printed = await around.run(source.argv)
    except TimeoutError:
        raise denied(f"the command {name} did not end in time") from None
    except OSError as error:
        raise denied(f"the command {name} cannot be run: {(error.strerror or type(error).__name__).lower()}") from error
    if printed.status:
        raise denied(f"the command {name} ended with status {printed.status}")
    verdict = read_printed(printed.output, asked)
    if isinstance(verdict, Denial):
        raise Denied(Denial(f"the command {name} {verdict.text}", verdict.final))
    if verdict.life is None and verdict.renew_in is None:
        return Grant(verdict.secret, verdict.aws, renew_in=source.every)
    return verdict
