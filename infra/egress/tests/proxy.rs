//! The proxy as its clients meet it. Only the network beyond it is made up.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use egress::{AddressClass, Entry, MAX_ENTRIES, Outside, Policy, Proxy, Refusal, RequestLog, Target, entries};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// Names, the addresses that each resolves to (first those of the first question), and a server behind all addresses.
struct MadeUp {
    names: BTreeMap<&'static str, Vec<Vec<IpAddr>>>,
    questions: Mutex<BTreeMap<String, usize>>,
    connected: Mutex<Vec<SocketAddr>>,
    server: SocketAddr,
}

#[async_trait]
impl Outside for MadeUp {
    async fn resolve(&self, target: &Target) -> io::Result<Vec<SocketAddr>> {
        if let Ok(address) = target.host().parse() {
            return Ok(vec![SocketAddr::new(address, target.port())]);
        }
        let answers = self.names.get(target.host()).ok_or(io::ErrorKind::NotFound)?;
        let mut questions = self.questions.lock().unwrap();
        let asked = questions.entry(target.host().to_owned()).or_default();
        let answer = &answers[(*asked).min(answers.len() - 1)];
        *asked += 1;
        Ok(answer.iter().map(|address| SocketAddr::new(*address, target.port())).collect())
    }

    async fn connect(&self, address: SocketAddr) -> io::Result<TcpStream> {
        self.connected.lock().unwrap().push(address);
        TcpStream::connect(self.server).await
    }
}

struct World {
    proxy: SocketAddr,
    outside: Arc<MadeUp>,
    server: TcpListener,
    log: PathBuf,
    serving: JoinHandle<()>,
    _directory: tempfile::TempDir,
}

fn target(text: &str) -> Target {
    text.parse().unwrap()
}

fn listed(hosts: &[&str]) -> Policy {
    Policy::Listed(hosts.iter().map(|host| target(host)).collect::<BTreeSet<_>>())
}

impl World {
    async fn new(policy: Policy) -> Self {
        let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        let names = [
            ("good.example", vec![vec![address("203.0.113.80")]]),
            ("near.example", vec![vec![address("127.0.0.1"), address("::1")]]),
            ("private.example", vec![vec![address("10.0.0.1")]]),
            ("metadata.example", vec![vec![address("169.254.169.254")]]),
            ("mapped.example", vec![vec![address("::ffff:192.168.0.1")]]),
            ("mixed.example", vec![vec![address("127.0.0.1"), address("203.0.113.81"), address("::1")]]),
            ("rebinding.example", vec![vec![address("203.0.113.82")], vec![address("127.0.0.1")]]),
        ];
        let outside = Arc::new(MadeUp {
            names: names.into(),
            questions: Mutex::default(),
            connected: Mutex::default(),
            server: server.local_addr().unwrap(),
        });
        let directory = tempfile::tempdir().unwrap();
        let log = directory.path().join("log");
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = listener.local_addr().unwrap();
        let served = Proxy::new(policy, Arc::clone(&outside) as _, RequestLog::open(&log).unwrap());
        let serving = tokio::spawn(async move {
            served.serve(listener).await;
        });
        Self { proxy, outside, server, log, serving, _directory: directory }
    }

    /// Sends a request, and reads until the end of the answer's head.
    async fn ask(&self, request: &str) -> (TcpStream, String) {
        let mut client = TcpStream::connect(self.proxy).await.unwrap();
        client.write_all(request.as_bytes()).await.unwrap();
        let head = read_head(&mut client).await;
        (client, head)
    }

    async fn status(&self, request: &str) -> String {
        let (_, head) = self.ask(request).await;
        head.lines().next().unwrap_or_default().to_owned()
    }

    fn log(&self) -> Vec<Entry> {
        entries(&self.log, 0).unwrap()
    }

    fn connected(&self) -> Vec<String> {
        self.outside.connected.lock().unwrap().iter().map(SocketAddr::to_string).collect()
    }
}

async fn read_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => break,
        }
    }
    String::from_utf8(head).unwrap()
}

fn connect(host: &str) -> String {
    format!("CONNECT {host} HTTP/1.1\r\nHost: {host}\r\n\r\n")
}

