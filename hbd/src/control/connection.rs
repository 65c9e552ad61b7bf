//! One connection.

use std::io;
use std::time::Duration;

use shared::api::{ClientFrame, ClientRole, ErrorCode, Failure, Hello, REQUEST_MAX, ServerFrame};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::access::{self, Peer};
use super::{Answer, Ask, malformed};
use crate::supervisor::{Line, line};

/// A client that takes nothing for so long is dropped.
const WRITE_LIMIT: Duration = Duration::from_secs(10);

/// Greets, then answers and streams until the client goes or does not read.
pub(super) async fn serve(
    stream: UnixStream,
    hello: Hello,
    who: Peer,
    asks: mpsc::Sender<Ask>,
) -> io::Result<()> {
    let role = hello.role;
    let (reader, writer) = stream.into_split();
    let mut connection = Connection {
        requests: Requests {
            reader: BufReader::new(reader),
            partial: Vec::new(),
        },
        writer,
        role,
        who,
        asks,
        stream: None,
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
}

impl Connection {
    async fn run(&mut self) -> io::Result<()> {
        loop {
            tokio::select! {
                request = self.requests.next() => {
                    match request? {
                        Next::Line(request) => self.answer(&request).await?,
                        Next::End => return Ok(()),
                        Next::TooLong => {
                            let wrong = format!(
                                "the line is longer than {REQUEST_MAX} bytes, and the connection \
                                 ends"
                            );
                            return self.refuse(0, bad_request(&wrong)).await;
                        }
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

    async fn answer(&mut self, request: &[u8]) -> io::Result<()> {
        let frame: ClientFrame = match serde_json::from_slice(request) {
            Ok(frame) => frame,
            Err(_) => {
                let (id, wrong) = malformed::judge(request);
                return self.refuse(id, bad_request(&wrong)).await;
            }
        };
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
            who: self.who,
            answer,
        };
        if self.asks.send(ask).await.is_err() {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        let Ok(Answer { lines, stream }) = reply.await else {
            return Err(io::ErrorKind::ConnectionAborted.into());
        };
        for line in lines {
            self.write(&line).await?;
        }
        if stream.is_some() {
            self.stream = stream;
        }
        Ok(())
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
}

impl Requests {
    /// The next line. May be given up and called again: what has arrived of a
    /// line is kept.
    async fn next(&mut self) -> io::Result<Next> {
        loop {
            let room = (REQUEST_MAX - self.partial.len()) as u64;
            let mut bounded = (&mut self.reader).take(room);
            let length = bounded.read_until(b'\n', &mut self.partial).await?;
            if self.partial.last() == Some(&b'\n') {
                return Ok(Next::Line(std::mem::take(&mut self.partial)));
            }
            if self.partial.len() >= REQUEST_MAX {
                return Ok(Next::TooLong);
            }
            if length == 0 {
                return Ok(Next::End);
            }
        }
    }
}
