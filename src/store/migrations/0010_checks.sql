-- When a source was last asked about a paper, whether it knew it or not, in seconds since 1970.
CREATE TABLE checks (
    source     TEXT NOT NULL,
    paper_id   TEXT NOT NULL,
    checked_at BIGINT NOT NULL,
    PRIMARY KEY (source, paper_id)
);
