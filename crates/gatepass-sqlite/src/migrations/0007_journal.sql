-- Publications are made durable in the journal, and written here a little later. Up to where of the
-- journal they are here: a segment, a place in it, and the checksum of the record before.
CREATE TABLE journal (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    segment INTEGER NOT NULL,
    place INTEGER NOT NULL,
    chain INTEGER NOT NULL
) STRICT;
INSERT INTO journal (one, segment, place, chain) VALUES (1, 0, 0, 0);

-- The same table as before, with two columns more: where in the journal the bytes of a small file
-- are. (NULL: in the store, or, from earlier versions, in `contents`.) And with an index less: by its
-- blob only a file is looked for that is in the store. An index of random names costs more than
-- all else of a row.
CREATE TABLE files_anew (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    media_id TEXT NOT NULL,
    project TEXT NOT NULL REFERENCES projects (id),
    path TEXT NOT NULL,
    blob TEXT NOT NULL,
    size INTEGER NOT NULL,
    crc64 INTEGER NOT NULL,
    sha256 BLOB,
    media TEXT NOT NULL,
    reference TEXT,
    label TEXT,
    metadata TEXT NOT NULL,
    created INTEGER NOT NULL,
    updated INTEGER NOT NULL,
    inline INTEGER NOT NULL DEFAULT 0,
    segment INTEGER,
    place INTEGER,
    UNIQUE (project, path)
) STRICT;
INSERT INTO files_anew
    SELECT number, id, media_id, project, path, blob, size, crc64, sha256, media, reference, label,
        metadata, created, updated, inline, NULL, NULL
    FROM files;
DROP TRIGGER file_runs_long;
DROP TABLE files;
ALTER TABLE files_anew RENAME TO files;
CREATE INDEX files_by_age ON files (project, number);
CREATE UNIQUE INDEX files_by_blob ON files (blob) WHERE inline = 0;

-- The triggers of the table before, which went with it, and one that refers to it.
CREATE TRIGGER file_runs_long AFTER UPDATE OF files ON file_runs WHEN NEW.files >= 2048 BEGIN
    INSERT INTO file_runs (project, first, files)
        SELECT NEW.project, path, NEW.files - 1024 FROM files
        WHERE project = NEW.project AND path >= NEW.first ORDER BY path LIMIT 1 OFFSET 1024;
    UPDATE file_runs SET files = 1024 WHERE project = NEW.project AND first = NEW.first;
END;

CREATE TRIGGER files_counted_in AFTER INSERT ON files BEGIN
    INSERT INTO file_ages (project, bucket, files) VALUES (NEW.project, NEW.number >> 11, 1)
        ON CONFLICT (project, bucket) DO UPDATE SET files = files + 1;
    INSERT INTO file_runs (project, first, files) VALUES (NEW.project, '', 0)
        ON CONFLICT (project, first) DO NOTHING;
    UPDATE file_runs SET files = files + 1 WHERE project = NEW.project AND first =
        (SELECT max(first) FROM file_runs WHERE project = NEW.project AND first <= NEW.path);
END;

CREATE TRIGGER files_counted_out AFTER DELETE ON files BEGIN
    UPDATE file_ages SET files = files - 1
        WHERE project = OLD.project AND bucket = OLD.number >> 11;
    DELETE FROM file_ages
        WHERE project = OLD.project AND bucket = OLD.number >> 11 AND files = 0;
    UPDATE file_runs SET files = files - 1 WHERE project = OLD.project AND first =
        (SELECT max(first) FROM file_runs WHERE project = OLD.project AND first <= OLD.path);
END;

CREATE TRIGGER files_counted_anew AFTER UPDATE OF path ON files WHEN NEW.path <> OLD.path BEGIN
    UPDATE file_runs SET files = files - 1 WHERE project = OLD.project AND first =
        (SELECT max(first) FROM file_runs WHERE project = OLD.project AND first <= OLD.path);
    UPDATE file_runs SET files = files + 1 WHERE project = NEW.project AND first =
        (SELECT max(first) FROM file_runs WHERE project = NEW.project AND first <= NEW.path);
END;

-- How many files have their bytes in a segment of the journal, and how many bytes; and since when
-- none has. Triggers count: in the transaction of the change, whoever makes it.
CREATE TABLE segments (
    number INTEGER PRIMARY KEY,
    files INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    emptied INTEGER
) STRICT;

CREATE TRIGGER segments_in AFTER INSERT ON files WHEN NEW.segment IS NOT NULL BEGIN
    INSERT INTO segments (number, files, bytes) VALUES (NEW.segment, 1, NEW.size)
        ON CONFLICT (number) DO UPDATE SET files = files + 1, bytes = bytes + NEW.size;
END;

CREATE TRIGGER segments_out AFTER DELETE ON files WHEN OLD.segment IS NOT NULL BEGIN
    UPDATE segments SET files = files - 1, bytes = bytes - OLD.size WHERE number = OLD.segment;
END;

CREATE TRIGGER segments_anew AFTER UPDATE OF blob, segment, place ON files BEGIN
    UPDATE segments SET files = files - 1, bytes = bytes - OLD.size WHERE number = OLD.segment;
    INSERT INTO segments (number, files, bytes)
        SELECT NEW.segment, 1, NEW.size WHERE NEW.segment IS NOT NULL
        ON CONFLICT (number) DO UPDATE SET files = files + 1, bytes = bytes + NEW.size;
END;

-- What earlier versions kept of a file goes with that version.
CREATE TRIGGER contents_out AFTER UPDATE OF blob ON files
WHEN OLD.inline = 1 AND OLD.segment IS NULL AND NEW.blob <> OLD.blob BEGIN
    DELETE FROM contents WHERE file = OLD.number;
END;
