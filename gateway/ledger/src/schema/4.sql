-- Format 4. What was damaged is set aside, sealed samples are summed up per minute, hour and day, and lines that a
-- forwarder's target refused are kept.

-- Damaged bytes, moved out of the way of the rest. `point`, `t0`, `t1` and `n` are what the row beside them said.
CREATE TABLE set_aside (
    id     INTEGER PRIMARY KEY AUTOINCREMENT,
    at     INTEGER NOT NULL,
    kind   TEXT NOT NULL CHECK (kind IN ('chunk', 'log')),
    row    INTEGER NOT NULL,
    point  INTEGER,
    t0     INTEGER,
    t1     INTEGER,
    n      INTEGER NOT NULL,
    what   TEXT NOT NULL,
    data   BLOB
);
CREATE INDEX set_aside_by_time ON set_aside (point, t0, t1);

-- Rollups: a row holds the buckets of one resolution (`width` in milliseconds) that begin in [t0, t1].
CREATE TABLE rollup (
    id    INTEGER PRIMARY KEY,
    point INTEGER NOT NULL,
    width INTEGER NOT NULL,
    t0    INTEGER NOT NULL,
    t1    INTEGER NOT NULL,
    n     INTEGER NOT NULL,
    data  BLOB NOT NULL
);
CREATE UNIQUE INDEX rollup_by_time ON rollup (point, width, t0);

-- `rolled`: the rollups of the point cover all its chunks. `raw_from`: samples before it may have been let go.
ALTER TABLE series ADD COLUMN rolled INTEGER NOT NULL DEFAULT 0;
ALTER TABLE series ADD COLUMN raw_from INTEGER;
CREATE INDEX chunk_by_age ON chunk (t1);

-- Lines a forwarder's target refused for good.
CREATE TABLE parked (
    id     INTEGER PRIMARY KEY AUTOINCREMENT,
    target TEXT NOT NULL,
    at     INTEGER NOT NULL,
    line   TEXT NOT NULL,
    reason TEXT NOT NULL
);
CREATE INDEX parked_by_target ON parked (target, id);
