//! One connection.

use std::io;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use shared::api::{
    ClientFrame, ClientRole, ErrorCode, Failure, Hello, KEY_BYTES_MAX, LONG_REQUEST_MAX,
    REQUEST_MAX, ServerFrame,
};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::time::{Instant, timeout, timeout_at};

use super::access::{self, Peer};
use super::{Answer, Ask, malformed};
use crate::supervisor::{Line, line};

/// A long request must be complete after this, since others may wait for its place.
const LONG_LIMIT: Duration = Duration::from_secs(10);
/// A client that takes nothing for so long is dropped.
const WRITE_LIMIT: Duration = Duration::from_secs(10);

/// Greets, then answers and streams until the client goes or does not read.
pub(super) async fn serve(
    stream: UnixStream,
    hello: Hello,
    who: Peer,
    asks: mpsc::Sender<Ask>,
    long_requests: Arc<Semaphore>,
) -> io::Result<()> {
    let role = hello.role;
    let (reader, writer) = stream.into_split();
    let mut connection = Connection {
        requests: Requests {
            reader: BufReader::new(reader),
            partial: Vec::new(),
            long_requests: (role >= ClientRole::Operate).then_some(long_requests),
            long: None,
        },
        writer,
        role,
        who,
        asks,
        stream: None,
        early: None,
        presence: Arc::new(()),
    };
    connection
        .write(&line(&ServerFrame::Hello { hbd: hello }))
        .await?;
    connection.run().await
}

struct Connection {
    requests: Requests,
    writer: OwnedWriteHalf,
    role: ClientRole,
    who: Peer,
    asks: mpsc::Sender<Ask>,
    stream: Option<mpsc::Receiver<Line>>,
    /// A request that came while another was being answered.
    early: Option<Next>,
    presence: Arc<()>,
}

impl Connection {
    async fn run(&mut self) -> io::Result<()> {
        loop {
            if let Some(request) = self.early.take() {
                if self.take(request).await?.is_break() {
                    return Ok(());
                }
                continue;
            }
            tokio::select! {
                request = self.requests.next() => {
                    if self.take(request?).await?.is_break() {
                        return Ok(());
                    }
                }
                frame = next(&mut self.stream) => {
                    // The supervisor dropped this reader.
                    let Some(frame) = frame else {
                        return Ok(());
                    };
                    self.write(&frame).await?;
                }
            }
        }
    }

    /// Deals with what the client sent. Break: the connection ends.
    async fn take(&mut self, request: Next) -> io::Result<ControlFlow<()>> {
        match request {
            Next::Line(request) => self.answer(&request).await?,
            Next::End => return Ok(ControlFlow::Break(())),
            Next::TooLong => {
                let most = self.requests.most();
                let wrong =
                    format!("the line is longer than {most} bytes, and the connection ends");
                self.refuse(0, bad_request(&wrong)).await?;
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    async fn answer(&mut self, request: &[u8]) -> io::Result<()> {
        let frame: ClientFrame = match serde_json::from_slice(request) {
            Ok(frame) => frame,
            Err(_) => {
                let (id, wrong) = malformed::judge(request);
                return self.refuse(id, bad_request(&wrong)).await;
            }
        };
        if let Some(length) = frame.key.as_ref().map(String::len)
            && length > KEY_BYTES_MAX
        {
            let wrong = format!("the key has {length} bytes, more than {KEY_BYTES_MAX}");
            return self.refuse(frame.id, bad_request(&wrong)).await;
        }
        if self.role < frame.request.needs() {
            let text = access::refusal(&frame.request, self.role, &self.who);
            let failure = Failure {
                code: ErrorCode::NotPermitted,
                text,
            };
            return self.refuse(frame.id, failure).await;
        }
        let (answer, reply) = oneshot::channel();
        let ask = Ask {
            frame,
            who: self.who.clone(),
            presence: Arc::downgrade(&self.presence),
            answer,
        };
        if self.asks.send(ask).await.is_err() {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        let Answer { lines, stream } = self.await_answer(reply).await?;
        for line in lines {
            self.write(&line).await?;
        }
        if stream.is_some() {
            self.stream = stream;
        }
        Ok(())
    }

    /// Waits for an answer, which may take as long as a message does. Meanwhile what is streamed goes
    /// on, and a client that goes is noticed.
    async fn await_answer(&mut self, mut reply: oneshot::Receiver<Answer>) -> io::Result<Answer> {
        let aborted = || io::Error::from(io::ErrorKind::ConnectionAborted);
        loop {
            tokio::select! {
                biased;
                answer = &mut reply => return answer.map_err(|_| aborted()),
                frame = next(&mut self.stream) => {
                    let frame = frame.ok_or_else(aborted)?;
                    self.write(&frame).await?;
                }
                request = self.requests.next(), if self.early.is_none() => match request? {
                    Next::End => return Err(aborted()),
                    early => self.early = Some(early),
                },
            }
        }
    }

    async fn refuse(&mut self, id: u64, error: Failure) -> io::Result<()> {
        self.write(&line(&ServerFrame::Error { id, error })).await
    }

    async fn write(&mut self, line: &str) -> io::Result<()> {
        match timeout(WRITE_LIMIT, self.writer.write_all(line.as_bytes())).await {
            Ok(written) => written,
            Err(_) => Err(io::ErrorKind::TimedOut.into()),
        }
    }
}

/// The next frame of the stream; never without one.
async fn next(stream: &mut Option<mpsc::Receiver<Line>>) -> Option<Line> {
    match stream {
        Some(stream) => stream.recv().await,
        None => std::future::pending().await,
    }
}

fn bad_request(wrong: &str) -> Failure {
    Failure {
        code: ErrorCode::BadRequest,
        text: format!("{wrong}; see hbd-api(7)"),
    }
}

/// What a client sent.
enum Next {
    Line(Vec<u8>),
    End,
    TooLong,
}

/// Lines of bounded length.
struct Requests {
    reader: BufReader<OwnedReadHalf>,
    partial: Vec<u8>,
    /// Places for long requests, for a client that may make them.
    long_requests: Option<Arc<Semaphore>>,
    /// The place of the request that is read, and until when it must be complete.
    long: Option<(OwnedSemaphorePermit, Instant)>,
}

impl Requests {
    /// The next line. May be given up and called again: what has arrived of a
    /// line is kept.
    async fn next(&mut self) -> io::Result<Next> {
        loop {
            let most = match self.long {
                None => REQUEST_MAX,
                Some(_) => LONG_REQUEST_MAX,
            };
            let room = (most - self.partial.len()) as u64;
            let mut bounded = (&mut self.reader).take(room);
            let read = bounded.read_until(b'\n', &mut self.partial);
            let length = match self.long {
                None => read.await?,
                Some((_, until)) => timeout_at(until, read).await??,
            };
            if self.partial.last() == Some(&b'\n') {
                self.long = None;
                return Ok(Next::Line(std::mem::take(&mut self.partial)));
            }
            if self.partial.len() >= most {
                match (&self.long_requests, &self.long) {
                    (Some(places), None) => {
                        // Closed only with the daemon.
                        let place = places.clone().acquire_owned().await;
                        let place = place.map_err(io::Error::other)?;
                        self.long = Some((place, Instant::now() + LONG_LIMIT));
                        continue;
                    }
                    _ => return Ok(Next::TooLong),
                }
            }
            if length == 0 {
                return Ok(Next::End);
            }
        }
    }

    /// The longest line this client may send.
    fn most(&self) -> usize {
        match self.long_requests {
            None => REQUEST_MAX,
            Some(_) => LONG_REQUEST_MAX,
        }
    }
}