/// The first message of a TLS client that asks for a server.
fn hello(server_name: &str) -> Vec<u8> {
    let with_length = |bytes: Vec<u8>| [u16::try_from(bytes.len()).unwrap().to_be_bytes().to_vec(), bytes].concat();
    let extension = |kind: u16, body: Vec<u8>| [kind.to_be_bytes().to_vec(), with_length(body)].concat();
    let name = with_length([vec![0], with_length(server_name.as_bytes().to_vec())].concat());
    let extensions = [
        extension(0, name),
        extension(13, with_length(vec![4, 3, 8, 4])), // signature algorithms
        extension(10, with_length(vec![0, 29])),      // groups
        extension(43, vec![2, 3, 4]),                 // versions
        extension(51, with_length([vec![0, 29], with_length(vec![7; 32])].concat())),
    ];
    let body = [
        vec![3, 3],
        vec![9; 32],
        vec![0],
        with_length(vec![0x13, 1, 0x13, 2]),
        vec![1, 0],
        with_length(extensions.concat()),
    ]
    .concat();
    let length = u32::try_from(body.len()).unwrap().to_be_bytes();
    let handshake = [vec![1], length[1..].to_vec(), body].concat();
    [vec![22, 3, 1], with_length(handshake)].concat()
}

#[tokio::test]
async fn a_tunnel_carries_tls_to_the_host_that_was_named_in_both_directions() {
    let world = World::new(listed(&["good.example"])).await;
    let (mut client, head) = world.ask(&connect("GOOD.example.:443")).await;
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    let (mut server, _) = world.server.accept().await.unwrap();
    let hello = hello("good.example");
    // In two pieces, as a network may deliver it.
    client.write_all(&hello[..7]).await.unwrap();
    client.flush().await.unwrap();
    client.write_all(&hello[7..]).await.unwrap();
    let mut arrived = vec![0; hello.len()];
    server.read_exact(&mut arrived).await.unwrap();
    assert_eq!(arrived, hello);
    server.write_all(b"answer").await.unwrap();
    drop(server);
    let mut answer = Vec::new();
    client.read_to_end(&mut answer).await.unwrap();
    assert_eq!(answer, b"answer");
    assert_eq!(world.connected(), ["203.0.113.80:443"]);
    assert_eq!(world.log(), [Entry { target: target("good.example"), refused: None }]);
}

#[tokio::test]
async fn a_tunnel_without_tls_or_for_another_server_ends_at_once() {
    for (first, refusal) in [
        (b"SSH-2.0-client\r\n".to_vec(), Refusal::NotTls),
        (b"GET / HTTP/1.1\r\nHost: inside.example\r\n\r\n".to_vec(), Refusal::NotTls),
        (vec![22, 3, 1, 255, 255], Refusal::NotTls),
        (hello("evil.example"), Refusal::OtherServerName),
    ] {
        let world = World::new(listed(&["good.example"])).await;
        let (mut client, _) = world.ask(&connect("good.example:443")).await;
        let (mut server, _) = world.server.accept().await.unwrap();
        client.write_all(&first).await.unwrap();
        client.shutdown().await.unwrap();
        let mut through = Vec::new();
        server.read_to_end(&mut through).await.unwrap();
        assert_eq!(through, b"", "{refusal}");
        client.read_to_end(&mut Vec::new()).await.unwrap();
        let refused = Entry { target: target("good.example"), refused: Some(refusal) };
        assert_eq!(world.log()[1..], [refused]);
    }
}

#[tokio::test]
async fn what_is_not_on_the_list_is_refused_with_its_reason() {
    let world = World::new(listed(&["good.example", "near.example", "private.example:8443"])).await;
    for (request, reason) in [
        (connect("evil.example:443"), "it is not on the list of hosts"),
        (connect("good.example:22"), "it is not on the list of hosts"),
        (connect("good.example.evil.example:443"), "it is not on the list of hosts"),
        (connect("203.0.113.80:443"), "it is not on the list of hosts"),
        ("GET http://good.example/ HTTP/1.1\r\nHost: good.example\r\n\r\n".into(), "it is not on the list of hosts"),
        (connect("near.example:443"), "its address is loopback"),
        (connect("private.example:8443"), "its address is private"),
    ] {
        assert_eq!(
            world.status(&request).await,
            format!("HTTP/1.1 403 Refused by network policy: {reason}"),
            "{request}"
        );
    }
    assert_eq!(world.connected(), [""; 0]);
    assert_eq!(world.log().len(), 7);
    assert!(world.log().iter().all(|entry| entry.refused.is_some()));
}

