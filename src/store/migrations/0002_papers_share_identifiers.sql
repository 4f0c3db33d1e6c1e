-- Several papers may have one identifier: the chapters under a book's DOI, line 1 of each of two files. With one
-- owner a key, only the first of them could be found by it.
CREATE TABLE identities_of_papers (
    identity_key TEXT NOT NULL,
    paper_id     TEXT NOT NULL,
    PRIMARY KEY (identity_key, paper_id)
);
INSERT INTO identities_of_papers (identity_key, paper_id) SELECT identity_key, paper_id FROM identities;
DROP TABLE identities;
ALTER TABLE identities_of_papers RENAME TO identities;
CREATE INDEX identities_by_paper ON identities (paper_id);

-- A record's key is its own within its paper only, so that a record of another paper never takes its place.
CREATE TABLE records_of_papers (
    source     TEXT NOT NULL,
    record_key TEXT NOT NULL,
    paper_id   TEXT NOT NULL,
    record     TEXT NOT NULL,
    PRIMARY KEY (source, record_key, paper_id)
);
INSERT INTO records_of_papers (source, record_key, paper_id, record)
    SELECT source, record_key, paper_id, record FROM records;
DROP TABLE records;
ALTER TABLE records_of_papers RENAME TO records;
CREATE INDEX records_by_paper ON records (paper_id);
