-- One row. The version rises with each change of the settings.
CREATE TABLE settings (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    version INTEGER NOT NULL
) STRICT;
INSERT INTO settings (one, version) VALUES (1, 0);

CREATE TABLE projects (
    id TEXT PRIMARY KEY,
    org TEXT NOT NULL,
    name TEXT NOT NULL,
    catch_all INTEGER NOT NULL,
    legacy_urls TEXT NOT NULL,
    max_expiry_seconds INTEGER,
    file_bytes_max INTEGER,
    access_rules TEXT NOT NULL,
    created INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE domains (
    host TEXT PRIMARY KEY,
    project TEXT NOT NULL REFERENCES projects (id),
    public_url TEXT NOT NULL,
    created INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE api_keys (
    id TEXT PRIMARY KEY,
    project TEXT NOT NULL REFERENCES projects (id),
    name TEXT NOT NULL,
    scopes TEXT NOT NULL,
    prefix TEXT NOT NULL,
    state TEXT NOT NULL,
    verify_until INTEGER,
    created INTEGER NOT NULL,
    last_used INTEGER,
    master_id TEXT NOT NULL,
    nonce BLOB NOT NULL,
    ciphertext BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE files (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    media_id TEXT NOT NULL,
    project TEXT NOT NULL REFERENCES projects (id),
    path TEXT NOT NULL,
    blob TEXT NOT NULL UNIQUE,
    size INTEGER NOT NULL,
    crc64 INTEGER NOT NULL,
    sha256 BLOB,
    media TEXT NOT NULL,
    reference TEXT,
    label TEXT,
    metadata TEXT NOT NULL,
    created INTEGER NOT NULL,
    updated INTEGER NOT NULL,
    UNIQUE (project, path)
) STRICT;
CREATE INDEX files_by_age ON files (project, number);

-- Blobs that no path points to any more, and that go when readers have had their time.
CREATE TABLE retired_blobs (
    blob TEXT PRIMARY KEY,
    retired INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX retired_blobs_by_age ON retired_blobs (retired);
