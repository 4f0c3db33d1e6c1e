-- Which paper cites which, each by the digest of one of its identifiers as in record_links. What they lead to is looked up
-- when it is read, so that a link holds through merges and splits, and waits for a paper that is not there yet.
CREATE TABLE citations (
    citing BIGINT NOT NULL,
    cited  BIGINT NOT NULL,
    PRIMARY KEY (citing, cited)
) WITHOUT ROWID;
CREATE INDEX citations_by_cited ON citations (cited);
