-- Uploads that take several requests. `origin` is a hash of what the first one proved itself with;
-- at most one upload of an origin is unfinished.
CREATE TABLE uploads (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    project TEXT NOT NULL REFERENCES projects (id),
    path TEXT NOT NULL,
    origin BLOB NOT NULL,
    api_key TEXT NOT NULL,
    policy TEXT,
    declared_type TEXT,
    blob TEXT NOT NULL UNIQUE,
    total INTEGER,
    received INTEGER NOT NULL,
    status TEXT NOT NULL,
    finished TEXT,
    created INTEGER NOT NULL,
    updated INTEGER NOT NULL,
    expires INTEGER NOT NULL
) STRICT;
CREATE INDEX uploads_by_origin ON uploads (project, path, origin, number);
CREATE UNIQUE INDEX uploads_receiving ON uploads (project, path, origin)
    WHERE status = 'receiving';
CREATE INDEX uploads_open ON uploads (project, number, total, received)
    WHERE status = 'receiving';
CREATE INDEX uploads_by_expiry ON uploads (status, expires);

-- Bytes that are durable: from `first` on, before `past`. Parts of an upload never overlap.
CREATE TABLE parts (
    upload INTEGER NOT NULL REFERENCES uploads (number) ON DELETE CASCADE,
    first INTEGER NOT NULL,
    past INTEGER NOT NULL,
    crc64 INTEGER NOT NULL,
    PRIMARY KEY (upload, first)
) STRICT, WITHOUT ROWID;
