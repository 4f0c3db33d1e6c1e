-- Runs as they go. A run that was cut off goes on at the last step that it had finished.
CREATE TABLE runs (
    id         TEXT PRIMARY KEY,
    -- What was asked, as JSON.
    request    TEXT NOT NULL,
    -- 1 when it goes on although nobody waits for it.
    background BIGINT NOT NULL,
    began_at   TEXT NOT NULL,
    -- None while it is under way, and of one that was cut off.
    ended_at   TEXT
);
CREATE INDEX runs_not_ended ON runs (began_at) WHERE ended_at IS NULL;

-- What each finished step of a run came to, as JSON.
CREATE TABLE run_steps (
    no      INTEGER PRIMARY KEY,
    run_id  TEXT NOT NULL,
    step    TEXT NOT NULL,
    outcome TEXT NOT NULL,
    UNIQUE (run_id, step)
);

-- The ledger: every call of a model, from before it is made.
CREATE TABLE model_calls (
    no                INTEGER PRIMARY KEY,
    run_id            TEXT NOT NULL,
    step              TEXT NOT NULL,
    provider          TEXT NOT NULL,
    model             TEXT NOT NULL,
    -- When it began, in UTC; the month, such as 2026-11, is what a cap is kept over.
    at                TEXT NOT NULL,
    month             TEXT NOT NULL,
    -- 'reserved' until it is known what became of it, then 'answered' or the kind of its failure.
    outcome           TEXT NOT NULL,
    -- What it may cost at most, in US dollars; none when the model's price is not known.
    reserved_usd      DOUBLE PRECISION,
    -- None while they are not known.
    prompt_tokens     BIGINT,
    cache_hit_tokens  BIGINT,
    completion_tokens BIGINT,
    reasoning_tokens  BIGINT,
    cost_usd          DOUBLE PRECISION,
    baseline_usd      DOUBLE PRECISION
);
CREATE INDEX model_calls_by_month ON model_calls (month);
CREATE INDEX model_calls_by_run ON model_calls (run_id);

-- By what an answer can be given once more; none for one that cannot.
ALTER TABLE answers ADD COLUMN cache_key TEXT;
CREATE INDEX answers_by_cache_key ON answers (cache_key) WHERE cache_key IS NOT NULL;
