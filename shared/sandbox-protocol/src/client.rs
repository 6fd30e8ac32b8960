//! The client: many requests at once over one connection, without a task of its own. Whoever waits for an answer reads for all.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::pin::pin;
use std::sync::{Arc, Mutex as Lock, MutexGuard, PoisonError};
use std::time::Duration;

use futures_channel::oneshot;
use futures_util::future::{Either, select};
use futures_util::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};
use futures_util::lock::Mutex;

use crate::exec::{ByteRange, Exec, Listed, Progress, Started, Stream};
use crate::frame::{Frames, encode};
use crate::message::{Answer, Call, Failure, Greeting, Layout, PROTOCOL_VERSION, Reply, Request};

/// How much is read at once. Outside the futures, which would carry it along.
const CHUNK_BYTES: usize = 16 << 10;

/// A connection to a supervisor. Clones share it; it closes with the last one.
pub struct Client<C> {
    shared: Arc<Shared<C>>,
}

#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The connection is gone. Whether the sandbox is too, only its provider knows.
    #[error("the connection to the supervisor is gone: {0}")]
    Gone(String),
    /// What answers is of another version, or no supervisor.
    #[error(
        "the supervisor speaks version {protocol} of the protocol and {toolbox} of the toolbox; this program speaks {} and {}",
        PROTOCOL_VERSION,
        toolbox::VERSION
    )]
    Version { protocol: u32, toolbox: u32 },
    /// The answer is not one to the question.
    #[error("the supervisor gave an answer that cannot be used: {0}")]
    Answer(String),
    /// The supervisor did not carry out the call.
    #[error(transparent)]
    Failed(#[from] Failure),
}

struct Shared<C> {
    layout: Layout,
    writer: Mutex<Writer<C>>,
    reader: Mutex<Reader<C>>,
    waiting: Lock<Waiting>,
}

struct Writer<C> {
    connection: WriteHalf<C>,
    /// Frames on their way: a caller that gives up in the middle of one leaves the rest to the next caller.
    sending: Vec<u8>,
    sent: usize,
}

struct Reader<C> {
    connection: ReadHalf<C>,
    frames: Frames,
    chunk: Vec<u8>,
}

type Received = (Reply, Vec<u8>);

#[derive(Default)]
struct Waiting {
    last_id: u64,
    callers: BTreeMap<u64, oneshot::Sender<Received>>,
    /// Frames that nobody has begun to send.
    outbox: Vec<u8>,
    /// Why nothing will be received any more.
    gone: Option<String>,
}

impl<C: AsyncRead + AsyncWrite> Client<C> {
    /// Reads the greeting.
    ///
    /// # Errors
    /// `Version` when the other side is of another version, `Gone` when it closes or says something else.
    pub async fn connect(connection: C) -> Result<Self, ClientError> {
        let (read, write) = connection.split();
        let mut reader = Reader { connection: read, frames: Frames::default(), chunk: vec![0; CHUNK_BYTES] };
        let greeting = loop {
            match reader.frames.take::<Greeting>() {
                Ok(Some((greeting, _))) => break greeting,
                Ok(None) => reader.fill().await.map_err(gone)?,
                Err(error) => return Err(gone(error)),
            }
        };
        let Greeting { protocol, toolbox, layout } = greeting;
        if (protocol, toolbox) != (PROTOCOL_VERSION, toolbox::VERSION) {
            return Err(ClientError::Version { protocol, toolbox });
        }
        let writer = Writer { connection: write, sending: Vec::new(), sent: 0 };
        let shared =
            Shared { layout, writer: Mutex::new(writer), reader: Mutex::new(reader), waiting: Lock::default() };
        Ok(Self { shared: Arc::new(shared) })
    }

    pub fn layout(&self) -> &Layout {
        &self.shared.layout
    }

    /// False once the connection is gone.
    pub fn is_open(&self) -> bool {
        self.shared.waiting().gone.is_none()
    }

    /// Starts a command unless its id is known. `input` is its standard input, or the JSON of a [`toolbox::Call`].
    pub async fn start(&self, exec: Exec, input: &[u8]) -> Result<Started, ClientError> {
        match self.call(Call::Start { exec }, input).await? {
            (Answer::Start(started), _) => Ok(started),
            (other, _) => Err(unexpected(&other)),
        }
    }