#[tokio::test]
async fn an_open_network_still_ends_before_the_machine_and_its_neighbours() {
    let world = World::new(Policy::Open).await;
    for host in [
        "near.example",
        "private.example",
        "metadata.example",
        "mapped.example",
        "127.0.0.1",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "169.254.169.254",
        "[fd00:ec2::254]",
        "[64:ff9b::7f00:1]",
        "0.0.0.0",
        "[::]",
        "192.168.0.1",
        "100.100.100.200",
    ] {
        for request in
            [connect(&format!("{host}:443")), format!("GET http://{host}/ HTTP/1.1\r\nHost: good.example\r\n\r\n")]
        {
            let status = world.status(&request).await;
            assert!(
                status.starts_with("HTTP/1.1 403 Refused by network policy: its address is"),
                "{request}: {status}"
            );
        }
    }
    assert!(world.status(&connect("good.example:25")).await.contains("the port is neither 80 nor 443"));
    assert!(world.status(&connect("nobody.example:443")).await.contains("its name does not resolve"));
    assert_eq!(world.connected(), [""; 0]);
    let class = |entry: &Entry| matches!(entry.refused, Some(Refusal::Address(AddressClass::LinkLocal)));
    assert_eq!(world.log().iter().filter(|entry| class(entry)).count(), 4);
}

#[tokio::test]
async fn only_judged_addresses_are_connected_to() {
    let world = World::new(Policy::Open).await;
    assert!(world.status(&connect("mixed.example:443")).await.starts_with("HTTP/1.1 200"));
    // Its second answer is loopback: it is asked for each connection, once.
    assert!(world.status(&connect("rebinding.example:443")).await.starts_with("HTTP/1.1 200"));
    assert!(world.status(&connect("rebinding.example:443")).await.contains("its address is loopback"));
    assert_eq!(world.connected(), ["203.0.113.81:443", "203.0.113.82:443"]);
}

#[tokio::test]
async fn requests_that_name_no_host_or_two_are_refused() {
    let world = World::new(Policy::Open).await;
    for request in [
        "GET / HTTP/1.1\r\nHost: good.example\r\n\r\n",
        "CONNECT good.example HTTP/1.1\r\nHost: good.example\r\n\r\n",
        "CONNECT user@good.example:443 HTTP/1.1\r\nHost: good.example\r\n\r\n",
        "CONNECT good.example:99999 HTTP/1.1\r\nHost: good.example\r\n\r\n",
        "CONNECT http://good.example:443/ HTTP/1.1\r\nHost: good.example\r\n\r\n",
        "GET https://good.example/ HTTP/1.1\r\nHost: good.example\r\n\r\n",
        "GET ftp://good.example/ HTTP/1.1\r\nHost: good.example\r\n\r\n",
        "GET http://user:password@good.example/ HTTP/1.1\r\nHost: good.example\r\n\r\n",
        "GET http://good.example:/ HTTP/1.1\r\nHost: good.example\r\n\r\n",
        "GET http://good%2eexample/ HTTP/1.1\r\nHost: good.example\r\n\r\n",
        "GET\thttp://good.example/\tHTTP/1.1\r\n\r\n",
        "\x16\x03\x01\r\n\r\n",
    ] {
        let status = world.status(request).await;
        assert!(status.starts_with("HTTP/1.1 400"), "{request:?}: {status}");
    }
    assert_eq!(world.connected(), [""; 0]);
    assert_eq!(world.log(), []);
}

