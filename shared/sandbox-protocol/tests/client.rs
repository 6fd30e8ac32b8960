//! The client against a supervisor that answers as each test says.

#![expect(clippy::unwrap_used, reason = "what goes wrong in a test ends the test")]

use std::future::Future;
use std::time::Duration;

use sandbox_protocol::{
    Answer, ByteRange, Call, Client, ClientError, Exec, Exit, ExitStatus, Failure, FailureKind, Frames, Greeting,
    Layout, Program, Progress, Reply, Request, Started, Stream, encode,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio_util::compat::{Compat, TokioAsyncReadCompatExt as _};

/// So little that every larger message waits for its reader.
const PIPE_BYTES: usize = 64;

struct Supervisor {
    stream: DuplexStream,
    frames: Frames,
}

impl Supervisor {
    async fn request(&mut self) -> Option<(Request, Vec<u8>)> {
        loop {
            if let Some(request) = self.frames.take().unwrap() {
                return Some(request);
            }
            let mut chunk = [0_u8; 1024];
            match self.stream.read(&mut chunk).await.unwrap() {
                0 => return None,
                read => self.frames.push(&chunk[..read]),
            }
        }
    }

    async fn reply(&mut self, id: u64, outcome: Result<Answer, Failure>, body: &[u8]) {
        self.stream.write_all(&encode(&Reply { id, outcome }, body).unwrap()).await.unwrap();
    }
}

async fn connected<T>(
    greeting: Greeting,
    serve: impl AsyncFnOnce(Supervisor),
    test: impl AsyncFnOnce(Result<Client<Compat<DuplexStream>>, ClientError>) -> T,
) -> T {
    let (ours, mut theirs) = duplex(PIPE_BYTES);
    let serving = async {
        theirs.write_all(&encode(&greeting, b"").unwrap()).await.unwrap();
        serve(Supervisor { stream: theirs, frames: Frames::default() }).await;
    };
    let testing = async { test(Client::connect(ours.compat()).await).await };
    tokio::join!(serving, testing).1
}

async fn with<T>(serve: impl AsyncFnOnce(Supervisor), test: impl AsyncFnOnce(Client<Compat<DuplexStream>>) -> T) -> T {
    let layout = Layout { workspace: "/workspace".to_owned(), ..Layout::default() };
    connected(Greeting::new(layout), serve, async |client| test(client.unwrap()).await).await
}

fn output(
    client: &Client<Compat<DuplexStream>>,
    exec: &str,
) -> impl Future<Output = Result<Vec<u8>, ClientError>> + use<> {
    let (client, exec) = (client.clone(), exec.to_owned());
    async move { client.output(&exec, Stream::Stdout, ByteRange::From(0, 10)).await }
}

fn name(request: &Request) -> String {
    match &request.call {
        Call::Output { exec, .. } => exec.clone(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn many_requests_are_in_flight_and_answered_in_any_order() {
    let reversed = async |mut supervisor: Supervisor| {
        let mut requests = Vec::new();
        while requests.len() < 50 {
            requests.push(supervisor.request().await.unwrap().0);
        }
        for request in requests.into_iter().rev() {
            let text = name(&request).repeat(100);
            supervisor.reply(request.id, Ok(Answer::Output), text.as_bytes()).await;
        }
    };
    with(reversed, async |client| {
        let asked = (0..50).map(|number| output(&client, &number.to_string()));
        let answers = futures_util::future::join_all(asked).await;
        for (number, answer) in answers.into_iter().enumerate() {
            assert_eq!(answer.unwrap(), number.to_string().repeat(100).as_bytes());
        }
    })
    .await;
}

#[tokio::test]
async fn a_caller_who_gives_up_in_the_middle_of_a_message_spoils_nothing() {
    let answer_outputs = async |mut supervisor: Supervisor| {
        while let Some((request, body)) = supervisor.request().await {
            match request.call {
                Call::Start { .. } => assert_eq!(body.len(), 10_000, "sent whole, by whoever came next"),
                _ => supervisor.reply(request.id, Ok(Answer::Output), b"answer").await,
            }
        }
    };
    with(answer_outputs, async |client| {
        let exec = Exec::new("given-up", Program::Command(vec!["cat".to_owned()]));
        let input = vec![b'x'; 10_000];
        let mut given_up = Box::pin(client.start(exec, &input));
        assert!(futures_util::poll!(&mut given_up).is_pending(), "the pipe is full");
        drop(given_up);
        assert_eq!(output(&client, "next").await.unwrap(), b"answer");
        // One that gives up while it reads for the others hands over to the next.
        let mut reader = Box::pin(output(&client, "reader"));
        let mut other = Box::pin(output(&client, "other"));
        assert!(futures_util::poll!(&mut reader).is_pending() && futures_util::poll!(&mut other).is_pending());
        drop(reader);
        assert_eq!(other.await.unwrap(), b"answer");
    })
    .await;
}

#[tokio::test]
async fn both_sides_may_be_full_at_once() {
    let answer_before_reading_on = async |mut supervisor: Supervisor| {
        let (first, _) = supervisor.request().await.unwrap();
        supervisor.reply(first.id, Ok(Answer::Output), &vec![b'y'; 100_000]).await;
        let (second, body) = supervisor.request().await.unwrap();
        supervisor.reply(second.id, Ok(Answer::Start(Started::New)), &body).await;
    };
    with(answer_before_reading_on, async |client| {
        let reading = output(&client, "long");
        let exec = Exec::new("large", Program::Toolbox);
        let input = vec![b'x'; 100_000];
        let (read, started) = tokio::join!(reading, client.start(exec, &input));
        assert_eq!(read.unwrap().len(), 100_000);
        assert_eq!(started.unwrap(), Started::New);
    })
    .await;
}

#[tokio::test]
async fn a_command_is_started_and_waited_for_in_one_round_trip() {
    let both = async |mut supervisor: Supervisor| {
        let (start, body) = supervisor.request().await.unwrap();
        let (wait, _) = supervisor.request().await.unwrap();
        assert_eq!(body, b"input");
        let Call::Wait { head_bytes: 7, .. } = wait.call else { panic!("{wait:?}") };
        let exit = Exit {
            limit: None,
            status: ExitStatus::Exited(0),
            stdout_bytes: 4,
            stderr_bytes: 0,
            background_ended: 0,
            wall: Duration::ZERO,
            cpu: Duration::ZERO,
        };
        supervisor.reply(wait.id, Ok(Answer::Wait(Progress::Finished(exit))), b"head").await;
        supervisor.reply(start.id, Ok(Answer::Start(Started::New)), b"").await;
    };
    with(both, async |client| {
        let exec = Exec::new("both", Program::Command(vec!["cat".to_owned()]));
        let (progress, head) = client.run(exec, b"input", Duration::from_secs(1), 7).await.unwrap();
        assert!(matches!(progress, Progress::Finished(_)));
        assert_eq!(head, b"head");
    })
    .await;
}

#[tokio::test]
async fn everybody_hears_that_the_connection_is_gone() {
    let hang_up = async |mut supervisor: Supervisor| {
        let (answered, _) = supervisor.request().await.unwrap();
        supervisor.request().await.unwrap();
        let refused = Failure::new(FailureKind::Invalid, "no");
        supervisor.reply(answered.id, Err(refused), b"").await;
    };
    with(hang_up, async |client| {
        let (first, second) = tokio::join!(output(&client, "first"), output(&client, "second"));
        assert!(matches!(first, Err(ClientError::Failed(failure)) if failure.kind == FailureKind::Invalid));
        assert!(matches!(second, Err(ClientError::Gone(_))));
        assert!(!client.is_open());
        assert!(matches!(output(&client, "third").await, Err(ClientError::Gone(_))));
    })
    .await;
}

#[tokio::test]
async fn another_version_and_what_is_no_supervisor_are_refused() {
    let nothing = async |_: Supervisor| {};
    let other = Greeting { protocol: 99, ..Greeting::new(Layout::default()) };
    let refused = connected(other, nothing, async |client| client.map(drop).unwrap_err()).await;
    assert!(matches!(refused, ClientError::Version { protocol: 99, toolbox: toolbox::VERSION }), "{refused}");
    let (ours, mut theirs) = duplex(PIPE_BYTES);
    theirs.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
    let refused = Client::connect(ours.compat()).await.map(drop).unwrap_err();
    assert!(matches!(refused, ClientError::Gone(_)), "{refused}");
}
