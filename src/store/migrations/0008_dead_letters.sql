-- Jobs that failed again and again and wait for a person. One a job.
CREATE TABLE dead_letters (
    id           TEXT PRIMARY KEY,
    job          TEXT NOT NULL UNIQUE,
    definition   TEXT NOT NULL,
    place        TEXT,
    error        TEXT NOT NULL,
    attempts     BIGINT NOT NULL,
    first_failed TEXT NOT NULL,
    last_failed  TEXT NOT NULL
);
