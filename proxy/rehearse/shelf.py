"""What a simulated provider keeps for its customers: files and batches, each in the account (the key) that made it.

An account sees nothing of another's, as with a real vendor: what it did not make is "not found". Other paths are answered
with what was asked, so that a test can see what arrived.
"""

import re
from json import dumps, loads

from proxy.rehearse.answers import CREATED, Asked, Reply

_FILE = re.compile(r"/v1/files/([^/]+)(/content)?")
_BATCH = re.compile(r"/v1/batches/([^/]+)(/cancel)?")
BYTES = b"application/octet-stream"


class Shelf:
    """Things by account and id."""

    def __init__(self) -> None:
        self._files: dict[tuple[str, str], tuple[dict[str, object], bytes]] = {}
        self._batches: dict[tuple[str, str], dict[str, object]] = {}

    def answer(self, asked: Asked, identity: str) -> Reply | None:
        """None: no such thing in this account."""
        if asked.path == "/v1/files":
            return self._make_file(asked, identity) if asked.method == "POST" else self._list(asked)
        if asked.path == "/v1/batches":
            return self._make_batch(asked, identity) if asked.method == "POST" else self._list(asked)
        found = _FILE.fullmatch(asked.path)
        if found is not None:
            return self._use_file(asked, found[1], bool(found[2]))
        found = _BATCH.fullmatch(asked.path)
        if found is not None:
            batch = self._batches.get((asked.key, found[1]))
            if batch is not None and found[2]:
                batch["status"] = "cancelling"
            return None if batch is None else _json(batch)
        return _json({"object": "echo", "method": asked.method, "path": asked.path, "body": asked.data.decode("latin-1")})

    def keeps(self, asked: Asked) -> bool:
        """Is this path about kept things, or nothing that a model answers?"""
        return asked.path.startswith(("/v1/files", "/v1/batches", "/v1/other"))

    def _make_file(self, asked: Asked, identity: str) -> Reply:
        name = f"file-{identity}"
        content = asked.data.partition(b"filename=")[2].partition(b"\r\n\r\n")[2].rpartition(b"\r\n--")[0]
        content = content.partition(b"\r\n--")[0]
        made: dict[str, object] = {"id": name, "object": "file", "bytes": len(content), "created_at": CREATED}
        made |= {"filename": "upload", "purpose": "batch", "status": "processed"}
        self._files[asked.key, name] = (made, content)
        return _json(made)

    def _use_file(self, asked: Asked, name: str, content: bool) -> Reply | None:
        kept = self._files.get((asked.key, name))
        if kept is None:
            return None
        if asked.method == "DELETE":
            del self._files[asked.key, name]
            return _json({"id": name, "object": "file", "deleted": True})
        return Reply(whole=kept[1], content_type=BYTES) if content else _json(kept[0])

    def _make_batch(self, asked: Asked, identity: str) -> Reply | None:
        wanted = loads(asked.data)
        if (asked.key, wanted["input_file_id"]) not in self._files:
            return None
        name, output = f"batch_{identity}", f"file-out-{identity}"
        made: dict[str, object] = {"id": name, "object": "batch", "status": "completed", "created_at": CREATED}
        made |= {key: wanted[key] for key in ("input_file_id", "endpoint", "completion_window")}
        made["output_file_id"] = output
        file = {"id": output, "object": "file", "bytes": 3, "created_at": CREATED, "filename": "out.jsonl"}
        self._files[asked.key, output] = ({**file, "purpose": "batch_output", "status": "processed"}, b"{}\n")
        self._batches[asked.key, name] = made
        return _json(made)

    def _list(self, asked: Asked) -> Reply:
        if asked.path.endswith("files"):
            rows: list[object] = [made for (key, _), (made, _) in self._files.items() if key == asked.key]
        else:
            rows = [made for (key, _), made in self._batches.items() if key == asked.key]
        return _json({"object": "list", "data": rows, "has_more": False})


def _json(value: object) -> Reply:
    return Reply(whole=dumps(value, separators=(",", ":")).encode())
