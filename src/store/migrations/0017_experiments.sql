-- Which arm of an experiment a question was answered in, and what came of it, once.
CREATE TABLE exposures (
    answer_id  TEXT PRIMARY KEY REFERENCES runs (id),
    experiment TEXT NOT NULL,
    arm        TEXT NOT NULL,
    -- Who was assigned, as a hash.
    unit       TEXT NOT NULL,
    at         TEXT NOT NULL,
    -- Not known before the answer is there; then 0 for an abstention and 1 for an answer.
    answered   INTEGER,
    support    REAL,
    cost_usd   REAL,
    latency_ms REAL
);
CREATE INDEX exposures_of_experiment ON exposures (experiment, answer_id);

-- What readers think of answers (claim -1) and of their sentences, one opinion a reader.
CREATE TABLE feedback (
    answer_id TEXT NOT NULL REFERENCES runs (id),
    claim     INTEGER NOT NULL,
    reader    TEXT NOT NULL,
    -- 1 for helpful or right, 0 for not.
    rating    INTEGER NOT NULL,
    comment   TEXT,
    at        TEXT NOT NULL,
    PRIMARY KEY (answer_id, claim, reader)
) WITHOUT ROWID;
