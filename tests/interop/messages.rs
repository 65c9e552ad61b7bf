//! Messages between clients while a real Heartbeat lives in the cluster: refused with the reason, and nothing of them
//! goes on the wire.

use std::io::ErrorKind;
use std::net::UdpSocket;
use std::process::Output;

use hbd_core::wire::{KeyRing, Method, decode_packet, fields, types};
use hbd_tests::error::{self, Error, unexpected};
use hbd_tests::namespaces::{Namespace, Switch};
use hbd_tests::wait;
use shared::event::NodeStatus;
use shared::exit::Exit;
use shared::names::KeyIndex;

use crate::company::{ALICE, BOOT, Company, DEADTIME, hactl, nothing_of};

/// The nodes that run hbd.
const BOB: &str = "bob";
const CAROL: &str = "carol";
/// That of [`LINK`](crate::company::LINK).
const KEY: (u8, &[u8]) = (1, b"interop-key");
const PORT: u16 = 694;
/// Beats of each node that are heard after what was tried, so that nothing of it is still on its way.
const BEATS: usize = 4;

/// To the Heartbeat and to a node of hbd; then the Heartbeat leaves, and nothing bars them any more.
pub(crate) fn refused_while_a_heartbeat_lives() -> Result<(), Error> {
    let company = Company::running(&[BOB, CAROL])?;
    let ear = Ear::on(&company.switch)?;
    let log = company.alice.log()?.len();
    ear.forget()?;
    for to in [ALICE, CAROL] {
        let sent = send(&company, to)?;
        let said = String::from_utf8_lossy(&sent.stderr);
        let reason = format!("node {ALICE} lives and does not know sessions: it runs Heartbeat");
        if sent.status.code() != Some(Exit::Refused as i32) || !said.contains(&reason) {
            return unexpected(format!("a message to {to}: {sent:?}"));
        }
    }
    let heard = ear.beats()?;
    if let Some(strange) = heard.iter().find(|heard| heard.is_ours()) {
        return unexpected(format!("it went on the wire beside {ALICE}: {strange:?}"));
    }
    nothing_of(&company.alice, log, &[BOB, CAROL])?;
    company.alice.stop(BOOT)?;
    company.daemons[0].wait_status(ALICE, NodeStatus::Dead, BOOT)?;
    ear.forget()?;
    let sent = send(&company, CAROL)?;
    let said = String::from_utf8_lossy(&sent.stderr);
    if sent.status.code() != Some(Exit::NotFound as i32) || !said.contains("nobody listens there") {
        return unexpected(format!("a message to {CAROL} without {ALICE}: {sent:?}"));
    }
    let heard = ear.beats()?;
    match heard.iter().any(|heard| heard.kind == types::SESSION) {
        true => Ok(()),
        false => unexpected(format!("nothing of the session is heard: {heard:?}")),
    }
}

/// A message from bob.
fn send(company: &Company, to: &str) -> Result<Output, Error> {
    hactl(&company.daemons[0], &["message", "send", to, "jobs", "x"])
}

/// A machine on the switch that hears every broadcast and says nothing.
struct Ear {
    socket: UdpSocket,
    keys: KeyRing,
    _network: Namespace,
}

/// A message that was heard.
#[derive(Debug)]
struct Heard {
    from: String,
    kind: String,
    /// It has fields that only hbd reads.
    marked: bool,
}

impl Heard {
    /// Sent to hbd alone: a Heartbeat that hears it would make nothing of it, or the wrong thing.
    fn is_ours(&self) -> bool {
        self.marked || self.kind == types::SESSION
    }
}

impl Ear {
    fn on(switch: &Switch) -> Result<Self, Error> {
        let network = Namespace::new()?;
        switch.plug(&network, "eth0", &["10.9.0.9/24"])?;
        let (index, secret) = KEY;
        let key = (KeyIndex(index), Method::Sha1, secret.to_vec());
        let keys = KeyRing::new(KeyIndex(index), [key]);
        Ok(Self {
            socket: network.udp_socket(PORT)?,
            keys: keys.map_err(|error| Error::Unexpected(error.to_string()))?,
            _network: network,
        })
    }

    /// Forgets what came so far.
    fn forget(&self) -> Result<(), Error> {
        while self.next()?.is_some() {}
        Ok(())
    }

    /// Listens until two nodes have beaten some times; all that was heard until then.
    fn beats(&self) -> Result<Vec<Heard>, Error> {
        let mut all: Vec<Heard> = Vec::new();
        wait::until_true(DEADTIME * 2, "beats are heard", || {
            while let Some(heard) = self.next()? {
                all.push(heard);
            }
            let enough = |node: &&str| {
                let beats = all.iter().filter(|heard| heard.from == **node);
                beats.filter(|heard| heard.kind == types::STATUS).count() >= BEATS
            };
            Ok([BOB, CAROL].iter().all(enough))
        })?;
        Ok(all)
    }

    fn next(&self) -> Result<Option<Heard>, Error> {
        let mut packet = [0; 65536];
        let length = match self.socket.recv(&mut packet) {
            Ok(length) => length,
            Err(reason) if reason.kind() == ErrorKind::WouldBlock => return Ok(None),
            Err(reason) => return error::file("listen", Err(reason)),
        };
        let decoded = decode_packet(&packet[..length], &self.keys);
        let message = match decoded {
            Ok(decoded) => decoded.message,
            Err(refused) => return unexpected(format!("a packet is refused: {refused:?}")),
        };
        let marks = [fields::HEARD, fields::DECLARED, fields::CONFIG];
        Ok(Some(Heard {
            from: message.src().unwrap_or_default().to_owned(),
            kind: message.message_type().to_owned(),
            marked: marks.iter().any(|mark| message.text(mark).is_some()),
        }))
    }
}