    /// Waits for the end of a command, at most this long. With the end come at most `head_bytes` from the beginning of its
    /// standard output.
    pub async fn wait(
        &self,
        exec: &str,
        at_most: Duration,
        head_bytes: u64,
    ) -> Result<(Progress, Vec<u8>), ClientError> {
        match self.call(Call::Wait { exec: exec.to_owned(), at_most, head_bytes }, &[]).await? {
            (Answer::Wait(progress), head) => Ok((progress, head)),
            (other, _) => Err(unexpected(&other)),
        }
    }

    /// [`Client::start`] and [`Client::wait`] in one round trip.
    pub async fn run(
        &self,
        exec: Exec,
        input: &[u8],
        at_most: Duration,
        head_bytes: u64,
    ) -> Result<(Progress, Vec<u8>), ClientError> {
        let waiting = Call::Wait { exec: exec.id.clone(), at_most, head_bytes };
        let mut started = self.send(Call::Start { exec }, input)?;
        let mut ended = self.send(waiting, &[])?;
        // Requests of one connection are taken in their order, so that the command is known when its end is asked for.
        match self.receive(&mut started).await? {
            (Answer::Start(_), _) => {}
            (other, _) => return Err(unexpected(&other)),
        }
        match self.receive(&mut ended).await? {
            (Answer::Wait(progress), head) => Ok((progress, head)),
            (other, _) => Err(unexpected(&other)),
        }
    }

    /// Reads a part of a command's output.
    pub async fn output(&self, exec: &str, stream: Stream, range: ByteRange) -> Result<Vec<u8>, ClientError> {
        match self.call(Call::Output { exec: exec.to_owned(), stream, range }, &[]).await? {
            (Answer::Output, bytes) => Ok(bytes),
            (other, _) => Err(unexpected(&other)),
        }
    }

    /// Kills a command with every process it started. Nothing happens to one that does not run.
    pub async fn kill(&self, exec: &str) -> Result<(), ClientError> {
        match self.call(Call::Kill { exec: exec.to_owned() }, &[]).await? {
            (Answer::Kill, _) => Ok(()),
            (other, _) => Err(unexpected(&other)),
        }
    }

    pub async fn list(&self) -> Result<Vec<Listed>, ClientError> {
        match self.call(Call::List, &[]).await? {
            (Answer::List(listed), _) => Ok(listed),
            (other, _) => Err(unexpected(&other)),
        }
    }

    /// Has the toolbox carry out a call. The inner error is the toolbox's own: the operation failed.
    pub async fn ask(
        &self,
        call: &toolbox::Call,
        at_most: Duration,
    ) -> Result<Result<toolbox::Answer, toolbox::Failure>, ClientError> {
        let call = serde_json::to_vec(call).map_err(|error| ClientError::Answer(error.to_string()))?;
        match self.call(Call::Ask { at_most }, &call).await? {
            (Answer::Ask, response) => Ok(toolbox::Response::parse(&response)),
            (other, _) => Err(unexpected(&other)),
        }
    }

    async fn call(&self, call: Call, body: &[u8]) -> Result<(Answer, Vec<u8>), ClientError> {
        let mut pending = self.send(call, body)?;
        self.receive(&mut pending).await
    }

    /// Queues a request. Whoever receives next sends it.
    fn send(&self, call: Call, body: &[u8]) -> Result<Pending<'_, C>, ClientError> {
        let (sender, receiver) = oneshot::channel();
        let mut waiting = self.shared.waiting();
        if let Some(reason) = &waiting.gone {
            return Err(ClientError::Gone(reason.clone()));
        }
        waiting.last_id += 1;
        let id = waiting.last_id;
        let frame = encode(&Request { id, call }, body).map_err(|error| ClientError::Answer(error.to_string()))?;
        match waiting.outbox.is_empty() {
            true => waiting.outbox = frame,
            false => waiting.outbox.extend_from_slice(&frame),
        }
        waiting.callers.insert(id, sender);
        Ok(Pending { shared: &self.shared, id, receiver })
    }

    async fn receive(&self, pending: &mut Pending<'_, C>) -> Result<(Answer, Vec<u8>), ClientError> {
        self.shared.transmit().await?;
        let received = {
            let reading = pin!(self.shared.read_for_all());
            match select(&mut pending.receiver, reading).await {
                Either::Left((received, _)) => received,
                // The connection is gone; an answer may have come before.
                Either::Right(((), _)) => pending.receiver.try_recv().ok().flatten().ok_or(oneshot::Canceled),
            }
        };
        let Ok((reply, body)) = received else { return Err(self.shared.gone()) };
        Ok((reply.outcome?, body))
    }
}