#[tokio::test]
async fn a_plain_request_arrives_with_the_host_of_its_line() {
    let world = World::new(Policy::Open).await;
    let request = "POST http://good.example:8080/path?query HTTP/1.1\r\nHost: evil.example\r\nProxy-Authorization: Basic x\r\n\
                   Connection: keep-alive, X-Hop, Host, Content-Length\r\nX-Hop: 1\r\nX-Kept: 2\r\nUpgrade: websocket\r\n\
                   Content-Length: 3\r\nTE: trailers\r\n\r\nabc";
    let (asked, ()) = tokio::join!(world.ask(request), async {
        let (mut server, _) = world.server.accept().await.unwrap();
        let head = read_head(&mut server).await;
        let mut lines: Vec<&str> = head.lines().filter(|line| !line.is_empty()).collect();
        lines[1..].sort_unstable();
        assert_eq!(lines, ["POST /path?query HTTP/1.1", "content-length: 3", "host: good.example:8080", "x-kept: 2"]);
        let mut body = [0; 3];
        server.read_exact(&mut body).await.unwrap();
        assert_eq!(&body, b"abc");
        let answer =
            "HTTP/1.1 301 Moved\r\nLocation: http://127.0.0.1/\r\nKeep-Alive: 5\r\nContent-Length: 2\r\n\r\nok";
        server.write_all(answer.as_bytes()).await.unwrap();
    });
    let (_client, head) = asked;
    // The redirect is the client's to follow, with another request.
    assert!(head.starts_with("HTTP/1.1 301") && head.contains("location: http://127.0.0.1/"), "{head}");
    assert!(!head.contains("keep-alive:"), "{head}");
}

#[tokio::test]
async fn of_two_lengths_one_arrives() {
    let world = World::new(Policy::Open).await;
    let request = "POST http://good.example/ HTTP/1.1\r\nHost: good.example\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n\
                   0\r\n\r\nGET http://evil.example/ HTTP/1.1\r\n\r\n";
    let mut client = TcpStream::connect(world.proxy).await.unwrap();
    client.write_all(request.as_bytes()).await.unwrap();
    let outcome = tokio::select! {
        head = read_head(&mut client) => head,
        accepted = world.server.accept() => read_head(&mut accepted.unwrap().0).await,
    };
    let lengths =
        outcome.lines().filter(|line| line.starts_with("content-length") || line.starts_with("transfer-encoding"));
    assert!(outcome.starts_with("HTTP/1.1 400") || lengths.count() <= 1, "{outcome}");
    assert!(!outcome.contains("evil"), "{outcome}");
}

#[tokio::test]
async fn once_the_journal_is_full_no_new_host_is_reached() {
    let world = World::new(Policy::Open).await;
    assert!(world.status(&connect("good.example:443")).await.starts_with("HTTP/1.1 200"));
    let mut client = TcpStream::connect(world.proxy).await.unwrap();
    for number in 1..MAX_ENTRIES {
        client
            .write_all(format!("GET http://n{number}.example/ HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes())
            .await
            .unwrap();
        read_head(&mut client).await;
        let mut rest = [0; 200];
        assert_ne!(client.read(&mut rest).await.unwrap(), 0);
    }
    assert_eq!(world.log().len(), MAX_ENTRIES);
    assert!(world.status(&connect("mixed.example:443")).await.contains("too many hosts were asked for"));
    assert_eq!(world.connected(), ["203.0.113.80:443"]);
    // One that is in it already still is.
    assert!(world.status(&connect("good.example:443")).await.starts_with("HTTP/1.1 200"));
    assert_eq!(entries(&world.log, MAX_ENTRIES - 1).unwrap().len(), 1);
    // Another process goes on where this one ended.
    let again = Proxy::new(Policy::Open, Arc::clone(&world.outside) as _, RequestLog::open(&world.log).unwrap());
    drop(again);
    assert_eq!(world.log().len(), MAX_ENTRIES);
}

#[tokio::test]
async fn dropping_the_proxy_ends_its_connections() {
    let world = World::new(Policy::Open).await;
    let (mut client, _) = world.ask(&connect("good.example:443")).await;
    let (mut server, _) = world.server.accept().await.unwrap();
    let hello = hello("good.example");
    client.write_all(&hello).await.unwrap();
    server.read_exact(&mut vec![0; hello.len()]).await.unwrap();
    world.serving.abort();
    server.read_to_end(&mut Vec::new()).await.unwrap();
    let ended = client.read_to_end(&mut Vec::new()).await;
    assert!(ended.is_ok() || ended.is_err_and(|error| error.kind() == io::ErrorKind::ConnectionReset));
}
