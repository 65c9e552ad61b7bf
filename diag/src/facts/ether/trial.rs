//! Asking the neighbours on one interface: who has an address, does it answer pings, and of which size.
//!
//! All are asked at once and three times, and then listened to until the second is over, since the one who answers
//! second is the one that matters. What comes otherwise is heard, too: it tells what is on the other end of the cable
//! where nobody answers.

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use hbd_agents::builtin::ip::Inquiry;
use hbd_agents::network::{HardwareAddress, Link};
use hbd_agents::packets::Packets;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::echo::Pinger;
use super::errno;

mod heard;

use heard::Heard;
pub use heard::Source;

/// When is asked, since the beginning.
const ROUNDS: [Duration; 3] = [
    Duration::ZERO,
    Duration::from_millis(300),
    Duration::from_millis(600),
];
/// Whoever has not answered by then does not answer.
const LIMIT: Duration = Duration::from_secs(1);
/// What is left for the end.
const RESERVE: Duration = Duration::from_millis(200);

/// What a ping has by default, heads included.
pub const SMALL: u32 = 84;
/// Sizes of packets that some part of a way may be the limit of: the least of IPv4 and of IPv6, tunnels, Ethernet,
/// jumbo frames. The interface's own comes last.
const SIZES: [u32; 6] = [576, 1280, 1400, 1500, 4000, 9000];

/// Whom to ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Question {
    /// The address.
    pub address: IpAddr,
    /// Why.
    pub reason: Reason,
}

/// Why an address is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// It is the interface's own, which nobody else may have.
    Own,
    /// Its machine is to be there.
    Wanted,
    /// The kernel knows it from former times.
    Known,
    /// Just who has it, and no more.
    Claimed,
}

/// What became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trial {
    /// It was not its turn yet.
    NotYet,
    /// There was not enough time left.
    NoTime,
    /// The kernel does not let it.
    Refused(Errno),
    /// All were asked.
    Done(Tried),
}

/// What was heard.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tried {
    /// Of each that was asked.
    pub asked: Vec<Asked>,
    /// Who else sent frames.
    pub sources: Vec<Source>,
    /// Frames that came.
    pub frames: u64,
    /// Frames among them that bear the interface's own hardware address.
    pub own_frames: u64,
}

/// What was heard of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Its address.
    pub address: IpAddr,
    /// Why it was asked for.
    pub reason: Reason,
    /// Who says that he has it, and how often.
    pub answers: BTreeMap<HardwareAddress, u32>,
    /// Pings, by size: small ones first.
    pub pings: Vec<Pings>,
    /// Why a ping was not sent.
    pub unsent: Option<Errno>,
}

/// Pings of one size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pings {
    /// In bytes, heads included.
    pub size: u32,
    /// So many.
    pub sent: u32,
    /// So many were answered.
    pub answered: u32,
}

/// Asks, which takes a second.
#[must_use]
pub fn run(link: &Link, mtu: u32, questions: &[Question], deadline: Instant) -> Trial {
    if deadline.saturating_duration_since(Instant::now()) < LIMIT + RESERVE {
        return Trial::NoTime;
    }
    let tried = Line::open(link, mtu, questions).and_then(Line::ask_all);
    tried.map_or_else(|error| Trial::Refused(errno(&error)), Trial::Done)
}

/// The sockets, and what they heard.
struct Line {
    heard: Heard,
    everything: Packets,
    inquiries: Vec<Inquiry>,
    /// One of each family of which somebody is pinged.
    pingers: Vec<Pinger>,
    asked: Vec<Asked>,
}

impl Line {
    fn open(link: &Link, mtu: u32, questions: &[Question]) -> io::Result<Self> {
        let own = link.neighbour_address().ok_or(Errno::EOPNOTSUPP)?;
        let begin = |question: &Question| Inquiry::begin(link.index, own, question.address);
        let inquiries: io::Result<Vec<_>> = questions.iter().map(begin).collect();
        let mut line = Self {
            heard: Heard::of(own),
            everything: Packets::of_every_kind(link.index)?,
            inquiries: inquiries?,
            pingers: Vec::new(),
            asked: questions
                .iter()
                .map(|question| asked(*question, mtu))
                .collect(),
        };
        for is_v4 in [true, false] {
            let pinged = |question: &&Question| {
                question.reason == Reason::Wanted && question.address.is_ipv4() == is_v4
            };
            if let Some(question) = questions.iter().find(pinged) {
                let pinger = Pinger::open(link.index, &link.name, question.address)?;
                line.pingers.push(pinger);
            }
        }
        Ok(line)
    }

