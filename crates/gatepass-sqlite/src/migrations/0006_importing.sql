-- What is being brought in by a restore or a migration that has not ended.
ALTER TABLE settings ADD COLUMN importing TEXT;
