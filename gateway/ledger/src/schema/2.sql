-- Format 2. A retained message may expire; without an expiry it stays until it is cleared.

ALTER TABLE retained ADD COLUMN expires INTEGER;
CREATE INDEX retained_by_expiry ON retained (expires) WHERE expires IS NOT NULL;
