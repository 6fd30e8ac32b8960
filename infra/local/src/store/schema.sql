-- `batches` is the record of what happened; every other table can be derived from it, or its loss only costs a repetition.

-- One row per append: the events `first` to `last` of a session, as a JSON array.
CREATE TABLE IF NOT EXISTS batches (
    session TEXT NOT NULL,
    first INTEGER NOT NULL,
    last INTEGER NOT NULL,
    events TEXT NOT NULL,
    PRIMARY KEY (session, first)
) WITHOUT ROWID;

-- Per session: what is fixed at its start, the summary for lists, and the sealed token of its waiting task.
CREATE TABLE IF NOT EXISTS sessions (
    id TEXT PRIMARY KEY,
    owner TEXT NOT NULL,
    session TEXT NOT NULL,
    summary TEXT NOT NULL,
    updated_at INTEGER NOT NULL,
    token_run INTEGER,
    token_step INTEGER,
    token BLOB
) WITHOUT ROWID;

-- Where the latest snapshot of each session's log is. A table of its own, because databases of earlier versions lack it.
CREATE TABLE IF NOT EXISTS snapshots (
    session TEXT PRIMARY KEY,
    tail INTEGER NOT NULL,
    record TEXT NOT NULL
) WITHOUT ROWID;

CREATE INDEX IF NOT EXISTS owned ON sessions (owner, id);

-- The dispatcher searches every two seconds for sessions that are unfinished or have left a sandbox; they are few among many.
CREATE INDEX IF NOT EXISTS due ON sessions (id)
    WHERE (json_extract(summary, '$.status') NOT IN ('done', 'nothing', 'rejected', 'expired', 'cancelled', 'failed') OR json_extract(summary, '$.sandboxLeft'));

-- Its predecessor, which did not know of sandboxes that are left.
DROP INDEX IF EXISTS unfinished;

-- The position of each execution of the workflow. Positions contain tokens of waiting tasks, so they are sealed.
CREATE TABLE IF NOT EXISTS executions (
    name TEXT PRIMARY KEY,
    position BLOB NOT NULL,
    ended INTEGER NOT NULL
) WITHOUT ROWID;

-- Tokens of waiting tasks by digest, each with its answer once it has one.
CREATE TABLE IF NOT EXISTS tokens (
    digest TEXT PRIMARY KEY,
    execution TEXT NOT NULL,
    open INTEGER NOT NULL,
    answer TEXT
) WITHOUT ROWID;

-- Principals with their roles and quotas. `version` is for compare-and-set.
CREATE TABLE IF NOT EXISTS accounts (
    principal TEXT PRIMARY KEY,
    version INTEGER NOT NULL,
    account TEXT NOT NULL
) WITHOUT ROWID;

-- Reservations of runs. `at` is the time of admission, in microseconds.
CREATE TABLE IF NOT EXISTS reservations (
    execution TEXT PRIMARY KEY,
    session TEXT NOT NULL,
    principal TEXT NOT NULL,
    place TEXT NOT NULL,
    ticket INTEGER NOT NULL,
    at INTEGER NOT NULL,
    reservation TEXT NOT NULL
) WITHOUT ROWID;

CREATE INDEX IF NOT EXISTS reservations_in_place ON reservations (principal, place, ticket);

CREATE INDEX IF NOT EXISTS reservations_of_session ON reservations (session);

-- Reservations that are not settled; they are few among many.
CREATE INDEX IF NOT EXISTS reservations_outstanding ON reservations (execution) WHERE place <> 'settled';

-- What the reservations of each principal add up to, and what its day has cost. `version` is for compare-and-set.
CREATE TABLE IF NOT EXISTS counters (
    principal TEXT PRIMARY KEY,
    version INTEGER NOT NULL,
    counters TEXT NOT NULL
) WITHOUT ROWID;

-- Access tokens by digest; the tokens themselves are not stored.
CREATE TABLE IF NOT EXISTS access_tokens (
    id TEXT PRIMARY KEY,
    digest TEXT NOT NULL UNIQUE,
    record TEXT NOT NULL
) WITHOUT ROWID;

-- Sessions that were deleted. `owner` is null once nothing else of the session is left.
CREATE TABLE IF NOT EXISTS deleted_sessions (
    id TEXT PRIMARY KEY,
    owner TEXT
) WITHOUT ROWID;

CREATE INDEX IF NOT EXISTS unended_deletions ON deleted_sessions (id) WHERE owner IS NOT NULL;

-- Issues and pull requests, each with its session.
CREATE TABLE IF NOT EXISTS outside_keys (
    key TEXT PRIMARY KEY,
    session TEXT NOT NULL
) WITHOUT ROWID;

CREATE INDEX IF NOT EXISTS outside_keys_of ON outside_keys (session);

-- Idempotency keys, each with the session that its first request started.
CREATE TABLE IF NOT EXISTS idempotency_keys (
    owner TEXT NOT NULL,
    key TEXT NOT NULL,
    binding TEXT NOT NULL,
    PRIMARY KEY (owner, key)
) WITHOUT ROWID;
