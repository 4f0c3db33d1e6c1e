-- The revision at which title or abstract last changed: an index that has reached it has the paper's vectors.
ALTER TABLE papers ADD COLUMN text_revision BIGINT;
UPDATE papers SET text_revision = revision;

-- What an operator has decided: the records of each side are one work, and those of two sides are not. One that was
-- taken back stays, as history.
CREATE TABLE decisions (
    id         INTEGER PRIMARY KEY,
    -- Microseconds since 1970.
    decided_at BIGINT NOT NULL,
    undone_at  BIGINT
);
CREATE TABLE decided_records (
    decision   BIGINT NOT NULL,
    side       BIGINT NOT NULL,
    source     TEXT NOT NULL,
    record_key TEXT NOT NULL,
    PRIMARY KEY (decision, side, source, record_key)
);
CREATE INDEX decided_records_by_name ON decided_records (source, record_key);
