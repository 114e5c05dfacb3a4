"""What the sandbox remembers: connections, what the account has beside them, the key of its cards, counts of faults."""

import json
import secrets
import sqlite3
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

SCHEMA = """
CREATE TABLE IF NOT EXISTS connections (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT UNIQUE NOT NULL, group_id TEXT NOT NULL,
    name TEXT NOT NULL, doc TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS connections_by_name ON connections (group_id, name);
CREATE TABLE IF NOT EXISTS items (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, owner TEXT NOT NULL, id TEXT NOT NULL, doc TEXT NOT NULL,
    UNIQUE (kind, owner, id));
CREATE TABLE IF NOT EXISTS counts (name TEXT PRIMARY KEY, value INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS notes (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""

# Tables of earlier state files, with what kind and owner are in them.
EARLIER = (("'webhooks'", "webhooks", "''"), ("kind", "approvals", "'connections/' || connection_id"))


class NameTaken(Exception):
    pass


class State:
    """Thread-safe store of JSON documents in SQLite, one file or in memory."""

    def __init__(self, path: Path | None = None, seeds: Mapping[str, list[dict[str, Any]]] | None = None) -> None:
        """`seeds`: what is there at first, by kind."""
        if path:
            path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.RLock()
        self._db = sqlite3.connect(path or ":memory:", check_same_thread=False, isolation_level=None)
        # A SIGKILL must lose nothing that was answered; the loss of a whole machine may.
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")
        self._db.executescript(SCHEMA)
        self._seeds = seeds or {}
        for kind, table, owner in EARLIER:
            if self._run("SELECT 1 FROM sqlite_master WHERE name = ?", table):
                columns = f"{kind}, {owner}, id, doc"
                self._run(f"INSERT OR IGNORE INTO items (kind, owner, id, doc) SELECT {columns} FROM {table}")  # noqa: S608
                self._run(f"DROP TABLE {table}")
        if not self._run("SELECT 1 FROM notes WHERE name = 'seeded'"):
            self._seed()

    def _run(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        with self._lock:
            return self._db.execute(sql, values).fetchall()

    def _seed(self) -> None:
        for kind, docs in self._seeds.items():
            for doc in docs:
                self.save_item(kind, doc)
        self._run("INSERT OR IGNORE INTO notes VALUES ('seeded', '')")

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
        sql = "UPDATE connections SET doc = ?, group_id = ? WHERE id = ?"
        self._run(sql, json.dumps(doc), doc["group_id"], doc["id"])

    def alter_connection(self, connection_id: str, change: Callable[[dict[str, Any]], object]) -> dict[str, Any] | None:
        """Let `change` alter the connection's document in place, atomically; the result, None without a connection."""
        with self._lock:
            doc = self.connection(connection_id)
            if doc is not None:
                change(doc)
                self.save_connection(doc)
            return doc

    def delete_connection(self, connection_id: str) -> bool:
        """Delete the connection and what belongs to it; False when there is none."""
        with self._lock:
            found = self._run("DELETE FROM connections WHERE id = ? RETURNING id", connection_id)
            self._run("DELETE FROM items WHERE owner = ?", f"connections/{connection_id}")
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
            for table in ("connections", "items", "counts"):
                self._run(f"DELETE FROM {table}")  # noqa: S608
            self._seed()

    # --- everything else that has an id ------------------------------------------------------------------------------

    def items(self, kind: str, owner: str = "") -> list[dict[str, Any]]:
        """All of one kind in order of creation; `owner` is what they belong to, if anything, such as teams/<id>."""
        rows = self._run("SELECT doc FROM items WHERE kind = ? AND owner = ? ORDER BY seq", kind, owner)
        return [json.loads(row[0]) for row in rows]

    def item(self, kind: str, item_id: str, owner: str = "") -> dict[str, Any] | None:
        rows = self._run("SELECT doc FROM items WHERE kind = ? AND owner = ? AND id = ?", kind, owner, item_id)
        return json.loads(rows[0][0]) if rows else None

    def save_item(self, kind: str, doc: dict[str, Any], owner: str = "") -> None:
        """Store the document, instead of one of the same id."""
        sql = "INSERT INTO items (kind, owner, id, doc) VALUES (?, ?, ?, ?)"
        sql += " ON CONFLICT (kind, owner, id) DO UPDATE SET doc = excluded.doc"
        self._run(sql, kind, owner, doc["id"], json.dumps(doc))

    def delete_item(self, kind: str, item_id: str, owner: str = "") -> bool:
        """Delete it and what belongs to it; False when there is none."""
        with self._lock:
            sql = "DELETE FROM items WHERE kind = ? AND owner = ? AND id = ? RETURNING id"
            found = self._run(sql, kind, owner, item_id)
            if found and not owner:
                self._run("DELETE FROM items WHERE owner = ?", f"{kind}/{item_id}")
        return bool(found)

    def is_taken(self, an_id: str) -> bool:
        """Whether anything has this id."""
        sql = "SELECT 1 FROM connections WHERE id = ? UNION ALL SELECT 1 FROM items WHERE id = ?"
        return bool(self._run(sql, an_id, an_id))

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
