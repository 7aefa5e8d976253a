-- What the blob store wants remembered of an upload's blob, and of each of its parts.
ALTER TABLE uploads ADD COLUMN memo TEXT NOT NULL DEFAULT '';
ALTER TABLE parts ADD COLUMN memo TEXT NOT NULL DEFAULT '';
