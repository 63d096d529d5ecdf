"""A real PostgreSQL of the test's own: in a folder of its own, on a Unix socket, with a password."""

import asyncio
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import asyncpg
import pytest

PASSWORD = "s3cret/canary"
NOBODY = 65534
#: Durability against power loss is the server's business; commits are seen all the same.
OPTIONS = "-c listen_addresses= -c fsync=off -c max_connections=40"


def find_binaries() -> Path | None:
    """The folder of a server's programs: UNDIMMED_POSTGRES_BIN, what is on the path, or where Debian has it."""
    named = os.environ.get("UNDIMMED_POSTGRES_BIN")
    on_path = shutil.which("initdb")
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    found = [Path(named)] if named else [*debian, *([Path(on_path).parent] if on_path else [])]
    return next((folder for folder in reversed(found) if (folder / "initdb").exists()), None)


class PostgresServer:
    """Running, unless it is stopped. It refuses to run as root; nobody is at hand then."""

    def __init__(self, binaries: Path) -> None:
        self._binaries = binaries
        self.more = ""
        self.folder = Path(tempfile.mkdtemp(prefix="undimmed-pg-"))
        secret = self.folder / "password"
        secret.write_text(PASSWORD)
        self._as = []
        if os.getuid() == 0:
            self._as = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
            for path in (self.folder, secret):
                os.chown(path, NOBODY, NOBODY)
        self._run("initdb", "-D", f"{self.folder}/data", "-U", "app", "-A", "scram-sha-256", "--no-sync", "-E", "UTF8",
                  "--no-instructions", f"--pwfile={secret}")  # fmt: skip
        self.start()

    @property
    def url(self) -> str:
        return f"postgresql://app:{quote(PASSWORD, safe='')}@/postgres?host={self.folder}"

    def _run(self, program: str, *words: str) -> None:
        command = [*self._as, str(self._binaries / program), *words]
        done = subprocess.run(command, capture_output=True, text=True, cwd=self.folder, env={"PATH": os.environ["PATH"]})
        assert done.returncode == 0, f"{program}: {done.stdout}{done.stderr}"

    def start(self) -> None:
        """With `more` options, if there are any."""
        self._run("pg_ctl", "-D", f"{self.folder}/data", "-w", "-l", f"{self.folder}/log", "-o",
                  f"-k {self.folder} {OPTIONS} {self.more}", "start")  # fmt: skip

    def stop(self, mode: str = "fast") -> None:
        self._run("pg_ctl", "-D", f"{self.folder}/data", "-m", mode, "-w", "stop")

    @property
    def pid(self) -> int:
        return int((self.folder / "data" / "postmaster.pid").read_text().split("\n")[0])

    def kill(self) -> None:
        """As a crash: every process of it at once, and nothing tidied up."""
        self.stop("immediate")

    def freeze(self, frozen: bool) -> None:
        """A server that says nothing, with all its sessions."""
        group = subprocess.run(["pgrep", "-P", str(self.pid)], capture_output=True, text=True, check=False).stdout.split()
        for pid in (self.pid, *map(int, group)):
            os.kill(pid, signal.SIGSTOP if frozen else signal.SIGCONT)

    def remove(self) -> None:
        if (self.folder / "data" / "postmaster.pid").exists():
            self.stop("immediate")
        shutil.rmtree(self.folder)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    binaries = find_binaries()
    if binaries is None:
        pytest.skip("no PostgreSQL here: apt-get install postgresql, or name its bin folder in UNDIMMED_POSTGRES_BIN")
    server = PostgresServer(binaries)
    yield server
    server.remove()


@pytest.fixture
def postgres(postgres_server: PostgresServer) -> PostgresServer:
    """The server, running and with no ledger in it."""

    async def clean() -> None:
        connection = await asyncpg.connect(postgres_server.url)
        await connection.execute("SET client_min_messages TO error; DROP SCHEMA IF EXISTS undimmed CASCADE")
        await connection.close()

    asyncio.run(clean())
    return postgres_server
