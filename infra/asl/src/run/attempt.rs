use futures_util::future::{Either, select};
use jiff::Timestamp;
use serde_json::Value;

use crate::{ExecutionStore, Failure, StoreError, TaskAnswer, TaskCall, Tasks, Time};

/// One attempt at a task.
pub(crate) struct Attempt<'a> {
    pub(crate) tasks: &'a dyn Tasks,
    pub(crate) store: &'a dyn ExecutionStore,
    pub(crate) time: &'a dyn Time,
    pub(crate) call: TaskCall,
    /// When the attempt times out.
    pub(crate) deadline: Timestamp,
}

impl Attempt<'_> {
    /// The task's result; none when the deadline came first.
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn run(self) -> Result<Option<Result<Value, Failure>>, StoreError> {
        match self.call.token.clone() {
            None => {
                let invoked = self.tasks.invoke(self.call);
                Ok(until(self.time, self.deadline, invoked).await)
            }
            Some(token) => self.run_callback(&token).await,
        }
    }

    async fn run_callback(self, token: &str) -> Result<Option<Result<Value, Failure>>, StoreError> {
        let Self { tasks, store, time, call, deadline } = self;
        let execution = call.execution.clone();
        // The answer may have come before the execution was resumed. It counts even after the deadline.
        if let Some(answer) = store.find_answer(&execution, token).await? {
            return Ok(Some(result(answer)));
        }
        if time.now() < deadline {
            let answered = async {
                let answered = store.wait_for_answer(&execution, token);
                match select(answered, tasks.invoke(call)).await {
                    // The answer can arrive before the task's own call returns; that call must not be cut off.
                    Either::Left((answer, invoked)) => {
                        let _ = invoked.await;
                        answer.map(result)
                    }
                    Either::Right((Ok(_), answered)) => answered.await.map(result),
                    Either::Right((Err(failure), _)) => {
                        // An accepted answer outweighs a failed call.
                        let answer = store.find_answer(&execution, token).await?;
                        Ok(answer.map_or(Err(failure), result))
                    }
                }
            };
            if let Some(answer) = until(time, deadline, Box::pin(answered)).await {
                return answer.map(Some);
            }
        }
        Ok(store.close_token(&execution, token).await?.map(result))
    }
}

fn result(answer: TaskAnswer) -> Result<Value, Failure> {
    match answer {
        TaskAnswer::Success { output } => Ok(output),
        TaskAnswer::Failure(failure) => Err(failure),
    }
}

/// The result of `work`; none when `deadline` comes first, and then the work is dropped.
async fn until<T>(time: &dyn Time, deadline: Timestamp, work: impl Future<Output = T> + Unpin) -> Option<T> {
    match select(work, time.sleep_until(deadline)).await {
        Either::Left((result, _)) => Some(result),
        Either::Right(((), _)) => None,
    }
}
