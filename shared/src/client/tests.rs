use std::os::unix::net::UnixListener;
use std::thread::JoinHandle;

use super::*;
use crate::api::{ClientRole, ErrorCode};
use crate::names::NodeName;

const PATIENCE: Duration = Duration::from_secs(10);
const BRIEF: Duration = Duration::from_millis(30);

#[test]
fn the_greeting_is_read_at_once() {
    let server = Server::start(|_| {});
    let client = server.client().unwrap();
    assert_eq!(client.hello().node.as_str(), "alice");
    assert_eq!(client.hello().role, ClientRole::Admin);
}

#[test]
fn an_absent_socket_says_that_hbd_does_not_run_there() {
    let error = Client::connect(Path::new("/nonexistent/hbd.sock"), PATIENCE).unwrap_err();
    let text = error.to_string();
    assert!(text.contains("/nonexistent/hbd.sock"), "{text}");
    assert!(text.contains("hbd does not run there"), "{text}");
}

#[test]
fn a_listener_that_is_not_hbd_is_told_apart() {
    let server = Server::raw(|mut stream| stream.write_all(b"220 smtp ready\r\n").unwrap());
    let error = server.client().unwrap_err();
    assert!(matches!(error, ClientError::NoHbd { .. }), "{error:?}");
}

#[test]
fn a_daemon_of_another_interface_version_is_refused() {
    let server = Server::raw(|mut stream| {
        let line = hello_line((API_NEWEST + 1, API_NEWEST + 2));
        stream.write_all(line.as_bytes()).unwrap();
    });
    let error = server.client().unwrap_err();
    assert!(matches!(error, ClientError::Version { .. }), "{error:?}");
}

#[test]
fn a_reply_belongs_to_its_request() {
    let server = Server::start(|mut stream| {
        let line = line(&stream);
        assert_eq!(line, "{\"id\":1,\"request\":{\"events\":{\"limit\":3}}}\n");
        stream
            .write_all(b"{\"id\":1,\"ok\":{\"events\":[]}}\n")
            .unwrap();
    });
    let mut client = server.client().unwrap();
    assert_eq!(client.events(3).unwrap(), []);
}

#[test]
fn a_refusal_carries_code_and_text() {
    let server = Server::start(|mut stream| {
        line(&stream);
        let reply = b"{\"id\":1,\"error\":{\"code\":\"not-permitted\",\"text\":\"ask root\"}}\n";
        stream.write_all(reply).unwrap();
    });
    let mut client = server.client().unwrap();
    let error = client.snapshot().unwrap_err();
    assert_eq!(error.to_string(), "ask root");
    let ClientError::Refused { failure, .. } = error else {
        panic!("no refusal: {error:?}");
    };
    assert_eq!(failure.code, ErrorCode::NotPermitted);
}

#[test]
fn a_daemon_whose_queue_of_connections_is_full_is_given_up_in_time() {
    let path = path();
    let listener = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
    listener.bind(&SockAddr::unix(&path).unwrap()).unwrap();
    listener.listen(0).unwrap();
    let _first = UnixStream::connect(&path).unwrap();
    let error = Client::connect(&path, BRIEF).unwrap_err();
    assert!(matches!(error, ClientError::TimedOut { .. }), "{error:?}");
    std::fs::remove_file(&path).unwrap();
}

#[test]
fn a_daemon_that_does_not_answer_is_given_up_in_time() {
    let server = Server::start(|stream| {
        line(&stream);
        // Until the client hangs up.
        line(&stream);
    });
    let mut client = Client::connect(&server.path, BRIEF).unwrap();
    let error = client.snapshot().unwrap_err();
    assert!(matches!(error, ClientError::TimedOut { .. }), "{error:?}");
}

