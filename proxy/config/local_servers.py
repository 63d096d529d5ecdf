"""Looks whether a model server listens on a port of this machine, and which models it has.

Blocking and short: a tenth of a second to connect (a port of this machine answers at once or not at all), one second for
the list. What does not answer like a model server is none, and another Undimmed is not a provider.
"""

import http.client
import json

CONNECT = 0.1
ANSWER = 1.0
MAX_LIST = 1024 * 1024


def _models(body: bytes) -> tuple[str, ...] | None:
    try:
        decoded = json.loads(body)
    except ValueError:
        return None
    items = decoded.get("data") if isinstance(decoded, dict) else None
    # An Ollama without any model answers `"data": null`.
    if items is None and isinstance(decoded, dict) and "data" in decoded:
        return ()
    if not isinstance(items, list):
        return None
    names = [item.get("id") for item in items if isinstance(item, dict)]
    return tuple(name for name in names if isinstance(name, str))


def list_models(port: int, key: str | None = None) -> tuple[str, ...] | None:
    """Models of the server at this port of 127.0.0.1, `()` where it wants another key; None: no model server."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=CONNECT)
    try:
        connection.connect()
        connection.sock.settimeout(ANSWER)
        connection.request("GET", "/v1/models", headers={"authorization": f"Bearer {key}"} if key else {})
        answer = connection.getresponse()
        if any(name.lower().startswith("x-undimmed") for name, _ in answer.getheaders()):
            return None
        if answer.status in (401, 403):
            return ()
        return _models(answer.read(MAX_LIST)) if answer.status == 200 else None
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