    fn ask_all(mut self) -> io::Result<Tried> {
        let begin = Instant::now();
        for end in ROUNDS.into_iter().skip(1).chain([LIMIT]) {
            self.ask();
            self.listen(begin + end)?;
        }
        Ok(self.heard.tried(self.asked))
    }

    /// An interface that goes down meanwhile sends nothing, and hears nobody.
    fn ask(&mut self) {
        for inquiry in &self.inquiries {
            let _ = inquiry.ask();
        }
        for asked in &mut self.asked {
            let like = |pinger: &&mut Pinger| pinger.is_v4() == asked.address.is_ipv4();
            if let Some(pinger) = self.pingers.iter_mut().find(like) {
                ping(pinger, asked);
            }
        }
    }

    fn listen(&mut self, until: Instant) -> io::Result<()> {
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            self.wait(left)?;
            self.take();
        }
    }

    fn wait(&self, time: Duration) -> io::Result<()> {
        let readable = |fd| PollFd::new(fd, PollFlags::POLLIN);
        let mut all = vec![readable(self.everything.as_fd())];
        all.extend(
            self.inquiries
                .iter()
                .map(|inquiry| readable(inquiry.as_fd())),
        );
        all.extend(self.pingers.iter().map(|pinger| readable(pinger.as_fd())));
        // Rounded up, or the last millisecond would be waited for in a circle.
        let time = PollTimeout::try_from(time + Duration::from_millis(1));
        match poll(&mut all, time.unwrap_or(PollTimeout::ZERO)) {
            Ok(_) | Err(Errno::EINTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn take(&mut self) {
        self.heard.take(&self.everything);
        for (inquiry, asked) in self.inquiries.iter().zip(&mut self.asked) {
            for claimant in inquiry.claimants() {
                *asked.answers.entry(claimant).or_default() += 1;
            }
        }
        for pinger in &mut self.pingers {
            for (address, size) in pinger.answers() {
                answered(&mut self.asked, address, size);
            }
        }
    }
}

fn asked(question: Question, mtu: u32) -> Asked {
    let sizes = match question.reason {
        Reason::Wanted => sizes(mtu),
        Reason::Own | Reason::Known | Reason::Claimed => Vec::new(),
    };
    let pings = sizes.into_iter().map(|size| Pings {
        size,
        ..Pings::default()
    });
    Asked {
        address: question.address,
        reason: question.reason,
        answers: BTreeMap::new(),
        pings: pings.collect(),
        unsent: None,
    }
}

/// Small ones first, the interface's own last.
fn sizes(mtu: u32) -> Vec<u32> {
    let larger = SIZES.into_iter().filter(|size| *size < mtu).chain([mtu]);
    let larger = larger.filter(|size| *size > SMALL);
    [SMALL].into_iter().chain(larger).collect()
}

/// Small ones each time; of the others, those that were not answered yet.
fn ping(pinger: &mut Pinger, asked: &mut Asked) {
    for pings in &mut asked.pings {
        if pings.size != SMALL && pings.answered > 0 {
            continue;
        }
        pings.sent += 1;
        if let Err(error) = pinger.send(asked.address, pings.size) {
            asked.unsent = Some(errno(&error));
        }
    }
}

fn answered(asked: &mut [Asked], address: IpAddr, size: u32) {
    let of_address = asked.iter_mut().filter(|asked| asked.address == address);
    let pings = of_address.flat_map(|asked| &mut asked.pings);
    for pings in pings.filter(|pings| pings.size == size) {
        pings.answered += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pings_end_with_the_longest_packet_of_the_interface() {
        assert_eq!(sizes(1500), [84, 576, 1280, 1400, 1500]);
        assert_eq!(sizes(1492), [84, 576, 1280, 1400, 1492]);
        assert_eq!(sizes(68), [84]);
    }

    #[test]
    fn an_answer_counts_for_the_size_and_the_address_it_is_of() {
        let wanted = |address: &str| Question {
            address: address.parse().unwrap(),
            reason: Reason::Wanted,
        };
        let questions = [wanted("10.0.0.1"), wanted("10.0.0.2")];
        let mut all: Vec<Asked> = questions
            .iter()
            .map(|question| asked(*question, 576))
            .collect();
        answered(&mut all, questions[1].address, 576);
        let counts = |asked: &Asked| asked.pings.iter().map(|pings| pings.answered).collect();
        let counts: Vec<Vec<u32>> = all.iter().map(counts).collect();
        assert_eq!(counts, [[0, 0], [0, 1]]);
    }

    #[test]
    fn who_is_merely_known_is_not_pinged() {
        let question = Question {
            address: "10.0.0.1".parse().unwrap(),
            reason: Reason::Known,
        };
        assert!(asked(question, 1500).pings.is_empty());
    }
}
