-- Counts of files, by which a page far into a list is found, and a list's total, without reading
-- what lies before. A change of the number of files only adds a row to `file_changes`: nobody queues
-- up for a count. From time to time the rows are folded into the counts. What holds at any moment,
-- and is all that readers rest on: counts and changes of one snapshot together are its files.
LOCK TABLE files IN SHARE ROW EXCLUSIVE MODE;

CREATE TABLE file_changes (
    project TEXT COLLATE "C" NOT NULL,
    path TEXT COLLATE "C" NOT NULL,
    number BIGINT NOT NULL,
    files BIGINT NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000,
    autovacuum_vacuum_insert_threshold = -1);

-- By age: how many files of a project have a number of which `bucket` is all but the last 14 bits.
CREATE TABLE file_ages (
    project TEXT COLLATE "C" NOT NULL,
    bucket BIGINT NOT NULL,
    files BIGINT NOT NULL,
    PRIMARY KEY (project, bucket)
);
CREATE INDEX file_ages_empty ON file_ages (project, bucket) WHERE files = 0;

-- By path: how many files of a project have a path from `first` on and before the next run's. The
-- first run of a project starts at the empty path. A run that gets long is cut into several.
CREATE TABLE file_runs (
    project TEXT COLLATE "C" NOT NULL,
    first TEXT COLLATE "C" NOT NULL,
    files BIGINT NOT NULL,
    PRIMARY KEY (project, first)
);
CREATE INDEX file_runs_empty ON file_runs (project, first) WHERE files = 0;
CREATE INDEX file_runs_long ON file_runs (project, first) WHERE files >= 32768;

INSERT INTO file_ages (project, bucket, files)
    SELECT project, number >> 14, count(*) FROM files GROUP BY 1, 2;
INSERT INTO file_runs (project, first, files)
    SELECT project, CASE run WHEN 0 THEN '' ELSE min(path) END, count(*)
    FROM (SELECT project, path,
              (row_number() OVER (PARTITION BY project ORDER BY path) - 1) / 16384 AS run
          FROM files) AS placed
    GROUP BY project, run;

CREATE FUNCTION count_files_in() RETURNS TRIGGER LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO file_changes (project, path, number, files)
        SELECT project, path, number, 1 FROM those;
    RETURN NULL;
END $$;
CREATE TRIGGER files_counted_in AFTER INSERT ON files
    REFERENCING NEW TABLE AS those FOR EACH STATEMENT EXECUTE FUNCTION count_files_in();

CREATE FUNCTION count_files_out() RETURNS TRIGGER LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO file_changes (project, path, number, files)
        SELECT project, path, number, -1 FROM those;
    RETURN NULL;
END $$;
CREATE TRIGGER files_counted_out AFTER DELETE ON files
    REFERENCING OLD TABLE AS those FOR EACH STATEMENT EXECUTE FUNCTION count_files_out();

CREATE FUNCTION count_file_anew() RETURNS TRIGGER LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO file_changes (project, path, number, files)
        VALUES (OLD.project, OLD.path, OLD.number, -1), (NEW.project, NEW.path, NEW.number, 1);
    RETURN NULL;
END $$;
CREATE TRIGGER files_counted_anew AFTER UPDATE OF path ON files
    FOR EACH ROW WHEN (OLD.path <> NEW.path) EXECUTE FUNCTION count_file_anew();

-- Folds all changes into the counts, and cuts long runs; returns how many changes there were. All
-- that it reads has to be of one snapshot. One at a time: others leave it to him.
CREATE FUNCTION fold_file_changes() RETURNS BIGINT LANGUAGE plpgsql AS $$
DECLARE
    folded BIGINT;
    lengthy RECORD;
BEGIN
    IF current_setting('transaction_isolation') <> 'repeatable read' THEN
        RAISE EXCEPTION 'counts are folded in one snapshot';
    END IF;
    -- "GPas", likewise the lock of migrations.
    IF NOT pg_try_advisory_xact_lock(1196450163, 3) THEN
        RETURN 0;
    END IF;
    WITH gone AS (DELETE FROM file_changes RETURNING project, path, number, files),
    aged AS (
        INSERT INTO file_ages AS age (project, bucket, files)
        SELECT project, number >> 14, sum(files) FROM gone GROUP BY 1, 2 HAVING sum(files) <> 0
        ON CONFLICT (project, bucket) DO UPDATE SET files = age.files + excluded.files
    ), placed AS (
        SELECT project, files, coalesce((SELECT max(first) FROM file_runs AS run
            WHERE run.project = gone.project AND run.first <= gone.path), '') AS first FROM gone
    ), counted AS (
        INSERT INTO file_runs AS run (project, first, files)
        SELECT project, first, sum(files) FROM placed GROUP BY 1, 2 HAVING sum(files) <> 0
        ON CONFLICT (project, first) DO UPDATE SET files = run.files + excluded.files
    )
    SELECT count(*) INTO folded FROM gone;
    DELETE FROM file_ages WHERE files = 0;
    DELETE FROM file_runs WHERE files = 0;
    FOR lengthy IN SELECT project, first, files FROM file_runs WHERE files >= 32768 LOOP
        INSERT INTO file_runs AS run (project, first, files)
        SELECT lengthy.project, CASE piece WHEN 0 THEN lengthy.first ELSE min(path) END, count(*)
        FROM (SELECT path, (row_number() OVER (ORDER BY path) - 1) / 16384 AS piece
              FROM (SELECT path FROM files
                    WHERE project = lengthy.project AND path >= lengthy.first
                    ORDER BY path LIMIT lengthy.files) AS of_run) AS placed
        GROUP BY piece
        ON CONFLICT (project, first) DO UPDATE SET files = excluded.files;
    END LOOP;
    RETURN folded;
END $$;
