-- Texts that are compared or sorted are in byte order, which is what a prefix as a range rests on.
-- Texts that may hold any character are bytes (PostgreSQL's text cannot hold U+0000) or JSON.
-- Times are Unix milliseconds. Files and uploads do not reference their project: projects are never
-- removed, and to share-lock one row for every upload of a project would make that row a bottleneck.

-- One row. The version rises with each change of the settings.
CREATE TABLE settings (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    version BIGINT NOT NULL
);
INSERT INTO settings (one, version) VALUES (1, 0);

CREATE TABLE projects (
    id TEXT COLLATE "C" PRIMARY KEY,
    org BYTEA NOT NULL,
    name BYTEA NOT NULL,
    catch_all BOOLEAN NOT NULL,
    legacy_urls TEXT NOT NULL,
    max_expiry_seconds BIGINT,
    file_bytes_max BIGINT,
    access_rules TEXT NOT NULL,
    created BIGINT NOT NULL
);

CREATE TABLE domains (
    host TEXT COLLATE "C" PRIMARY KEY,
    project TEXT COLLATE "C" NOT NULL REFERENCES projects (id),
    public_url TEXT NOT NULL,
    created BIGINT NOT NULL
);

CREATE TABLE api_keys (
    id TEXT COLLATE "C" PRIMARY KEY,
    project TEXT COLLATE "C" NOT NULL REFERENCES projects (id),
    name BYTEA NOT NULL,
    scopes TEXT NOT NULL,
    prefix TEXT NOT NULL,
    state TEXT NOT NULL,
    verify_until BIGINT,
    created BIGINT NOT NULL,
    last_used BIGINT,
    master_id TEXT NOT NULL,
    nonce BYTEA NOT NULL,
    ciphertext BYTEA NOT NULL
);

CREATE TABLE files (
    number BIGINT GENERATED ALWAYS AS IDENTITY,
    id TEXT COLLATE "C" NOT NULL UNIQUE,
    media_id TEXT COLLATE "C" NOT NULL,
    project TEXT COLLATE "C" NOT NULL,
    path TEXT COLLATE "C" NOT NULL,
    blob TEXT COLLATE "C" NOT NULL UNIQUE,
    size BIGINT NOT NULL,
    crc64 BIGINT NOT NULL,
    sha256 BYTEA,
    media TEXT NOT NULL,
    reference BYTEA,
    label BYTEA,
    metadata TEXT NOT NULL,
    created BIGINT NOT NULL,
    updated BIGINT NOT NULL,
    PRIMARY KEY (project, path)
);
CREATE INDEX files_by_age ON files (project, number);

-- Blobs that no path points to any more, and that go when readers have had their time. `removal`
-- tells a removal whose answer was lost from somebody else's.
CREATE TABLE retired_blobs (
    blob TEXT COLLATE "C" PRIMARY KEY,
    retired BIGINT NOT NULL,
    removal BYTEA
);
CREATE INDEX retired_blobs_by_age ON retired_blobs (retired);

-- Uploads that take several requests. `origin` is a hash of what the first one proved itself with;
-- at most one upload of an origin is unfinished.
CREATE TABLE uploads (
    number BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id TEXT COLLATE "C" NOT NULL UNIQUE,
    project TEXT COLLATE "C" NOT NULL,
    path TEXT COLLATE "C" NOT NULL,
    origin BYTEA NOT NULL,
    api_key TEXT NOT NULL,
    policy TEXT,
    declared_type BYTEA,
    blob TEXT COLLATE "C" NOT NULL UNIQUE,
    memo TEXT NOT NULL,
    total BIGINT,
    received BIGINT NOT NULL,
    status TEXT COLLATE "C" NOT NULL,
    finished TEXT,
    created BIGINT NOT NULL,
    updated BIGINT NOT NULL,
    expires BIGINT NOT NULL
);
CREATE INDEX uploads_by_origin ON uploads (project, path, origin, status, number);
CREATE UNIQUE INDEX uploads_receiving ON uploads (project, path, origin)
    WHERE status = 'receiving';
CREATE INDEX uploads_open ON uploads (project, number) WHERE status = 'receiving';
CREATE INDEX uploads_to_expire ON uploads (expires) WHERE status = 'receiving';
CREATE INDEX uploads_to_forget ON uploads (expires) WHERE status <> 'receiving';

-- Bytes that are durable: from `first` on, before `past`. Parts of an upload never overlap.
CREATE TABLE parts (
    upload BIGINT NOT NULL REFERENCES uploads (number) ON DELETE CASCADE,
    first BIGINT NOT NULL,
    past BIGINT NOT NULL,
    crc64 BIGINT NOT NULL,
    memo TEXT NOT NULL,
    PRIMARY KEY (upload, first)
);
