-- The key is all that a link is: beside it, a table with rows of its own would hold everything twice, and a record is found
-- by some three links.
CREATE TABLE narrow_links (
    link BIGINT NOT NULL,
    no   INTEGER NOT NULL,
    PRIMARY KEY (link, no)
) WITHOUT ROWID;
INSERT INTO narrow_links (link, no) SELECT link, no FROM record_links ORDER BY link, no;
DROP TABLE record_links;
ALTER TABLE narrow_links RENAME TO record_links;
