//! Positions of executions, for the interpreter, and answers to waiting tasks.

use asl::{End, ExecutionStore, Failure, Position, Progress, StoreError, TaskAnswer};
use async_trait::async_trait;
use domain::ports::ExecutionState;
use domain::{Dependency, Digest256, SessionId, StepOutput, TaskToken, Unavailable};
use rusqlite::{Connection, OptionalExtension as _, Params, TransactionBehavior, params};

use super::{Store, unavailable, unreadable};

/// After this time a wait for an answer starts over. It has no limit of its own: the interpreter stops it at the task's time-out.
const WAIT_SLICE: std::time::Duration = std::time::Duration::from_secs(3600);

fn digest(token: &str) -> Digest256 {
    Digest256::of(token.as_bytes())
}

fn find_answer(connection: &Connection, token: &str) -> Result<Option<String>, rusqlite::Error> {
    let mut statement = connection.prepare_cached("SELECT answer FROM tokens WHERE digest = ?1")?;
    Ok(statement.query_row([digest(token).as_str()], |row| row.get(0)).optional()?.flatten())
}

fn parse_answer(text: Option<String>) -> Result<Option<TaskAnswer>, StoreError> {
    text.map(|text| serde_json::from_str(&text).map_err(StoreError::new)).transpose()
}

impl Store {
    fn position(&self, execution: &str) -> Result<Option<Position>, Unavailable> {
        let query = "SELECT position FROM executions WHERE name = ?1";
        let sealed: Option<Vec<u8>> =
            self.connection().query_row(query, [execution], |row| row.get(0)).optional().map_err(unavailable)?;
        let Some(sealed) = sealed else { return Ok(None) };
        let text = self.seal.unseal(&sealed).map_err(|error| Unavailable::new(Dependency::Store, error))?;
        serde_json::from_slice(&text).map(Some).map_err(unreadable)
    }

    /// Whether an execution is known, running, or ended.
    pub fn execution_state(&self, execution: &str) -> Result<ExecutionState, Unavailable> {
        Ok(match self.position(execution)? {
            None => ExecutionState::Unknown,
            Some(Position { progress: Progress::In(_), .. }) => ExecutionState::Running,
            Some(Position { progress: Progress::Ended(_), .. }) => ExecutionState::Ended,
        })
    }

    /// Answers a waiting task. Returns false when the task no longer waits: it was answered, or its execution moved on.
    pub fn complete(&self, token: &TaskToken, output: &StepOutput) -> Result<bool, Unavailable> {
        let output = serde_json::to_value(output).map_err(unreadable)?;
        let text = serde_json::to_string(&TaskAnswer::Success { output }).map_err(unreadable)?;
        let query = "UPDATE tokens SET answer = ?2, open = 0 WHERE digest = ?1 AND open = 1 AND answer IS NULL";
        let answered =
            self.connection().execute(query, params![digest(&token.0).as_str(), text]).map_err(unavailable)?;
        self.notify();
        Ok(answered == 1)
    }

    /// Ends a running execution at once: no Catch of its definition applies.
    pub fn abort_execution(&self, execution: &str, cause: &str) -> Result<(), Unavailable> {
        let Some(mut position) = self.position(execution)? else { return Ok(()) };
        if let Progress::In(_) = position.progress {
            position.progress = Progress::Ended(End::Aborted(Failure::new("States.Aborted", cause)));
            self.save_position(execution, &position)?;
        }
        Ok(())
    }

    /// Deletes the executions of a session, and the answers to their tasks.
    pub fn forget_executions(&self, session: &SessionId) -> Result<(), Unavailable> {
        // The names of a session's executions begin with its id and '-', after which '.' comes next in ASCII.
        let range = params![format!("{session}-"), format!("{session}.")];
        let mut connection = self.connection();
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(unavailable)?;
        transaction.execute("DELETE FROM executions WHERE name >= ?1 AND name < ?2", range).map_err(unavailable)?;
        transaction
            .execute("DELETE FROM tokens WHERE execution >= ?1 AND execution < ?2", range)
            .map_err(unavailable)?;
        transaction.commit().map_err(unavailable)
    }

    fn save_position(&self, execution: &str, position: &Position) -> Result<(), Unavailable> {
        let text = serde_json::to_vec(position).map_err(unreadable)?;
        let sealed = self.seal.seal(&text).map_err(|error| Unavailable::new(Dependency::Store, error))?;
        let (ended, token) = match &position.progress {
            Progress::In(entry) => (false, entry.token.as_deref()),
            Progress::Ended(_) => (true, None),
        };
        let token = token.map(digest);
        let token = token.as_ref().map(Digest256::as_str);
        let mut connection = self.derived();
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(unavailable)?;
        let save = "INSERT INTO executions (name, position, ended) VALUES (?1, ?2, ?3)
                    ON CONFLICT (name) DO UPDATE SET position = ?2, ended = ?3";
        execute(&transaction, save, params![execution, sealed, ended])?;
        // A task's token can be answered only while the stored position names it.
        let close = "UPDATE tokens SET open = 0 WHERE execution = ?1 AND digest IS NOT ?2 AND open = 1";
        execute(&transaction, close, params![execution, token])?;
        if let Some(token) = token {
            let open = "INSERT OR IGNORE INTO tokens (digest, execution, open) VALUES (?1, ?2, 1)";
            execute(&transaction, open, params![token, execution])?;
        }
        transaction.commit().map_err(unavailable)
    }
}

/// Runs a statement that stays prepared.
fn execute(connection: &Connection, query: &str, parameters: impl Params) -> Result<(), Unavailable> {
    let mut statement = connection.prepare_cached(query).map_err(unavailable)?;
    statement.execute(parameters).map_err(unavailable)?;
    Ok(())
}

#[async_trait]
impl ExecutionStore for Store {
    async fn load(&self, execution: &str) -> Result<Option<Position>, StoreError> {
        self.position(execution).map_err(StoreError::new)
    }

    async fn save(&self, execution: &str, position: &Position) -> Result<(), StoreError> {
        self.save_position(execution, position).map_err(StoreError::new)
    }

    async fn find_answer(&self, _execution: &str, token: &str) -> Result<Option<TaskAnswer>, StoreError> {
        parse_answer(find_answer(&self.connection(), token).map_err(StoreError::new)?)
    }

    async fn wait_for_answer(&self, _execution: &str, token: &str) -> Result<TaskAnswer, StoreError> {
        loop {
            let found = self.wait_for(WAIT_SLICE, |connection| find_answer(connection, token)).await;
            if let Some(answer) = parse_answer(found.map_err(StoreError::new)?)? {
                return Ok(answer);
            }
        }
    }

    async fn close_token(&self, _execution: &str, token: &str) -> Result<Option<TaskAnswer>, StoreError> {
        let close = "UPDATE tokens SET open = 0 WHERE digest = ?1";
        let connection = self.connection();
        connection.execute(close, [digest(token).as_str()]).map_err(StoreError::new)?;
        parse_answer(find_answer(&connection, token).map_err(StoreError::new)?)
    }
}
