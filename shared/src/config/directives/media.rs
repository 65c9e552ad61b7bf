//! What beats go out on.

use super::{Chapter, Directive, Effect, Grammar, Owner, Reload, Repeat, Scope};
use crate::config::diagnostic::Code;
use crate::config::lex::Word;
use crate::config::media;
use crate::config::reader::Reader;

const NO_PLUGIN: Effect =
    Effect::Refused("Debian's Heartbeat 3.0.6 has no such medium, and hbd has none");

pub(super) const CHAPTER: Chapter = Chapter {
    title: "Media",
    directives: &[
        Directive {
            word: "udpport",
            owner: Owner::Heartbeat,
            syntax: "PORT",
            example: "udpport 694",
            default: "694",
            bounds: "1 to 65535",
            repeat: Repeat::LastCounts,
            effect: Effect::Full,
            reload: Reload::AllNodes(
                "nodes with different ports do not hear each other: change the line on every node, then reload all of them within deadtime (hactl reload --force where no other medium leads to a living peer)",
            ),
            scope: Scope::Cluster,
            short: "UDP port of bcast, ucast and ucast6",
            long: "Stands above the media: the first `bcast` line fixes the port of all `bcast` media, the first `ucast` line that of all `ucast` media, \
                   and so for `ucast6`. A later line changes nothing for them. The port of `mcast` and `mcast6` stands in their own lines. \
                   Must be the same on all nodes, and another one for each cluster on the same network.",
            grammar: Grammar::Words(media::udpport),
        },
        Directive {
            word: "bcast",
            owner: Owner::Heartbeat,
            syntax: "DEVICE ...",
            example: "bcast eth0 eth1",
            default: "",
            bounds: "",
            repeat: Repeat::Adds,
            effect: Effect::Full,
            reload: Reload::QuickRestart,
            scope: Scope::Node,
            short: "beats by IPv4 broadcast on these interfaces",
            long: "The simplest medium, for a network of the cluster's own: everybody on it hears every beat. \
                   The interface needs an IPv4 address with a broadcast address. Where other machines share the network, take `mcast` or `ucast`.",
            grammar: Grammar::Words(media::bcast),
        },
        Directive {
            word: "mcast",
            owner: Owner::Heartbeat,
            syntax: "DEVICE GROUP PORT TTL LOOP",
            example: "mcast eth0 239.0.0.42 694 1 0",
            default: "",
            bounds: "GROUP 224.0.0.0 to 239.255.255.255, PORT 1 to 65535, TTL 0 to 4, LOOP 0 or 1",
            repeat: Repeat::Adds,
            effect: Effect::Full,
            reload: Reload::QuickRestart,
            scope: Scope::Node,
            short: "beats by IPv4 multicast",
            long: "TTL is the number of networks a beat may cross: 1 stays on the wire. \
                   LOOP 1 lets this machine hear itself, which several nodes on one machine need; else 0. \
                   Groups in 239.0.0.0/8 are free for use inside a site. Switches that snoop IGMP without a querier forget the group after minutes: then `ucast` is the better choice.",
            grammar: Grammar::Line(media::mcast),
        },
        Directive {
            word: "mcast6",
            owner: Owner::Heartbeat,
            syntax: "DEVICE GROUP PORT TTL LOOP",
            example: "mcast6 eth0 ff12::2a 694 1 0",
            default: "",
            bounds: "GROUP in ff00::/8, PORT 1 to 65535, TTL 0 to 255, LOOP 0 or 1",
            repeat: Repeat::Adds,
            effect: Effect::Full,
            reload: Reload::QuickRestart,
            scope: Scope::Node,
            short: "beats by IPv6 multicast",
            long: "As `mcast`. Groups in ff02::/16 stay on the wire whatever TTL says.",
            grammar: Grammar::Line(media::mcast6),
        },
        Directive {
            word: "ucast",
            owner: Owner::Heartbeat,
            syntax: "DEVICE HOST",
            example: "ucast eth0 192.168.1.2",
            default: "",
            bounds: "",
            repeat: Repeat::Adds,
            effect: Effect::Full,
            reload: Reload::QuickRestart,
            scope: Scope::Node,
            short: "beats by IPv4 unicast to one host",
            long: "One line per peer and interface; all lines of an interface form one medium. A line that names the own host is allowed, so that all nodes can share the file. \
                   HOST is an address, or a name that is resolved once at start: addresses do not depend on a name server.",
            grammar: Grammar::Line(media::ucast),
        },
        Directive {
            word: "ucast6",
            owner: Owner::Heartbeat,
            syntax: "DEVICE ADDRESS",
            example: "ucast6 eth0 fe80::2%eth0",
            default: "",
            bounds: "",
            repeat: Repeat::Adds,
            effect: Effect::Full,
            reload: Reload::QuickRestart,
            scope: Scope::Node,
            short: "beats by IPv6 unicast to one host",
            long: "As `ucast`. A link-local address belongs to DEVICE; what stands behind its percent sign, if anything, must be that device, too.",
            grammar: Grammar::Line(media::ucast6),
        },
        Directive {
            word: "listen",
            owner: Owner::Hbd,
            syntax: "ADDRESS",
            example: "listen 192.168.1.1",
            default: "all addresses",
            bounds: "one IPv4 and one IPv6 address",
            repeat: Repeat::Adds,
            effect: Effect::Full,
            reload: Reload::QuickRestart,
            scope: Scope::Node,
            short: "address on which unicast media receive",
            long: "Applies to every `ucast` medium (an IPv4 address) or every `ucast6` medium (an IPv6 address), wherever they stand. \
                   Several nodes on one machine need it, each with an address of its own.",
            grammar: Grammar::Words(media::listen),
        },
        Directive {
            word: "ether",
            owner: Owner::Hbd,
            syntax: "DEVICE [ETHERTYPE [GROUP]]",
            example: "ether eth1",
            default: "0x88b5, 03:00:68:62:64:01",
            bounds: "ETHERTYPE 0x0600 to 0xffff and nobody else's, GROUP a group address or ff:ff:ff:ff:ff:ff",
            repeat: Repeat::Adds,
            effect: Effect::Full,
            reload: Reload::QuickRestart,
            scope: Scope::Node,
            short: "beats in Ethernet frames of their own",
            long: "Needs no IP address and no route, and passes filters of IP: what breaks those leaves this path whole. Stays within one network segment: no router passes it on. \
                   hbd needs the right to open packet sockets (root, or CAP_NET_RAW). ETHERTYPE and GROUP must be the same on all nodes, and others for each cluster on the same segment. \
                   Messages that are longer than the MTU are sent in pieces.",
            grammar: Grammar::Line(media::ether),
        },
        Directive {
            word: "hopfudge",
            owner: Owner::Heartbeat,
            syntax: "NUMBER",
            example: "hopfudge 1",
            default: "1",
            bounds: "0 to 255",
            repeat: Repeat::LastCounts,
            effect: Effect::Full,
            reload: Reload::QuickRestart,
            scope: Scope::Node,
            short: "added to the number of nodes for the ttl field",
            long: "Was meant for rings of serial lines. Messages carry the sum and nothing reads it; keep the default.",
            grammar: Grammar::Words(|reader, word| {
                reader.draft.hopfudge = reader.byte(word, 0, u8::MAX);
            }),
        },
        Directive {
            word: "baud",
            owner: Owner::Heartbeat,
            syntax: "RATE",
            example: "baud 19200",
            default: "19200",
            bounds: "9600, 19200, 38400, 57600, 115200, 230400 or 460800",
            repeat: Repeat::Once,
            effect: Effect::Full,
            reload: Reload::AllNodes(
                "both ends must have the same speed: change the line on both nodes, then reload both within deadtime",
            ),
            scope: Scope::Cluster,
            short: "speed of serial lines",
            long: "Stands above the `serial` lines. Must be the same at both ends. A beat takes about 300 bytes, and a byte ten bits: \
                   at 19200 baud 160 ms.",
            grammar: Grammar::Words(media::baud),
        },
        Directive {
            word: "serial",
            owner: Owner::Heartbeat,
            syntax: "DEVICE ...",
            example: "serial /dev/ttyS0",
            default: "",
            bounds: "absolute paths",
            repeat: Repeat::Adds,
            effect: Effect::Full,
            reload: Reload::QuickRestart,
            scope: Scope::Node,
            short: "beats over serial lines",
            long: "A null modem cable between two nodes is a path that shares nothing with the network. A line leads to one other \
                   node. 8 bits, no parity, one stop bit, hardware flow control (RTS and CTS). A beat waits for the packet that is \
                   under way: one of 60,000 bytes takes half a minute at 19200 baud. No getty and no console may use the port. \
                   The medium is named by what follows the directory of devices in its path.",
            grammar: Grammar::Words(media::serial),
        },
        Directive {
            word: "ping",
            owner: Owner::Heartbeat,
            syntax: "HOST ...",
            example: "ping 192.168.1.254",
            default: "",
            bounds: "",
            repeat: Repeat::Adds,
            effect: Effect::Full,
            reload: Reload::QuickRestart,
            scope: Scope::Node,
            short: "hosts that are pinged as nodes without a vote",
            long: "Each host is a ping node, named as it stands here: it is asked with each beat, its status is ping while it answers, and dead after `deadping`. \
                   Take what always runs and is near, such as a router or a switch. It shows where a network is cut; with ipfail (`respawn`) groups go to the node that reaches more of them. \
                   A start waits for it as for a node: up to `initdead` where it does not answer. \
                   HOST is an IPv4 address, or a name that is resolved once at start: addresses do not depend on a name server. \
                   hbd needs the right to open raw sockets (root, or CAP_NET_RAW), or a group in the range of net.ipv4.ping_group_range. \
                   A host that is pinged leads to no node: a medium of another kind is needed, too.",
            grammar: Grammar::Words(media::ping),
        },
        Directive {
            word: "ping_group",
            owner: Owner::Heartbeat,
            syntax: "NAME HOST ...",
            example: "ping_group routers 192.168.1.253 192.168.1.254",
            default: "",
            bounds: "1 to 32 hosts",
            repeat: Repeat::Adds,
            effect: Effect::Full,
            reload: Reload::QuickRestart,
            scope: Scope::Node,
            short: "hosts that count as one ping node",
            long: "As `ping`, but all hosts are one ping node of that name. Its status is ping while any of them answers.",
            grammar: Grammar::Line(media::ping_group),
        },
        Directive {
            word: "ping6",
            owner: Owner::Heartbeat,
            syntax: "HOST ...",
            example: "ping6 fe80::1%eth0",
            default: "",
            bounds: "",
            repeat: Repeat::Adds,
            effect: Effect::Full,
            reload: Reload::QuickRestart,
            scope: Scope::Node,
            short: "as ping, over IPv6",
            long: "As `ping`. \
                   HOST is an IPv6 address, and no name. Behind one that is link-local stands its interface, as in fe80::1%eth0, which Heartbeat 3.0.6 does not understand: \
                   beside one ping another address.",
            grammar: Grammar::Words(media::ping6),
        },
        Directive {
            word: "udp",
            owner: Owner::Heartbeat,
            syntax: "DEVICE ...",
            example: "udp eth0",
            default: "",
            bounds: "",
            repeat: Repeat::Adds,
            effect: Effect::Depends("a warning asks for the name that is used today"),
            reload: Reload::QuickRestart,
            scope: Scope::Node,
            short: "very old name of bcast",
            long: "Write `bcast`.",
            grammar: Grammar::Words(udp),
        },
        foreign_medium("hbaping", "NAME ...", "hosts on a fibre channel"),
        foreign_medium("openais", "NAME ...", "beats over openais"),
        foreign_medium("tipc", "NAME ...", "beats over TIPC"),
        foreign_medium("rds", "NAME ...", "beats over RDS"),
    ],
};

const fn foreign_medium(
    word: &'static str,
    syntax: &'static str,
    short: &'static str,
) -> Directive {
    Directive {
        word,
        owner: Owner::Heartbeat,
        syntax,
        example: "",
        default: "",
        bounds: "",
        repeat: Repeat::Adds,
        effect: NO_PLUGIN,
        reload: Reload::QuickRestart,
        scope: Scope::Node,
        short,
        long: "A medium of Heartbeat that Debian's package does not contain.",
        grammar: Grammar::Words(|reader, _| reader.draft.media.broken = true),
    }
}

fn udp(reader: &mut Reader<'_, '_>, word: &Word<'_>) {
    reader
        .report
        .at(Code::OldName, reader.at, "`udp` is an old name of `bcast`")
        .replacement("bcast");
    media::bcast(reader, word);
}
