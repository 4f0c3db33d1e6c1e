-- What is remembered of each job from one run to the next. The jobs of the configuration file have a row too; origin
-- says which they are, and definition is what the rest was remembered for.
CREATE TABLE jobs (
    name         TEXT PRIMARY KEY,
    origin       TEXT NOT NULL,
    definition   TEXT NOT NULL,
    -- 1 or 0 when it was paused or resumed otherwise than by its definition.
    paused       BIGINT,
    -- Times at which it was due up to here are dealt with.
    considered   TEXT NOT NULL,
    -- When it runs before its schedule says so, and as what.
    again_at     TEXT,
    again_as     TEXT,
    -- Failed runs in a row, and when the first of them ended.
    failures     BIGINT NOT NULL,
    first_failed TEXT
);

-- Every run, for the history. The ids grow with time.
CREATE TABLE job_runs (
    id          TEXT PRIMARY KEY,
    job         TEXT NOT NULL,
    run_as      TEXT NOT NULL,
    status      TEXT NOT NULL,
    started_at  TEXT NOT NULL,
    finished_at TEXT,
    outcome     TEXT,
    error       TEXT
);
CREATE INDEX job_runs_by_job ON job_runs (job, id);
CREATE INDEX job_runs_by_status ON job_runs (status);
