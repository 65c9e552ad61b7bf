//! What managers say to each other: the core carries it and gives it no meaning.
//!
//! A manager speaks to those of all nodes, in messages of the managers' own types
//! ([`crate::wire::types`]). Each is a numbered message as any other: it goes over every medium, who
//! missed it asks for it, and it counts once. From a node that counts as dead nothing is passed on,
//! and a node says nothing before it is a member of the cluster and after it left, as Heartbeat 3.0.6
//! does: what its manager says too early waits, of each type the last one. Between a manager and what it says stand the fields that are the core's
//! ([`fields::is_of_the_core`]): no manager sets them, none is shown them, but in what is for one node the name of
//! that, and which client of a Heartbeat has said something. What is `ipfail`'s goes out as said by a client of that
//! name, to its like.

use alloc::borrow::Cow;
use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};

use shared::event::{Kind, NodeKind};
use shared::names::NodeName;
use shared::time::Now;

use crate::deadline::PeerIndex;
use crate::io::{Output, Said};
use crate::machine::{Core, Sort, Stage};
use crate::mutant::planted;
use crate::settings::MediumIndex;
use crate::wire::level::Level;
use crate::wire::limits::{SAID_BYTES_MAX, SAID_FIELDS_MAX};
use crate::wire::{Message, Value, fields, packet, types};

/// The client for which a manager speaks.
const IPFAIL: &str = "ipfail";

/// Why something a manager says does not go out, or is not passed on.
type Reason = Cow<'static, str>;

impl Core {
    /// Sends what this node's manager says, or tells why not.
    pub(crate) fn say(&mut self, said: Said, now: Now) {
        if matches!(self.own.stage, Stage::Leaving | Stage::Left) {
            return;
        }
        match self.to_say(&said) {
            Ok((message, to)) if self.own.stage == Stage::Member => self.send(message, to, now),
            Ok(_) => drop(self.unsaid.insert(said.message_type.clone(), said)),
            Err(reason) => self.report_unsaid(reason, now),
        }
    }

    /// Sends what was said too early.
    pub(crate) fn say_what_waits(&mut self, now: Now) {
        for said in core::mem::take(&mut self.unsaid).into_values() {
            self.say(said, now);
        }
    }

    fn to_say(&self, said: &Said) -> Result<(Message, Option<PeerIndex>), Reason> {
        if !types::is_of_managers(&said.message_type) {
            return Err("its type is none of the managers'".into());
        }
        if !fit(&said.fields) {
            return Err("it is too long".into());
        }
        let to = match types::is_directed(&said.message_type) {
            true => Some(self.reader(said)?),
            false => None,
        };
        let everyone_reads_own = self.everyone_has(Level::FEATURE_MANAGERS);
        let mut message = Message::new(&said.message_type);
        for (name, value) in &said.fields {
            let names_reader = to.is_some() && name == fields::DEST;
            if fields::is_of_the_core(name) && !names_reader {
                return Err("it sets a field that is not a manager's".into());
            }
            if everyone_reads_own || !name.starts_with(fields::OWN_PREFIX) {
                message.set_text(name, value);
            }
        }
        if types::is_of_ipfail(&said.message_type) {
            message
                .set_text(fields::FROM_PROGRAM, IPFAIL)
                .set_text(fields::TO_PROGRAM, IPFAIL)
                .set_text(fields::PROGRAM_LIFE, "0");
        }
        match packet::check(&message) {
            Ok(_) => Ok((message, to)),
            Err(unsendable) => Err(unsendable.to_string().into()),
        }
    }

    /// The one node that something is for.
    fn reader(&self, said: &Said) -> Result<PeerIndex, Reason> {
        let name = said.fields.get(fields::DEST);
        let name = name.and_then(|name| NodeName::new(name).ok());
        let index = name.and_then(|name| self.by_name.get(&name).copied());
        let is_other = |index: &PeerIndex| {
            *index != self.own.index && self.peer(*index).kind == NodeKind::Normal
        };
        index
            .filter(is_other)
            .ok_or_else(|| "it is for no other node".into())
    }

    fn report_unsaid(&mut self, reason: Reason, now: Now) {
        let sort = Sort::NotSaid(reason.clone());
        if let Some(unreported) = self.limiter.admit(sort, now.boot) {
            let reason = reason.into_owned();
            self.event(Kind::NotSaid { reason, unreported }, None, now);
        }
    }

    /// A message that was not known, of a type that is the managers'.
    pub(crate) fn hear_manager(
        &mut self,
        index: PeerIndex,
        medium: MediumIndex,
        message: &Message,
        now: Now,
    ) {
        let peer = self.peer(index);
        let alive = peer.status.is_alive() || planted!(self, SaidByTheDead);
        if !alive || peer.kind != NodeKind::Normal {
            return;
        }
        let said = match read(message) {
            Ok(said) => said,
            Err(reason) => return self.refuse_message(reason, message, medium, now),
        };
        let from = peer.name.clone();
        // Before it is passed on, so that no later core takes it for new.
        self.remember_peer(index);
        let number = message.sequence().unwrap_or_default();
        self.output(Output::Heard { from, number, said });
    }
}

/// What a manager is shown of a message.
fn read(message: &Message) -> Result<Said, &'static str> {
    let mut said = BTreeMap::new();
    for (name, value) in message.fields() {
        let Value::Text(value) = value else {
            continue;
        };
        let names_reader = name == fields::DEST && types::is_directed(message.message_type());
        let is_shown = names_reader || name == fields::FROM_PROGRAM;
        if fields::is_of_the_core(name) && !is_shown {
            continue;
        }
        let Ok(value) = core::str::from_utf8(value) else {
            return Err("a field of what its manager says is no UTF-8");
        };
        // Of two fields with one name the first counts.
        said.entry(name.to_string()).or_insert_with(|| value.into());
    }
    match fit(&said) {
        true => Ok(Said {
            message_type: message.message_type().into(),
            fields: said,
        }),
        false => Err("what its manager says is too long"),
    }
}

/// Whether fields stay within the limits of what managers say.
fn fit(fields: &BTreeMap<String, String>) -> bool {
    let bytes = fields.iter().map(|(name, value)| name.len() + value.len());
    fields.len() <= SAID_FIELDS_MAX && bytes.sum::<usize>() <= SAID_BYTES_MAX
}

#[cfg(test)]
mod tests;
