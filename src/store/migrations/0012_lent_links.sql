-- The links, as a JSON list, that a record was given when it was looked up for a paper: it may share no identifier
-- with the paper, and does not say itself what it was looked up for when it is read another way.
ALTER TABLE records ADD COLUMN lent TEXT NOT NULL DEFAULT '[]';