#[test]
fn recent_events_come_before_the_snapshot() {
    let server = Server::start(|mut stream| {
        line(&stream);
        let event = event_line();
        let snapshot = serde_json::to_string(&Snapshot::default()).unwrap();
        let reply = format!("{{\"id\":1,\"ok\":{{\"snapshot\":{snapshot}}}}}\n");
        stream.write_all(event.as_bytes()).unwrap();
        stream.write_all(reply.as_bytes()).unwrap();
        stream.write_all(event.as_bytes()).unwrap();
    });
    let updates: Vec<_> = server
        .client()
        .unwrap()
        .subscribe(1)
        .unwrap()
        .map(|update| update.unwrap())
        .collect();
    assert!(
        matches!(
            updates[..],
            [Update::Event(_), Update::Snapshot(_), Update::Event(_)]
        ),
        "{updates:?}"
    );
}

#[test]
fn half_a_frame_survives_a_time_limit() {
    let (go, wait) = std::sync::mpsc::channel::<()>();
    let server = Server::start(move |mut stream| {
        line(&stream);
        let snapshot = serde_json::to_string(&Snapshot::default()).unwrap();
        let reply = format!("{{\"id\":1,\"ok\":{{\"snapshot\":{snapshot}}}}}\n");
        let event = event_line();
        let (first, second) = event.split_at(event.len() / 2);
        stream.write_all(reply.as_bytes()).unwrap();
        stream.write_all(first.as_bytes()).unwrap();
        wait.recv().unwrap();
        stream.write_all(second.as_bytes()).unwrap();
        line(&stream);
    });
    let mut stream = server.client().unwrap().subscribe(0).unwrap();
    let first = stream.wait(Some(PATIENCE)).unwrap();
    assert!(matches!(first, Some(Update::Snapshot(_))), "{first:?}");
    assert_eq!(stream.wait(Some(BRIEF)).unwrap(), None);
    go.send(()).unwrap();
    let event = stream.wait(Some(PATIENCE)).unwrap();
    assert!(matches!(event, Some(Update::Event(_))), "{event:?}");
}

/// A daemon of one connection.
struct Server {
    path: PathBuf,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Greets, then does `rest`.
    fn start(rest: impl FnOnce(UnixStream) + Send + 'static) -> Self {
        Self::raw(|mut stream| {
            let hello = hello_line((API_OLDEST, API_NEWEST));
            stream.write_all(hello.as_bytes()).unwrap();
            rest(stream);
        })
    }

    fn raw(serve: impl FnOnce(UnixStream) + Send + 'static) -> Self {
        let path = path();
        let listener = UnixListener::bind(&path).unwrap();
        let thread = std::thread::spawn(move || serve(listener.accept().unwrap().0));
        Self {
            path,
            thread: Some(thread),
        }
    }

    fn client(&self) -> Result<Client, ClientError> {
        Client::connect(&self.path, PATIENCE)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        std::fs::remove_file(&self.path).unwrap();
        let ended = self.thread.take().unwrap().join();
        if !std::thread::panicking() {
            ended.unwrap();
        }
    }
}

/// A place for a socket that nobody else has.
fn path() -> PathBuf {
    static COUNT: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
    let count = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    std::env::temp_dir().join(format!("hbd-client-{}-{count}", std::process::id()))
}

fn hello_line(api: (u32, u32)) -> String {
    let hbd = Hello {
        api,
        version: "0.1.0".into(),
        node: NodeName::new("alice").unwrap(),
        role: ClientRole::Admin,
    };
    serde_json::to_string(&ServerFrame::Hello { hbd }).unwrap() + "\n"
}

fn event_line() -> String {
    use crate::event::{EventSource, Kind, Role};
    let mut source = EventSource::new(
        NodeName::new("alice").unwrap(),
        Role::Core,
        crate::names::Generation(7),
    );
    let event = source.event(Kind::Leaving, None, crate::time::Now::default());
    let frame = ServerFrame::Event {
        event: Box::new(event),
    };
    serde_json::to_string(&frame).unwrap() + "\n"
}

/// The next line of the client; what there is of it at the end of the connection.
fn line(stream: &UnixStream) -> String {
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).unwrap();
    line
}
