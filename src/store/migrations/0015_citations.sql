-- Which paper cites which, each by the digest of one of its identifiers as in record_links. What they lead to is looked up
-- when it is read, so that a link holds through merges and splits, and waits for a paper that is not there yet.
CREATE TABLE citations (
    citing BIGINT NOT NULL,
    cited  BIGINT NOT NULL,
    PRIMARY KEY (citing, cited)
) WITHOUT ROWID;
CREATE INDEX citations_by_cited ON citations (cited);

-- How often links were added, for whoever must know whether there are new ones.
CREATE TABLE citation_revision (revision BIGINT NOT NULL);
INSERT INTO citation_revision (revision) VALUES (0);
