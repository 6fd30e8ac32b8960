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
