-- Publications are made durable in the journal, and written here a little later. Up to where of the
-- journal they are here: a segment, a place in it, and the checksum of the record before.
CREATE TABLE journal (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    segment INTEGER NOT NULL,
    place INTEGER NOT NULL,
    chain INTEGER NOT NULL
) STRICT;
INSERT INTO journal (one, segment, place, chain) VALUES (1, 0, 0, 0);

-- Where in the journal the bytes of a small file are. NULL: in the store, or, from earlier versions,
-- in `contents`.
ALTER TABLE files ADD COLUMN segment INTEGER;
ALTER TABLE files ADD COLUMN place INTEGER;

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