/// A request whose answer has not come. Dropped, it is forgotten.
struct Pending<'a, C> {
    shared: &'a Shared<C>,
    id: u64,
    receiver: oneshot::Receiver<Received>,
}

impl<C> Drop for Pending<'_, C> {
    fn drop(&mut self) {
        self.shared.waiting().callers.remove(&self.id);
    }
}

impl<C> Shared<C> {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn gone(&self) -> ClientError {
        let reason = self.waiting().gone.clone();
        ClientError::Gone(reason.unwrap_or_else(|| "the answer was given up".to_owned()))
    }

    /// Wakes everybody who still waits.
    fn close(&self, reason: &impl fmt::Display) {
        let mut waiting = self.waiting();
        waiting.gone.get_or_insert_with(|| reason.to_string());
        waiting.callers.clear();
    }
}

impl<C: AsyncRead + AsyncWrite> Shared<C> {
    /// Sends all that is queued. While it waits for room, it reads: the other side may wait for the same.
    async fn transmit(&self) -> Result<(), ClientError> {
        let sending = pin!(async { self.writer.lock().await.send_all(&self.waiting).await });
        let sent = match select(sending, pin!(self.read_for_all())).await {
            Either::Left((sent, _)) => sent,
            Either::Right(((), _)) => return Err(self.gone()),
        };
        sent.map_err(|error| {
            self.close(&error);
            self.gone()
        })
    }

    /// Reads and hands out answers until the connection is gone. One caller at a time does it for all; when that one has its
    /// answer, the next takes over.
    async fn read_for_all(&self) {
        let mut reader = self.reader.lock().await;
        let reason = loop {
            match reader.frames.take::<Reply>() {
                Ok(Some((reply, body))) => {
                    let caller = self.waiting().callers.remove(&reply.id);
                    // Nobody, when the caller has given up.
                    if let Some(caller) = caller {
                        let _ = caller.send((reply, body));
                    }
                }
                Ok(None) => {
                    if let Err(error) = reader.fill().await {
                        break error;
                    }
                }
                Err(error) => break error,
            }
        };
        self.close(&reason);
    }
}

impl<C: AsyncWrite> Writer<C> {
    async fn send_all(&mut self, waiting: &Lock<Waiting>) -> io::Result<()> {
        loop {
            if self.sent == self.sending.len() {
                self.sending = std::mem::take(&mut waiting.lock().unwrap_or_else(PoisonError::into_inner).outbox);
                self.sent = 0;
            }
            if self.sending.is_empty() {
                return self.connection.flush().await;
            }
            match self.connection.write(&self.sending[self.sent..]).await? {
                0 => return Err(io::ErrorKind::WriteZero.into()),
                written => self.sent += written,
            }
        }
    }
}

impl<C: AsyncRead> Reader<C> {
    /// Reads once. Whoever is interrupted here has read nothing.
    async fn fill(&mut self) -> io::Result<()> {
        match self.connection.read(&mut self.chunk).await? {
            0 => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the supervisor closed it")),
            read => {
                self.frames.push(&self.chunk[..read]);
                Ok(())
            }
        }
    }
}

impl<C> Clone for Client<C> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<C> fmt::Debug for Client<C> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Client").field("layout", &self.shared.layout).finish_non_exhaustive()
    }
}

fn gone(error: impl fmt::Display) -> ClientError {
    ClientError::Gone(error.to_string())
}

fn unexpected(answer: &Answer) -> ClientError {
    ClientError::Answer(format!("{answer:?} was not asked for"))
}
