-- What outlives a process. `batches` is the record; everything else can be derived from it or done again.

-- One row per append: the events `first` to `last` of a session, as a JSON array.
CREATE TABLE IF NOT EXISTS batches (
    session TEXT NOT NULL,
    first INTEGER NOT NULL,
    last INTEGER NOT NULL,
    events TEXT NOT NULL,
    PRIMARY KEY (session, first)
) WITHOUT ROWID;

-- What is fixed about a session, what lists show, and the sealed handle of its waiting task.
CREATE TABLE IF NOT EXISTS sessions (
    id TEXT PRIMARY KEY,
    owner TEXT NOT NULL,
    session TEXT NOT NULL,
    summary TEXT NOT NULL,
    updated_at INTEGER NOT NULL,
    token_run INTEGER,
    token BLOB
) WITHOUT ROWID;

CREATE INDEX IF NOT EXISTS owned ON sessions (owner, id);

-- Sessions that are not over are looked for all the time, and are few among many.
CREATE INDEX IF NOT EXISTS unfinished ON sessions (id)
    WHERE json_extract(summary, '$.status') NOT IN ('done', 'nothing', 'rejected', 'expired', 'cancelled', 'failed');

-- Where each execution of the workflow stands. Positions hold tokens of waiting tasks, so they are sealed, too.
CREATE TABLE IF NOT EXISTS executions (
    name TEXT PRIMARY KEY,
    position BLOB NOT NULL,
    ended INTEGER NOT NULL
) WITHOUT ROWID;

-- The tokens of waiting tasks, by their digest, with the answer when there is one.
CREATE TABLE IF NOT EXISTS tokens (
    digest TEXT PRIMARY KEY,
    execution TEXT NOT NULL,
    open INTEGER NOT NULL,
    answer TEXT
) WITHOUT ROWID;

-- Principals with their limits, what runs for them and what their day has cost. `version` counts the writes.
CREATE TABLE IF NOT EXISTS accounts (
    principal TEXT PRIMARY KEY,
    version INTEGER NOT NULL,
    account TEXT NOT NULL
) WITHOUT ROWID;

-- Access tokens by their digest; the tokens themselves are kept nowhere.
CREATE TABLE IF NOT EXISTS access_tokens (
    id TEXT PRIMARY KEY,
    digest TEXT NOT NULL UNIQUE,
    record TEXT NOT NULL
) WITHOUT ROWID;

-- Keys of requests that may be made twice, and the session that each made.
CREATE TABLE IF NOT EXISTS idempotency_keys (
    owner TEXT NOT NULL,
    key TEXT NOT NULL,
    binding TEXT NOT NULL,
    PRIMARY KEY (owner, key)
) WITHOUT ROWID;
