-- Format 3: devices that speak and are not in the estate, with their last messages; rejects with their parts apart.

-- `version` counts decisions about the device, not its messages.
CREATE TABLE unknown_device (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    connection TEXT NOT NULL,
    family     TEXT NOT NULL,
    key        TEXT NOT NULL,
    state      TEXT NOT NULL CHECK (state IN ('new', 'ignored')),
    version    INTEGER NOT NULL,
    first_seen INTEGER NOT NULL,
    last_seen  INTEGER NOT NULL,
    heard      INTEGER NOT NULL,
    vendor     TEXT,
    model      TEXT
);
CREATE UNIQUE INDEX unknown_device_by_address ON unknown_device (connection, key);

-- The messages that wait for a decision; they go with their device. A later message may take the number of one that is let
-- go: a device that speaks all the time is one row that changes.
CREATE TABLE unknown_payload (
    device   INTEGER NOT NULL REFERENCES unknown_device (id) ON DELETE CASCADE,
    number   INTEGER NOT NULL,
    at       INTEGER NOT NULL,
    topic    TEXT NOT NULL,
    retained INTEGER NOT NULL,
    payload  BLOB NOT NULL,
    PRIMARY KEY (device, number)
) WITHOUT ROWID;

-- Before, `origin` began with the connection and `reason` with its code: "main site/a/up", "not_json: line 1 …".
CREATE TABLE reject_2 (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    at         INTEGER NOT NULL,
    connection TEXT NOT NULL,
    origin     TEXT NOT NULL,
    device     TEXT,
    reason     TEXT NOT NULL,
    detail     TEXT NOT NULL,
    facts      TEXT NOT NULL,
    bytes      INTEGER NOT NULL,
    payload    BLOB NOT NULL
);
INSERT INTO reject_2
    SELECT id, at,
        substr(origin, 1, instr(origin || ' ', ' ') - 1), substr(origin, instr(origin || ' ', ' ') + 1), NULL,
        substr(reason, 1, instr(reason || ':', ':') - 1), ltrim(substr(reason, instr(reason || ':', ':') + 1)),
        '{}', length(payload), payload
    FROM reject;
DROP TABLE reject;
ALTER TABLE reject_2 RENAME TO reject;
