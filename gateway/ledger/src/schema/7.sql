-- Format 5. Damaged sums per minute, hour or day are set aside too.

CREATE TABLE set_aside_2 (
    id     INTEGER PRIMARY KEY AUTOINCREMENT,
    at     INTEGER NOT NULL,
    kind   TEXT NOT NULL CHECK (kind IN ('chunk', 'log', 'rollup')),
    row    INTEGER NOT NULL,
    point  INTEGER,
    t0     INTEGER,
    t1     INTEGER,
    n      INTEGER NOT NULL,
    what   TEXT NOT NULL,
    data   BLOB
);
INSERT INTO set_aside_2 SELECT id, at, kind, row, point, t0, t1, n, what, data FROM set_aside;
DROP TABLE set_aside;
ALTER TABLE set_aside_2 RENAME TO set_aside;
CREATE INDEX set_aside_by_time ON set_aside (point, t0, t1);
