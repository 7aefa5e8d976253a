#!/usr/bin/env bash
# What a file takes in PostgreSQL: bytes of the table and of each index, bytes of write-ahead log for
# each publication. It fills a PostgreSQL of its own, in a temporary directory, and removes it.
set -euo pipefail
here="$(cd "$(dirname "$0")/.." && pwd)"
rows="${1:-300000}"
bin="$(ls -d /usr/lib/postgresql/*/bin | sort -V | tail -1)"
as() { if [ "$(id -u)" = 0 ]; then runuser -u postgres -- "$@"; else "$@"; fi; }
cd /
dir="$(as mktemp -d)"
port=$((20000 + $$ % 20000))
trap 'as "$bin/pg_ctl" -D "$dir/data" -m immediate stop >/dev/null 2>&1; rm -rf "$dir"' EXIT
as "$bin/initdb" -D "$dir/data" -A trust -U postgres --no-sync -E UTF8 --locale=C >/dev/null
as "$bin/pg_ctl" -D "$dir/data" -l "$dir/log" -w start >/dev/null \
  -o "-p $port -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off -c max_wal_size=4GB"
at=(-h 127.0.0.1 -p "$port" -U postgres)
sql() { "$bin/psql" -X -q -A -t -F ' ' "${at[@]}" -d postgres "$@"; }
cat "$here"/crates/gatepass-postgres/src/migrations/*.sql | sql -1 -v ON_ERROR_STOP=1 -f - >/dev/null

# A photo, as Gatepass describes it.
row() {
  cat <<SQL
INSERT INTO files (id, media_id, project, path, blob, size, crc64, media, metadata, created, updated)
SELECT 'file_' || left(md5(n::text), 16), 'med_' || left(md5(n::text), 16), 'proj_0123456789abcdef',
  'photos/2026/11/' || md5('p' || n) || '.jpg', left(md5('b' || n), 26), 250000, 123456789012345678,
  '{"kind":"image","content_type":"image/jpeg","container":"jpeg","codec":"jpeg","width":4032,"height":3024,"rotation":0,"transparency":false,"animated":false,"frames":1,"placeholder":"1QcSHQRnh493V4dIh4eXh1h4kJUI","background":"#a0b0c0"}',
  '{"user":"12345"}', 1764000000000, 1764000000000 FROM $1
SQL
}
sql -c "$(row "generate_series(1, $rows) AS n")"
echo "bytes a file, of $rows:"
sql -c "SELECT '  table', pg_relation_size('files') / $rows"
sql -c "SELECT '  ' || indexrelid::regclass, pg_relation_size(indexrelid) / $rows FROM pg_index WHERE indrelid = 'files'::regclass"
sql -c "SELECT '  all', pg_total_relation_size('files') / $rows"

{
  echo '\set n random(1, 9000000000000000)'
  echo 'BEGIN;'
  echo "SELECT pg_advisory_xact_lock(hashtextextended('proj_0123456789abcdef/photos/' || :n, 1));"
  echo "$(row '(SELECT :n::bigint AS n) AS one') ON CONFLICT DO NOTHING;"
  echo 'COMMIT;'
} > "$dir/publish.sql"
publish() {
  local before
  before="$(sql -c 'SELECT pg_current_wal_lsn()')"
  "$bin/pgbench" "${at[@]}" -n -f "$dir/publish.sql" -t 5000 -c 4 postgres >/dev/null 2>&1
  sql -c "SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '$before')::bigint / 20000"
}
sql -c CHECKPOINT
echo "bytes of write-ahead log a publication, right after a checkpoint: $(publish)"
echo "bytes of write-ahead log a publication, later: $(publish)"
