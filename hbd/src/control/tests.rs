use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream as BlockingStream;
use std::time::Duration;

use shared::api::{
    API_NEWEST, API_OLDEST, ErrorCode, KEY_BYTES_MAX, LONG_REQUEST_MAX, ServerFrame, Success,
};
use shared::config::ApiAccess;
use shared::names::NodeName;

use super::*;
use crate::supervisor::line;

const PATIENCE: Duration = Duration::from_secs(10);

#[test]
fn a_client_is_greeted_and_its_request_answered() {
    serving(|path| {
        let mut client = Connected::to(path);
        let ServerFrame::Hello { hbd } = client.frame().unwrap() else {
            panic!("no greeting");
        };
        assert_eq!(hbd.role, ClientRole::Admin);
        client.write("{\"id\":5,\"request\":{\"events\":{\"limit\":1}}}\n");
        let ServerFrame::Ok { id, ok } = client.frame().unwrap() else {
            panic!("no reply");
        };
        assert_eq!((id, ok), (5, Success::Done));
    });
}

#[test]
fn a_line_that_is_no_request_is_refused_and_the_connection_goes_on() {
    serving(|path| {
        let mut client = Connected::to(path);
        client.frame().unwrap();
        let key = "k".repeat(KEY_BYTES_MAX + 1);
        let long_key = format!("{{\"id\":2,\"key\":\"{key}\",\"request\":\"snapshot\"}}\n");
        for (line, expected) in [
            ("hello\n", 0),
            ("{\"id\":3,\"request\":\"dance\"}\n", 3),
            (&*long_key, 2),
        ] {
            client.write(line);
            let ServerFrame::Error { id, error } = client.frame().unwrap() else {
                panic!("accepted: {line}");
            };
            assert_eq!((id, error.code), (expected, ErrorCode::BadRequest));
        }
        client.write("{\"id\":4,\"request\":\"snapshot\"}\n");
        assert!(matches!(
            client.frame(),
            Some(ServerFrame::Ok { id: 4, .. })
        ));
    });
}

#[test]
fn a_line_without_end_is_told_its_limit_and_ends_the_connection() {
    serving(|path| {
        let mut client = Connected::to(path);
        client.frame().unwrap();
        // The daemon may hang up while this is written.
        let _ = client
            .0
            .get_mut()
            .write_all(&vec![b'x'; 2 * LONG_REQUEST_MAX]);
        let Some(ServerFrame::Error { id: 0, error }) = client.frame() else {
            panic!("no error line");
        };
        assert_eq!(error.code, ErrorCode::BadRequest);
        assert!(
            error
                .text
                .contains(&format!("longer than {LONG_REQUEST_MAX} bytes")),
            "{}",
            error.text
        );
        assert!(client.frame().is_none());
    });
}

#[test]
fn one_client_too_many_is_dropped_and_a_place_becomes_free_again() {
    serving(|path| {
        let mut clients: Vec<_> = (0..ADMINS_MAX).map(|_| Connected::to(path)).collect();
        for client in &mut clients {
            assert!(client.frame().is_some());
        }
        assert!(Connected::to(path).frame().is_none());
        drop(clients);
        let until = std::time::Instant::now() + PATIENCE;
        while Connected::to(path).frame().is_none() {
            assert!(std::time::Instant::now() < until, "no place became free");
            std::thread::yield_now();
        }
    });
}

#[tokio::test]
async fn who_may_do_what_is_decided_anew_for_those_who_connect_later() {
    let path = path();
    let (mut control, _asks) = listen(&path);
    let (client, server) = tokio::net::UnixStream::pair().unwrap();
    let role = |control: &Control| control.access.role_of(&server).0;
    assert_eq!(role(&control), ClientRole::Admin);
    let own = nix::unistd::geteuid().as_raw();
    control.admit(Access::new(&ApiAccess::default(), own + 1, Some(own)));
    assert_eq!(role(&control), ClientRole::None);
    drop(client);
    fs::remove_file(&path).unwrap();
}

#[test]
fn strangers_take_no_place_of_others() {
    let room = Room::new();
    let strangers: Vec<_> = (0..STRANGERS_MAX)
        .map(|_| room.place(ClientRole::None).unwrap())
        .collect();
    assert!(room.place(ClientRole::None).is_none());
    assert!(room.place(ClientRole::Observe).is_some());
    assert!(room.place(ClientRole::Admin).is_some());
    drop(strangers);
    assert!(room.place(ClientRole::None).is_some());
}

#[test]
fn a_socket_of_a_dead_daemon_is_replaced() {
    let path = path();
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    assert!(path.exists());
    runtime().block_on(async {
        let (control, _asks) = listen(&path);
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o666);
        drop(control);
    });
    fs::remove_file(&path).unwrap();
}

#[test]
fn a_socket_at_which_too_many_wait_is_taken_back_at_once() {
    let path = path();
    let listener = net::UnixListener::bind(&path).unwrap();
    // Whoever hangs up waits on.
    while connect_at_once(&path).is_ok() {}
    runtime().block_on(async {
        assert!(take_back(listener.into(), &path).is_some());
    });
    fs::remove_file(&path).unwrap();
}

#[test]
fn a_path_too_long_for_a_socket_names_the_remedy() {
    let path = std::env::temp_dir().join("x".repeat(120));
    let error = runtime().block_on(async {
        Control::listen(&path, None, Access::default(), hello())
            .err()
            .map(|error| error.to_string())
    });
    let error = error.expect("refused");
    assert!(error.ends_with("name a shorter --run"), "{error}");
}

/// Runs `test` in a thread against a socket whose every request is answered by "done".
fn serving(test: impl FnOnce(&Path) + Send + 'static) {
    let path = path();
    runtime().block_on(async {
        let (control, mut asks) = listen(&path);
        let at = path.clone();
        let mut test = tokio::task::spawn_blocking(move || test(&at));
        loop {
            tokio::select! {
                stream = control.accept() => control.serve(stream.unwrap()),
                Some(ask) = asks.recv() => {
                    let frame = ServerFrame::Ok { id: ask.frame.id, ok: Success::Done };
                    let lines = vec![line(&frame)];
                    ask.answer.send(Answer { lines, stream: None }).unwrap();
                }
                result = &mut test => return result.unwrap(),
            }
        }
    });
    fs::remove_file(&path).unwrap();
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}

fn listen(path: &Path) -> (Control, mpsc::Receiver<Ask>) {
    let own = nix::unistd::geteuid().as_raw();
    let access = Access::new(&ApiAccess::default(), own, None);
    Control::listen(path, None, access, hello()).unwrap()
}

fn hello() -> Hello {
    Hello {
        api: (API_OLDEST, API_NEWEST),
        version: "0.1.0".into(),
        node: NodeName::new("alice").unwrap(),
        role: ClientRole::None,
    }
}

fn path() -> PathBuf {
    static COUNT: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
    let count = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    std::env::temp_dir().join(format!("hbd-control-{}-{count}", std::process::id()))
}

struct Connected(BufReader<BlockingStream>);

impl Connected {
    fn to(path: &Path) -> Self {
        let stream = BlockingStream::connect(path).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self(BufReader::new(stream))
    }

    /// The next frame; nothing at the end.
    fn frame(&mut self) -> Option<ServerFrame> {
        let mut line = String::new();
        match self.0.read_line(&mut line) {
            Ok(0) => None,
            Ok(_) => Some(serde_json::from_str(&line).unwrap()),
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => None,
            Err(error) => panic!("{error}"),
        }
    }

    fn write(&mut self, line: &str) {
        self.0.get_mut().write_all(line.as_bytes()).unwrap();
    }
}
