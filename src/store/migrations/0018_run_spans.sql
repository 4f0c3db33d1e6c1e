-- What was done within a run, span by span.
CREATE TABLE run_spans (
    run_id TEXT NOT NULL REFERENCES runs (id),
    no     INTEGER NOT NULL,
    span   TEXT NOT NULL,
    PRIMARY KEY (run_id, no)
) WITHOUT ROWID;
