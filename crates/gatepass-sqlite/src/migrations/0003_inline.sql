-- Bytes of small files, which need no sync of their own here. They go with their version of the file.
ALTER TABLE files ADD COLUMN inline INTEGER NOT NULL DEFAULT 0;
CREATE TABLE contents (
    file INTEGER PRIMARY KEY REFERENCES files (number) ON DELETE CASCADE,
    bytes BLOB NOT NULL
) STRICT;
