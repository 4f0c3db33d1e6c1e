-- A paper as all its records together tell it. Rows are never deleted: a paper that turned out to be
-- another one keeps its row, with merged_into, so that its old id still leads somewhere and the index
-- learns of it through the revision.
CREATE TABLE papers (
    id          TEXT PRIMARY KEY,
    revision    BIGINT NOT NULL UNIQUE,
    paper       TEXT NOT NULL,
    merged_into TEXT
);

-- What each source said, as it was read: the provenance of every field.
CREATE TABLE records (
    source     TEXT NOT NULL,
    record_key TEXT NOT NULL,
    paper_id   TEXT NOT NULL,
    record     TEXT NOT NULL,
    PRIMARY KEY (source, record_key)
);
CREATE INDEX records_by_paper ON records (paper_id);

-- Every identifier of every paper.
CREATE TABLE identities (
    identity_key TEXT PRIMARY KEY,
    paper_id     TEXT NOT NULL
);
CREATE INDEX identities_by_paper ON identities (paper_id);

-- Normalised title and year of every record that was ever read, superseded ones too: where records without a
-- common identifier meet.
CREATE TABLE likenesses (
    likeness TEXT NOT NULL,
    paper_id TEXT NOT NULL,
    PRIMARY KEY (likeness, paper_id)
);
CREATE INDEX likenesses_by_paper ON likenesses (paper_id);

-- How far each request to a source has been read.
CREATE TABLE cursors (
    request  TEXT PRIMARY KEY,
    position TEXT NOT NULL,
    saved_at TEXT NOT NULL
);

-- Answers and the events that led to them.
CREATE TABLE answers (
    id         TEXT PRIMARY KEY,
    answer     TEXT NOT NULL,
    created_at TEXT NOT NULL
);
CREATE TABLE answer_events (
    answer_id TEXT NOT NULL,
    seq       BIGINT NOT NULL,
    kind      TEXT NOT NULL,
    data      TEXT NOT NULL,
    PRIMARY KEY (answer_id, seq)
);
