-- A paper is a function of the set of its records, so only the records are stored: a paper is read as what they make
-- together. What older libraries have is carried over when the store is opened next (carry_over.rs).
ALTER TABLE papers RENAME TO old_papers;
ALTER TABLE records RENAME TO old_records;
ALTER TABLE likenesses RENAME TO old_likenesses;
DROP INDEX records_by_paper;
DROP INDEX likenesses_by_paper;
DROP TABLE identities;

-- Rows are never deleted: a paper that turned out to be another one keeps its row, with merged_into, so that its old
-- id still leads somewhere, the index learns of it through the revision, and it can come back.
CREATE TABLE papers (
    id          TEXT PRIMARY KEY,
    revision    BIGINT NOT NULL UNIQUE,
    merged_into TEXT
);

-- Every record of every source, numbered as they came. Narrow, since each sync writes when they were seen.
CREATE TABLE records (
    no           INTEGER PRIMARY KEY,
    source       TEXT NOT NULL,
    record_key   TEXT NOT NULL,
    -- The paper it is of now.
    paper_id     TEXT NOT NULL,
    -- The paper that it made when there was none for it: that id comes back when the record stands alone again.
    first_id     TEXT,
    -- Of the text, to tell an unchanged record without reading it.
    digest       BIGINT NOT NULL,
    -- Microseconds since 1970.
    seen         BIGINT NOT NULL,
    has_abstract BIGINT NOT NULL,
    -- Of which kinds its identifiers are, each between spaces: ' doi arxiv '.
    id_kinds     TEXT NOT NULL,
    -- The likenesses of its earlier states, as a JSON list.
    former       TEXT NOT NULL,
    UNIQUE (source, record_key)
);
CREATE INDEX records_by_paper ON records (paper_id);

-- The newest state of each record, as JSON without when it was seen.
CREATE TABLE record_texts (
    no     INTEGER PRIMARY KEY,
    record TEXT NOT NULL
);

-- Where records meet: digests of their identifiers and likenesses.
CREATE TABLE record_links (
    link BIGINT NOT NULL,
    no   INTEGER NOT NULL,
    PRIMARY KEY (link, no)
);
