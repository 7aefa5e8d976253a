-- Which node does what one does for all, and until when if it does not say so again.
CREATE TABLE turns (
    chore TEXT COLLATE "C" PRIMARY KEY,
    node TEXT NOT NULL,
    ends TIMESTAMPTZ NOT NULL
);
