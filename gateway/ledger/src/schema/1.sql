-- Format 1. Times are milliseconds since 1970 UTC, commits are the ids of `stage`.

CREATE TABLE meta (
    name  TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE point (
    key      INTEGER PRIMARY KEY,
    id       TEXT NOT NULL,
    device   TEXT NOT NULL,
    measure  TEXT NOT NULL,
    instance TEXT
);
CREATE UNIQUE INDEX point_by_id ON point (id);

-- The log: one row per commit. `total` runs on over all commits, `first`/`last` span the observed times,
-- `points` lists the points of `data` so that a query can pass over rows without them.
CREATE TABLE stage (
    id     INTEGER PRIMARY KEY,
    at     INTEGER NOT NULL,
    total  INTEGER NOT NULL,
    n      INTEGER NOT NULL,
    first  INTEGER,
    last   INTEGER,
    points BLOB NOT NULL,
    data   BLOB NOT NULL
);

-- Sealed samples: the chunks of a point hold ascending, disjoint ranges of commits; their times may overlap.
CREATE TABLE chunk (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    point   INTEGER NOT NULL,
    t0      INTEGER NOT NULL,
    t1      INTEGER NOT NULL,
    n       INTEGER NOT NULL,
    numeric INTEGER NOT NULL,
    min     REAL,
    max     REAL,
    sum     REAL,
    first   REAL,
    last    REAL,
    data    BLOB NOT NULL
);
CREATE INDEX chunk_by_time ON chunk (point, t0, t1);

-- What is sealed of a point: every sample up to commit `sealed` is in chunks, every later one in the stage.
-- `latest` is the newest sample among the sealed ones.
CREATE TABLE series (
    point      INTEGER PRIMARY KEY,
    sealed     INTEGER NOT NULL,
    last_chunk INTEGER NOT NULL,
    latest     BLOB NOT NULL
);

CREATE TABLE snapshot (
    id     INTEGER PRIMARY KEY CHECK (id = 1),
    at     INTEGER NOT NULL,
    format INTEGER NOT NULL,
    crc    INTEGER NOT NULL,
    data   BLOB NOT NULL
);

CREATE TABLE alarm (
    id       INTEGER PRIMARY KEY,
    asset    TEXT NOT NULL,
    class    TEXT NOT NULL,
    live     INTEGER NOT NULL,
    priority INTEGER NOT NULL,
    state    TEXT NOT NULL,
    raised   INTEGER NOT NULL,
    updated  INTEGER NOT NULL,
    document BLOB NOT NULL
);
CREATE UNIQUE INDEX alarm_one_live ON alarm (asset, class) WHERE live;
CREATE INDEX alarm_by_asset ON alarm (asset, id);

CREATE TABLE work_order (
    id       INTEGER PRIMARY KEY,
    asset    TEXT NOT NULL,
    fault    TEXT NOT NULL,
    open     INTEGER NOT NULL,
    state    TEXT NOT NULL,
    version  INTEGER NOT NULL,
    priority INTEGER NOT NULL,
    role     TEXT NOT NULL,
    opened   INTEGER NOT NULL,
    updated  INTEGER NOT NULL,
    document BLOB NOT NULL
);
CREATE UNIQUE INDEX order_one_open ON work_order (asset, fault) WHERE open;
CREATE INDEX order_by_asset ON work_order (asset, id);

CREATE TABLE transition (
    id       INTEGER PRIMARY KEY,
    kind     TEXT NOT NULL CHECK (kind IN ('alarm', 'order')),
    subject  INTEGER NOT NULL,
    at       INTEGER NOT NULL,
    previous TEXT NOT NULL,
    next     TEXT NOT NULL,
    event    TEXT NOT NULL,
    actor    TEXT NOT NULL,
    note     TEXT NOT NULL
);
CREATE INDEX transition_by_subject ON transition (kind, subject, id);

CREATE TABLE delivery (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    channel      TEXT NOT NULL,
    subject_kind TEXT NOT NULL,
    subject      TEXT NOT NULL,
    payload      BLOB NOT NULL,
    idempotency  TEXT NOT NULL,
    state        TEXT NOT NULL CHECK (state IN ('pending', 'delivered', 'dead')),
    attempts     INTEGER NOT NULL,
    next_at      INTEGER NOT NULL,
    last_error   TEXT,
    created      INTEGER NOT NULL,
    first_at     INTEGER NOT NULL,
    delivered_at INTEGER
);
CREATE UNIQUE INDEX delivery_once ON delivery (idempotency);
CREATE INDEX delivery_due ON delivery (next_at, id) WHERE state = 'pending';
CREATE INDEX delivery_by_state ON delivery (state, id);
CREATE INDEX delivery_by_subject ON delivery (subject_kind, subject, id);

CREATE TABLE audit (
    id      INTEGER PRIMARY KEY,
    at      INTEGER NOT NULL,
    actor   TEXT NOT NULL,
    action  TEXT NOT NULL,
    subject TEXT NOT NULL,
    detail  TEXT NOT NULL,
    hash    BLOB NOT NULL
);

-- Identities and packet marks are appended as one blob per commit and read back only at start.
CREATE TABLE identity (
    id      INTEGER PRIMARY KEY,
    expires INTEGER NOT NULL,
    data    BLOB NOT NULL
);
CREATE TABLE packet_mark (
    id   INTEGER PRIMARY KEY,
    data BLOB NOT NULL
);

CREATE TABLE retained (
    topic   TEXT PRIMARY KEY,
    payload BLOB NOT NULL,
    qos     INTEGER NOT NULL,
    at      INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE reject (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    at      INTEGER NOT NULL,
    origin  TEXT NOT NULL,
    reason  TEXT NOT NULL,
    payload BLOB NOT NULL
);

CREATE TABLE document (
    kind    TEXT NOT NULL,
    name    TEXT NOT NULL,
    version INTEGER NOT NULL,
    at      INTEGER NOT NULL,
    author  TEXT NOT NULL,
    body    BLOB,
    PRIMARY KEY (kind, name, version)
);

CREATE TABLE token (
    id      TEXT PRIMARY KEY,
    name    TEXT NOT NULL,
    role    TEXT NOT NULL,
    hash    BLOB NOT NULL,
    created INTEGER NOT NULL,
    rotated INTEGER,
    revoked INTEGER
);
CREATE UNIQUE INDEX token_by_hash ON token (hash);

CREATE TABLE answer (
    key       TEXT NOT NULL,
    principal TEXT NOT NULL,
    body_hash BLOB NOT NULL,
    answer    BLOB NOT NULL,
    expires   INTEGER NOT NULL,
    PRIMARY KEY (key, principal)
);
CREATE INDEX answer_by_expiry ON answer (expires);

CREATE TABLE named_value (
    name  TEXT PRIMARY KEY,
    value BLOB NOT NULL
);
