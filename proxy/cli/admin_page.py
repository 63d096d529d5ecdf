"""What the running proxy says on its admin address, for commands that can do without it."""

import http.client
import json
import os
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from proxy.core.settings import ServerSettings

TIMEOUT = 2.0
MAX_ANSWER = 4 * 1024 * 1024


def find_admin(server: "ServerSettings") -> str | None:
    """The admin address of a configuration; None: it is off."""
    host = f"[{server.admin_host}]" if ":" in server.admin_host else server.admin_host
    return f"http://{host}:{server.admin_port}" if server.admin_port else None


def fetch(url: str, path: str) -> tuple[int, object] | None:
    """Status and decoded answer of the admin plane; None: nobody there, or not one of ours."""
    parts = urlsplit(url if "//" in url else f"//{url}", scheme="http")
    make = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = make(parts.hostname or "", parts.port, timeout=TIMEOUT)
    key = os.environ.get("UNDIMMED_KEY")
    try:
        headers = {"authorization": f"Bearer {key}"} if key else {}
        connection.request("GET", f"{parts.path.rstrip('/')}{path}", headers=headers)
        answer = connection.getresponse()
        decoded: object = json.loads(answer.read(MAX_ANSWER))
        return answer.status, decoded
    except (OSError, http.client.HTTPException, ValueError):
        return None
    finally:
        connection.close()
