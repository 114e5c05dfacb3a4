"""What the sandbox remembers: connections, approved certificates, webhooks, the key of its cards, counts of faults."""

import json
import secrets
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

SCHEMA = """
CREATE TABLE IF NOT EXISTS connections (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT UNIQUE NOT NULL, group_id TEXT NOT NULL,
    name TEXT NOT NULL, doc TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS connections_by_name ON connections (group_id, name);
CREATE TABLE IF NOT EXISTS approvals (
    connection_id TEXT NOT NULL, kind TEXT NOT NULL, id TEXT NOT NULL, doc TEXT NOT NULL,
    PRIMARY KEY (connection_id, kind, id));
CREATE TABLE IF NOT EXISTS webhooks (seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT UNIQUE NOT NULL, doc TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS counts (name TEXT PRIMARY KEY, value INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS notes (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""


class NameTaken(Exception):
    pass


class State:
    """Thread-safe store of JSON documents in SQLite, one file or in memory."""

    def __init__(self, path: Path | None = None) -> None:
        if path:
            path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.RLock()
        self._db = sqlite3.connect(path or ":memory:", check_same_thread=False, isolation_level=None)
        # A SIGKILL must lose nothing that was answered; the loss of a whole machine may.
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")
        self._db.executescript(SCHEMA)

    def _run(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        with self._lock:
            return self._db.execute(sql, values).fetchall()

    def close(self) -> None:
        with self._lock:
            self._db.close()

    # --- connections -------------------------------------------------------------------------------------------------

    def add_connection(self, doc: dict[str, Any], *, unique: bool) -> None:
        """Store a new connection; NameTaken when `unique` and its group has one of that schema name."""
        with self._lock:
            if unique and self.list_connections(group_id=doc["group_id"], schema=doc["schema"], limit=1):
                raise NameTaken(doc["schema"])
            self._run(
                "INSERT INTO connections (id, group_id, name, doc) VALUES (?, ?, ?, ?)",
                doc["id"],
                doc["group_id"],
                doc["schema"],
                json.dumps(doc),
            )

    def connection(self, connection_id: str) -> dict[str, Any] | None:
        rows = self._run("SELECT doc FROM connections WHERE id = ?", connection_id)
        return json.loads(rows[0][0]) if rows else None

    def save_connection(self, doc: dict[str, Any]) -> None:
        # No upsert: a connection that was deleted meanwhile stays deleted.
        self._run("UPDATE connections SET doc = ? WHERE id = ?", json.dumps(doc), doc["id"])

    def alter_connection(self, connection_id: str, change: Callable[[dict[str, Any]], object]) -> dict[str, Any] | None:
        """Let `change` alter the connection's document in place, atomically; the result, None without a connection."""
        with self._lock:
            doc = self.connection(connection_id)
            if doc is not None:
                change(doc)
                self.save_connection(doc)
            return doc

    def delete_connection(self, connection_id: str) -> bool:
        """Delete the connection and its approvals; False when there is none."""
        with self._lock:
            found = self._run("DELETE FROM connections WHERE id = ? RETURNING id", connection_id)
            self._run("DELETE FROM approvals WHERE connection_id = ?", connection_id)
        return bool(found)

    def list_connections(
        self, *, group_id: str | None = None, schema: str | None = None, skip: int = 0, limit: int = -1
    ) -> list[dict[str, Any]]:
        """Connections in order of creation; `group_id` and `schema` match exactly; limit -1 is all."""
        wanted = {column: value for column, value in (("group_id", group_id), ("name", schema)) if value is not None}
        where = " AND ".join(f"{column} = ?" for column in wanted) or "1"
        sql = f"SELECT doc FROM connections WHERE {where} ORDER BY seq LIMIT ? OFFSET ?"  # noqa: S608
        return [json.loads(row[0]) for row in self._run(sql, *wanted.values(), limit, skip)]

    def clear(self) -> None:
        with self._lock:
            # Not the signing key: cards already handed out have to stay readable.
            for table in ("connections", "approvals", "webhooks", "counts"):
                self._run(f"DELETE FROM {table}")  # noqa: S608

    # --- certificates and fingerprints -------------------------------------------------------------------------------

    def approve(self, connection_id: str, kind: str, doc: dict[str, Any]) -> None:
        """Store an approved certificate or fingerprint (`kind`), replacing one of the same id."""
        self._run("REPLACE INTO approvals VALUES (?, ?, ?, ?)", connection_id, kind, doc["id"], json.dumps(doc))

    def approvals(self, connection_id: str, kind: str) -> list[dict[str, Any]]:
        rows = self._run(
            "SELECT doc FROM approvals WHERE connection_id = ? AND kind = ? ORDER BY id", connection_id, kind
        )
        return [json.loads(row[0]) for row in rows]

    def revoke(self, connection_id: str, kind: str, approval_id: str) -> bool:
        sql = "DELETE FROM approvals WHERE connection_id = ? AND kind = ? AND id = ? RETURNING id"
        return bool(self._run(sql, connection_id, kind, approval_id))

    # --- webhooks ----------------------------------------------------------------------------------------------------

    def webhooks(self) -> list[dict[str, Any]]:
        return [json.loads(row[0]) for row in self._run("SELECT doc FROM webhooks ORDER BY seq")]

    def save_webhook(self, doc: dict[str, Any]) -> None:
        sql = "INSERT INTO webhooks (id, doc) VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET doc = excluded.doc"
        self._run(sql, doc["id"], json.dumps(doc))

    def delete_webhook(self, webhook_id: str) -> None:
        self._run("DELETE FROM webhooks WHERE id = ?", webhook_id)

    # --- small things ------------------------------------------------------------------------------------------------

    def count(self, name: str, *, add: bool = True) -> int:
        """Add one to the counter and return its value: 1 the first time. Without `add`: what that would return."""
        if not add:
            return 1 + sum(int(row[0]) for row in self._run("SELECT value FROM counts WHERE name = ?", name))
        sql = "INSERT INTO counts VALUES (?, 1) ON CONFLICT (name) DO UPDATE SET value = value + 1 RETURNING value"
        return int(self._run(sql, name)[0][0])

    def signing_key(self) -> bytes:
        """The key of the Connect Card tokens, made at first use and kept across restarts."""
        with self._lock:
            self._run("INSERT OR IGNORE INTO notes VALUES ('signing_key', ?)", secrets.token_hex(32))
            return bytes.fromhex(self._run("SELECT value FROM notes WHERE name = 'signing_key'")[0][0])
