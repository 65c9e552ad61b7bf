//! The cluster of a seed: how many nodes, over which media, with which timing and keys.

use std::time::Duration;

use hbd_core::{KeySpec, MediumForm, MediumSettings, SLOW_BITS, Settings};
use shared::event::{ConfiguredNode, NodeKind};
use shared::names::{Generation, KeyIndex, MediumName, NodeName, Uuid};

use crate::sim::random::Random;
use crate::sim::{Machine, NodeIndex, Quality, Segment, SegmentIndex, World};

/// Time between two beats of every node.
pub const KEEPALIVE: Duration = Duration::from_secs(1);

const NAMES: [&str; 5] = ["alice", "bob", "carol", "dave", "erin"];
const MEDIA: [&str; 3] = ["eth0", "eth1", "eth2"];

/// What a seed made.
pub struct Cluster {
    /// The world, with nothing started.
    pub world: World,
    /// The longest `initdead`.
    pub initdead: Duration,
    /// The longest `deadtime`.
    pub deadtime: Duration,
    /// The longest up or down delay of links.
    pub link_delay: Duration,
    /// The key of all nodes.
    pub key: KeySpec,
    /// The ping node, where there is one.
    pub ping: Option<(NodeName, SegmentIndex)>,
}

/// A key that no other node has, under the index that all sign with.
#[must_use]
pub fn wrong_key() -> KeySpec {
    KeySpec {
        index: KeyIndex(1),
        method: "sha1".into(),
        secret: "nobody else has this".into(),
    }
}

impl Cluster {
    /// The cluster of `seed`, with that many nodes or as many as the seed wants (2 to 5).
    #[must_use]
    pub fn of(seed: u64, nodes: Option<usize>) -> Self {
        let mut random = Random::new(seed);
        let drawn = usize::try_from(random.between(2, 5)).unwrap_or(2);
        let count = nodes.unwrap_or(drawn).clamp(2, NAMES.len());
        let mut world = World::new(random.number());
        world.lateness_max = Duration::from_millis(*random.pick(&[0, 1, 5, 50]));
        let common = common(&mut random);
        let all: Vec<NodeIndex> = (0..count).map(NodeIndex).collect();
        segments(&mut world, &all, &mut random);
        let ping = random.below(4) == 0;
        let host = NodeName::new("gateway").expect("a name");
        let ping = ping.then(|| {
            let form = MediumForm::Ping(host.clone());
            let name = MediumName::new("gateway").expect("a name");
            let quality = Quality::default();
            let segment = Segment::new(name, form, &all, &quality);
            (host, world.add_segment(segment))
        });
        let mut cluster = Self {
            initdead: common.initdead,
            deadtime: common.deadtime,
            key: common.keys[0].clone(),
            link_delay: common.link_up_delay.max(common.link_down_delay),
            world,
            ping,
        };
        for place in 0..count {
            cluster.add_machine(place, count, &common, &mut random);
        }
        cluster
    }

    /// The segments between nodes, which come before that of the ping node.
    pub fn segments_between(&self) -> impl Iterator<Item = SegmentIndex> {
        let pings = usize::from(self.ping.is_some());
        (0..self.world.segments().len() - pings).map(SegmentIndex)
    }

    /// The bits per second of the line, where nodes have nothing between them but a slow one.
    #[must_use]
    pub fn slow_rate(&self) -> Option<u64> {
        let rate = |segment: SegmentIndex| self.world.segments()[segment.0].baud;
        let mut rates = self.segments_between().map(rate);
        let first = rates.next().flatten().filter(|bits| *bits < SLOW_BITS);
        first.filter(|_| rates.next().is_none())
    }

    fn add_machine(&mut self, place: usize, count: usize, common: &Settings, random: &mut Random) {
        let mut settings = common.clone();
        settings.node = name(place);
        settings.uuid = uuid(random);
        if random.below(5) == 0 {
            settings.deadtime = common.deadtime * 2;
            settings.initdead = common.initdead.max(settings.deadtime * 2);
            self.deadtime = self.deadtime.max(settings.deadtime);
            self.initdead = self.initdead.max(settings.initdead);
        }
        settings.nodes = (0..count)
            .map(|place| ConfiguredNode {
                name: name(place),
                kind: NodeKind::Normal,
            })
            .collect();
        settings
            .nodes
            .extend(self.ping.iter().map(|(host, _)| ConfiguredNode {
                name: host.clone(),
                kind: NodeKind::Ping,
            }));
        let segments = self.world.segments();
        settings.media = segments
            .iter()
            .map(|segment| MediumSettings {
                name: segment.name.clone(),
                description: segment.name.to_string(),
                form: segment.form.clone(),
                rate: segment.baud,
            })
            .collect();
        let media = (0..segments.len()).map(SegmentIndex).collect();
        let mut machine = Machine::new(settings, Generation(random.between(0, 2000)));
        machine.booted = -i64::try_from(random.below(1 << 50)).unwrap_or(0);
        self.world.add_machine(machine, media);
    }
}

/// Settings that all nodes share.
fn common(random: &mut Random) -> Settings {
    let deadtime = Duration::from_secs(random.between(4, 10));
    let delay = |random: &mut Random| Duration::from_secs(*random.pick(&[0, 0, 1, 3]));
    let method = *random.pick(&["crc", "crc", "crc", "md5", "sha1", "sha256"]);
    Settings {
        version: "0".into(),
        node: name(0),
        uuid: Uuid([0; 16]),
        nodes: Vec::new(),
        media: Vec::new(),
        keepalive: KEEPALIVE,
        warntime: deadtime / 2,
        deadtime,
        initdead: deadtime * u32::try_from(random.between(2, 4)).unwrap_or(2),
        deadping: deadtime,
        link_up_delay: delay(random),
        link_down_delay: delay(random),
        max_rexmit_delay: Duration::from_millis(250),
        unauth_hold: deadtime * 3,
        hopfudge: 1,
        files: [("ha.cf".to_string(), "0".to_string())].into(),
        active_key: KeyIndex(1),
        keys: vec![KeySpec {
            index: KeyIndex(1),
            method: method.into(),
            secret: if method == "crc" {
                "".into()
            } else {
                "secret".into()
            },
        }],
    }
}

fn segments(world: &mut World, all: &[NodeIndex], random: &mut Random) {
    let serial = all.len() == 2 && random.below(2) == 0;
    let alone = serial && random.below(2) == 0;
    let count = usize::try_from(random.between(1, 3)).unwrap_or(1);
    for name in MEDIA[..count].iter().filter(|_| !alone) {
        let quality = Quality {
            latency: random.span(Duration::ZERO, Duration::from_millis(20)),
            jitter: random.span(Duration::ZERO, Duration::from_millis(30)),
            ..Quality::default()
        };
        let name = MediumName::new(name).expect("a name");
        let mut segment = Segment::new(name, MediumForm::Datagram, all, &quality);
        segment.echo = random.below(3) == 0;
        world.add_segment(segment);
    }
    if serial {
        let name = MediumName::new("ttyS0").expect("a name");
        let baud = *random.pick(&[9_600, 19_200, 19_200, 115_200]);
        world.add_segment(Segment::serial(name, baud, all, &Quality::default()));
    }
}

fn name(place: usize) -> NodeName {
    NodeName::new(NAMES[place]).expect("a name")
}

/// An identity that nobody else has.
#[must_use]
pub fn uuid(random: &mut Random) -> Uuid {
    let (high, low) = (random.number(), random.number());
    Uuid((u128::from(high) << 64 | u128::from(low)).to_be_bytes())
}
