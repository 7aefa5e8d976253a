-- Counts of files, by which a page far into a list is found, and a list's total, without reading
-- what lies before. Triggers keep them: in the transaction of the change, whoever makes it.

-- By age: how many files of a project have a number of which `bucket` is all but the last 11 bits.
CREATE TABLE file_ages (
    project TEXT NOT NULL,
    bucket INTEGER NOT NULL,
    files INTEGER NOT NULL,
    PRIMARY KEY (project, bucket)
) STRICT, WITHOUT ROWID;

-- By path: how many files of a project have a path from `first` on and before the next run's. The
-- first run of a project starts at the empty path. A run that gets long is cut in two.
CREATE TABLE file_runs (
    project TEXT NOT NULL,
    first TEXT NOT NULL,
    files INTEGER NOT NULL,
    PRIMARY KEY (project, first)
) STRICT, WITHOUT ROWID;

INSERT INTO file_ages (project, bucket, files)
    SELECT project, number >> 11, count(*) FROM files GROUP BY 1, 2;
INSERT INTO file_runs (project, first, files)
    SELECT project, CASE run WHEN 0 THEN '' ELSE min(path) END, count(*)
    FROM (SELECT project, path,
              (row_number() OVER (PARTITION BY project ORDER BY path) - 1) / 1024 AS run
          FROM files)
    GROUP BY project, run;

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

CREATE TRIGGER file_runs_empty AFTER UPDATE OF files ON file_runs
WHEN NEW.files = 0 AND NEW.first <> '' BEGIN
    DELETE FROM file_runs WHERE project = NEW.project AND first = NEW.first;
END;

CREATE TRIGGER file_runs_long AFTER UPDATE OF files ON file_runs WHEN NEW.files >= 2048 BEGIN
    INSERT INTO file_runs (project, first, files)
        SELECT NEW.project, path, NEW.files - 1024 FROM files
        WHERE project = NEW.project AND path >= NEW.first ORDER BY path LIMIT 1 OFFSET 1024;
    UPDATE file_runs SET files = 1024 WHERE project = NEW.project AND first = NEW.first;
END;
