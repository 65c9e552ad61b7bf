//! Reads the text of a scenario.
//!
//! A word is anything between blanks; quotes keep blanks together (`info="seqno too low"`). What
//! cannot be read is refused with its file and line, and with what could stand there.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use hbd_core::{KeySpec, Said};
use shared::names::{ClientName, Generation, KeyIndex, NodeName};
use shared::session::Class;

use super::order::{
    Change, Changes, Client, Letter, Line, Link, Order, Paths, Setting, Shown, Speech, Start, Until,
};
use crate::sim::Chance;

/// The line that ends the orders.
pub const DASHES: &str = "----";

/// A scenario in two halves.
#[derive(Clone, Debug)]
pub struct Script {
    /// The orders and comments as they stand, up to and without the dashes.
    pub text: String,
    /// The orders.
    pub lines: Vec<Line>,
    /// What stands below the dashes.
    pub expected: String,
}

/// Why a scenario cannot be read or played.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScenarioError {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong, and what to do.
    pub text: String,
}

impl fmt::Display for ScenarioError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.text)
    }
}

impl std::error::Error for ScenarioError {}

/// Reads a scenario.
///
/// # Errors
/// The first line that cannot be read.
pub fn parse(text: &str) -> Result<Script, ScenarioError> {
    let (orders, expected) = halves(text);
    if !orders.starts_with('#') {
        return Err(ScenarioError {
            line: 1,
            text: "say the point first, in a comment that begins with `# `".into(),
        });
    }
    let mut lines = Vec::new();
    for (place, line) in orders.lines().enumerate() {
        let number = place + 1;
        let at = |text| ScenarioError { line: number, text };
        let words = words(line).map_err(at)?;
        if let Some((verb, rest)) = words.split_first() {
            let order = order(verb, rest).map_err(at)?;
            lines.push(Line { number, order });
        }
    }
    Ok(Script {
        text: orders.to_owned(),
        lines,
        expected: expected.to_owned(),
    })
}

fn halves(text: &str) -> (&str, &str) {
    let dashes = format!("\n{DASHES}\n");
    match text.split_once(&dashes) {
        Some((orders, expected)) => (orders, expected),
        None => (text.trim_end(), ""),
    }
}

/// The words of a line up to a comment.
fn words(line: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quoted = false;
    for c in line.chars() {
        match c {
            '"' => {
                quoted = !quoted;
                word.get_or_insert_default();
            }
            '#' if !quoted && word.is_none() => break,
            c if c.is_whitespace() && !quoted => words.extend(word.take()),
            c => word.get_or_insert_default().push(c),
        }
    }
    if quoted {
        return Err("a quote is not closed; add the second `\"`".into());
    }
    words.extend(word);
    Ok(words)
}

/// Each verb, how it is written, and what reads it.
type Verb = (
    &'static str,
    &'static str,
    fn(&[String]) -> Result<Order, String>,
);

const VERBS: &[Verb] = &[
    ("nodes", "nodes NAME...", |w| Ok(Order::Nodes(names(w)?))),
    ("puppet", "puppet NAME [generation=N]", |w| {
        speaker(w).map(|(name, generation)| Order::Puppet(name, generation))
    }),
    ("stranger", "stranger NAME [generation=N]", |w| {
        speaker(w).map(|(name, generation)| Order::Stranger(name, generation))
    }),
    ("ping", "ping NAME NODE...", |w| {
        let (host, nodes) = first(w)?;
        Ok(Order::Ping(name(host)?, names(nodes)?))
    }),
    (
        "link",
        "link NAME NODE... [latency=SPAN] [jitter=SPAN] [loss=N%] [duplicate=N%] [corrupt=N%] [baud=N] [echo]",
        link,
    ),
    ("set", "set [NODE] SETTING=SPAN...", set),
    ("reload", "reload [NODE]", |w| {
        Ok(Order::Reload(w.first().map(|word| name(word)).transpose()?))
    }),
    ("keys", "keys [NODE] active=N N:METHOD:SECRET...", keys),
    ("strike", "strike NODE FROM...", |w| {
        let (node, from) = first(w)?;
        Ok(Order::Strike(name(node)?, names(from)?))
    }),
    ("enter", "enter NODE IN...", |w| {
        let (node, nodes) = first(w)?;
        Ok(Order::Enter(name(node)?, names(nodes)?))
    }),
    ("boot", "boot", |w| nothing(w, Order::Boot)),
    (
        "start",
        "start NODE... [without-disk] [after-reboot]",
        start,
    ),
    ("kill", "kill NODE...", |w| Ok(Order::Kill(names(w)?))),
    (
        "restart-core",
        "restart-core NODE [after=SPAN]",
        restart_core,
    ),
    ("freeze", "freeze NODE [SPAN]", |w| {
        let (node, rest) = first(w)?;
        let span = rest.first().map(|word| span(word)).transpose()?;
        Ok(Order::Freeze(name(node)?, span))
    }),
    ("thaw", "thaw NODE", |w| Ok(Order::Thaw(only(w)?))),
    ("leave", "leave NODE...", |w| Ok(Order::Leave(names(w)?))),
    ("clock", "clock NODE +SPAN|-SPAN", clock),
    ("clone", "clone FROM TO", |w| match w {
        [from, to] => Ok(Order::Clone(name(from)?, name(to)?)),
        _ => Err("needs two nodes".into()),
    }),
    ("cut", "cut [LINK] [A->B | NODE]", |w| {
        Ok(Order::Cut(paths(w)?))
    }),
    ("heal", "heal [LINK] [A->B | NODE]", |w| {
        Ok(Order::Heal(paths(w)?))
    }),
    (
        "quality",
        "quality [LINK] [A->B | NODE] [latency=SPAN] [jitter=SPAN] [loss=N%] [duplicate=N%] [corrupt=N%]",
        |w| {
            let (changes, places): (Vec<_>, Vec<_>) =
                w.iter().cloned().partition(|word| word.contains('='));
            Ok(Order::Quality(paths(&places)?, changes_of(&changes)?))
        },
    ),
    ("answer", "answer NAME yes|no", |w| match w {
        [host, word] if word == "yes" => Ok(Order::Answer(name(host)?, true)),
        [host, word] if word == "no" => Ok(Order::Answer(name(host)?, false)),
        _ => Err("needs a pinged host and yes or no".into()),
    }),
    (
        "send",
        "send SPEAKER TYPE FIELD=VALUE... [over=LINK] [key=N]",
        |w| match w {
            [who, message_type, rest @ ..] => {
                Ok(Order::Send(name(who)?, speech(message_type, rest)?))
            }
            _ => Err("needs a speaker and a message type".into()),
        },
    ),
    (
        "beats",
        "beats SPEAKER FIELD=VALUE... [over=LINK] [key=N]",
        |w| {
            let (who, rest) = first(w)?;
            Ok(Order::Beats(name(who)?, speech("status", rest)?))
        },
    ),
    ("hush", "hush SPEAKER", |w| Ok(Order::Hush(only(w)?))),
    ("say", "say NODE TYPE FIELD=VALUE...", |w| match w {
        [node, message_type, rest @ ..] => {
            let speech = speech(message_type, rest)?;
            let said = Said {
                message_type: speech.message_type,
                fields: speech.fields.into_iter().collect(),
            };
            Ok(Order::Say(name(node)?, said))
        }
        _ => Err("needs a node and a message type".into()),
    }),
    ("listen", "listen NODE/CLIENT [silent]", |w| match w {
        [who] => Ok(Order::Listen(client(who)?, true)),
        [who, word] if word == "silent" => Ok(Order::Listen(client(who)?, false)),
        _ => Err("needs one client".into()),
    }),
    ("unlisten", "unlisten NODE/CLIENT", |w| match w {
        [who] => Ok(Order::Unlisten(client(who)?)),
        _ => Err("needs one client".into()),
    }),
    ("acknowledge", "acknowledge NODE/CLIENT", |w| match w {
        [who] => Ok(Order::Acknowledge(client(who)?)),
        _ => Err("needs one client".into()),
    }),
    (
        "message",
        "message NODE/CLIENT NODE/CLIENT TEXT|bytes=N [times=N] [class=control|bulk]",
        letter,
    ),
    ("close", "close NODE/CLIENT NODE/CLIENT", |w| {
        stream(w).map(|(from, to)| Order::Close(from, to))
    }),
    ("give-up", "give-up NODE/CLIENT NODE/CLIENT", |w| {
        stream(w).map(|(from, to)| Order::GiveUp(from, to))
    }),
    ("keep", "keep NODE as NAME [TYPE]", |w| match w {
        [node, word, kept, rest @ ..] if word == "as" && rest.len() < 2 => Ok(Order::Keep(
            name(node)?,
            kept.clone(),
            rest.first().cloned(),
        )),
        _ => Err("needs a node, `as` and a name for the packet".into()),
    }),
    ("replay", "replay NAME [over=LINK]", |w| {
        let (kept, rest) = first(w)?;
        let over = rest.first().map(|word| value(word, "over")).transpose()?;
        Ok(Order::Replay(kept.clone(), over.map(str::to_owned)))
    }),
    ("raw", "raw LINK \"TEXT\"", |w| match w {
        [link, text] => Ok(Order::Raw(link.clone(), bytes(text)?)),
        _ => Err("needs a link and a text in quotes".into()),
    }),
    ("run", "run SPAN | deadtime | initdead | until quiet", run),
    ("look", "look [NODE...]", |w| {
        let nodes = w.iter().map(|word| name(word)).collect::<Result<_, _>>()?;
        Ok(Order::Look(nodes))
    }),
    ("note", "note TEXT", |w| Ok(Order::Note(w.join(" ")))),
    (
        "show",
        "show times | packets TYPE... | KIND...",
        |w| match w {
            [word] if word == "times" => Ok(Order::Show(Shown::Times)),
            [word, types @ ..] if word == "packets" => {
                Ok(Order::Show(Shown::Packets(types.to_vec())))
            }
            [] => Err("needs something to show".into()),
            kinds => Ok(Order::Show(Shown::Kinds(kinds.to_vec()))),
        },
    ),
    ("hide", "hide KIND...", |w| match w {
        [] => Err("needs the word of a kind of event, as in JSON".into()),
        kinds => Ok(Order::Hide(kinds.to_vec())),
    }),
];

fn order(verb: &str, rest: &[String]) -> Result<Order, String> {
    let Some((_, usage, read)) = VERBS.iter().find(|(word, ..)| *word == verb) else {
        let all: Vec<&str> = VERBS.iter().map(|(word, ..)| *word).collect();
        return Err(format!(
            "`{verb}` is no order; the orders are {}",
            all.join(", ")
        ));
    };
    read(rest).map_err(|why| format!("{verb}: {why}; write `{usage}`"))
}

fn nothing(words: &[String], order: Order) -> Result<Order, String> {
    match words {
        [] => Ok(order),
        [extra, ..] => Err(format!("`{extra}` is too much")),
    }
}

fn first(words: &[String]) -> Result<(&String, &[String]), String> {
    words.split_first().ok_or_else(|| "needs a name".into())
}

fn only(words: &[String]) -> Result<NodeName, String> {
    match words {
        [word] => name(word),
        _ => Err("needs one node".into()),
    }
}

fn name(word: &str) -> Result<NodeName, String> {
    NodeName::new(word).map_err(|bad| format!("`{word}` is no name of a node: {bad}"))
}

fn names(words: &[String]) -> Result<Vec<NodeName>, String> {
    if words.is_empty() {
        return Err("needs at least one name".into());
    }
    words.iter().map(|word| name(word)).collect()
}

fn client(word: &str) -> Result<Client, String> {
    let (node, client) = word
        .split_once('/')
        .ok_or_else(|| format!("`{word}` is no client, NODE/CLIENT"))?;
    let client = ClientName::new(client)
        .map_err(|bad| format!("`{client}` is no name of a client: {bad}"))?;
    Ok(Client {
        node: name(node)?,
        name: client,
    })
}

fn stream(words: &[String]) -> Result<(Client, Client), String> {
    match words {
        [from, to] => Ok((client(from)?, client(to)?)),
        _ => Err("needs a sender and a receiver".into()),
    }
}

fn letter(words: &[String]) -> Result<Order, String> {
    let [from, to, what, rest @ ..] = words else {
        return Err("needs a sender, a receiver and a text".into());
    };
    let bytes = match value(what, "bytes") {
        Ok(count) => vec![b'x'; number(count)?],
        Err(_) => what.as_bytes().to_vec(),
    };
    let mut letter = Letter {
        from: client(from)?,
        to: client(to)?,
        bytes,
        times: 1,
        class: None,
    };
    for word in rest {
        if let Ok(times) = value(word, "times") {
            letter.times = number(times)?;
        } else {
            let class = value(word, "class")?;
            let known = Class::ALL.into_iter().find(|known| known.word() == class);
            letter.class = Some(known.ok_or_else(|| format!("`{class}` is no class"))?);
        }
    }
    Ok(Order::Message(letter))
}

fn number<T: FromStr>(word: &str) -> Result<T, String> {
    word.parse().map_err(|_| format!("`{word}` is no number"))
}

/// `250ms`, `1s`, `2m`, `1h`.
fn span(word: &str) -> Result<Duration, String> {
    let digits = word.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let count: u64 = number(digits)?;
    match &word[digits.len()..] {
        "ms" => Ok(Duration::from_millis(count)),
        "s" => Ok(Duration::from_secs(count)),
        "m" => Ok(Duration::from_secs(count * 60)),
        "h" => Ok(Duration::from_secs(count * 3600)),
        _ => Err(format!("`{word}` is no span; write 250ms, 3s, 2m or 1h")),
    }
}

fn value<'a>(word: &'a str, key: &str) -> Result<&'a str, String> {
    word.strip_prefix(key)
        .and_then(|rest| rest.strip_prefix('='))
        .ok_or_else(|| format!("`{word}` cannot stand here"))
}

fn chance(word: &str) -> Result<Chance, String> {
    let percent = word.strip_suffix('%').unwrap_or(word);
    Ok(Chance::percent(number(percent)?))
}

fn speaker(words: &[String]) -> Result<(NodeName, Generation), String> {
    let (who, rest) = first(words)?;
    let generation = match rest {
        [] => 1,
        [word] => number(value(word, "generation")?)?,
        [_, extra, ..] => return Err(format!("`{extra}` is too much")),
    };
    Ok((name(who)?, Generation(generation)))
}

fn changes_of(words: &[String]) -> Result<Changes, String> {
    let change = |word: &String| {
        let (key, value) = word
            .split_once('=')
            .ok_or_else(|| format!("`{word}` cannot stand here"))?;
        match key {
            "latency" => Ok(Change::Latency(span(value)?)),
            "jitter" => Ok(Change::Jitter(span(value)?)),
            "loss" => Ok(Change::Loss(chance(value)?)),
            "duplicate" => Ok(Change::Duplicate(chance(value)?)),
            "corrupt" => Ok(Change::Corrupt(chance(value)?)),
            _ => Err(format!("a path has no `{key}`")),
        }
    };
    Ok(Changes(words.iter().map(change).collect::<Result<_, _>>()?))
}

fn link(words: &[String]) -> Result<Order, String> {
    let (link, rest) = first(words)?;
    let mut link = Link {
        name: link.clone(),
        members: Vec::new(),
        quality: Changes::default(),
        baud: None,
        echo: false,
    };
    for word in rest {
        if word == "echo" {
            link.echo = true;
        } else if let Ok(baud) = value(word, "baud") {
            link.baud = Some(number(baud)?);
        } else if word.contains('=') {
            link.quality
                .0
                .extend(changes_of(std::slice::from_ref(word))?.0);
        } else {
            link.members.push(name(word)?);
        }
    }
    match link.members.len() {
        0 => Err("needs the nodes on it".into()),
        _ if link.baud == Some(0) => Err("a line without speed carries nothing".into()),
        _ => Ok(Order::Link(link)),
    }
}

fn set(words: &[String]) -> Result<Order, String> {
    let node = words.first().filter(|word| !word.contains('='));
    let settings = words.iter().skip(usize::from(node.is_some()));
    let settings = settings
        .map(|word| {
            let (key, value) = word
                .split_once('=')
                .ok_or_else(|| format!("`{word}` is no setting"))?;
            let known = Setting::ALL.iter().find(|(word, _)| *word == key);
            let (_, setting) = known.ok_or_else(|| {
                let all: Vec<&str> = Setting::ALL.iter().map(|(word, _)| *word).collect();
                format!("there is no setting `{key}`, but {}", all.join(", "))
            })?;
            Ok((*setting, span(value)?))
        })
        .collect::<Result<_, String>>()?;
    let node = node.map(|word| name(word)).transpose()?;
    Ok(Order::Set(node, settings))
}

fn keys(words: &[String]) -> Result<Order, String> {
    let node = words.first().filter(|word| !word.contains(['=', ':']));
    let rest = &words[usize::from(node.is_some())..];
    let (active, rest) = first(rest)?;
    let active = KeyIndex(number(value(active, "active")?)?);
    let keys = rest
        .iter()
        .map(|word| match word.split(':').collect::<Vec<_>>()[..] {
            [index, method, secret] => Ok(KeySpec {
                index: KeyIndex(number(index)?),
                method: method.to_owned(),
                secret: secret.into(),
            }),
            _ => Err(format!("`{word}` is no key")),
        })
        .collect::<Result<_, String>>()?;
    let node = node.map(|word| name(word)).transpose()?;
    Ok(Order::Keys(node, active, keys))
}

fn start(words: &[String]) -> Result<Order, String> {
    let mut how = Start::default();
    let mut nodes = Vec::new();
    for word in words {
        match word.as_str() {
            "without-disk" => how.without_disk = true,
            "after-reboot" => how.after_reboot = true,
            node => nodes.push(name(node)?),
        }
    }
    match nodes.len() {
        0 => Err("needs a node".into()),
        _ => Ok(Order::Start(nodes, how)),
    }
}

/// How long a supervisor takes to start another core, about.
const CORE_START: Duration = Duration::from_millis(50);

fn restart_core(words: &[String]) -> Result<Order, String> {
    let (node, rest) = first(words)?;
    let pause = match rest.first() {
        Some(word) => span(value(word, "after")?)?,
        None => CORE_START,
    };
    Ok(Order::RestartCore(name(node)?, pause))
}

fn clock(words: &[String]) -> Result<Order, String> {
    let [node, step] = words else {
        return Err("needs a node and a step".into());
    };
    let back = step.starts_with('-');
    let size = step
        .strip_prefix(['+', '-'])
        .ok_or_else(|| format!("`{step}` has no sign"))?;
    Ok(Order::Clock(name(node)?, span(size)?, back))
}

/// A word without an arrow may be a link or a node; which it is, the stage knows. It tries `link`
/// first.
fn paths(words: &[String]) -> Result<Paths, String> {
    let mut paths = Paths::default();
    for word in words {
        if let Some((from, to)) = word.split_once("->") {
            let end = |word: &str| (word != "*").then(|| name(word)).transpose();
            (paths.from, paths.to) = (end(from)?, end(to)?);
        } else if paths.link.is_none() {
            paths.link = Some(word.clone());
        } else {
            paths.either = Some(name(word)?);
        }
    }
    Ok(paths)
}

fn speech(message_type: &str, words: &[String]) -> Result<Speech, String> {
    let mut speech = Speech {
        message_type: message_type.to_owned(),
        ..Speech::default()
    };
    for word in words {
        let (field, value) = word
            .split_once('=')
            .ok_or_else(|| format!("`{word}` is no field"))?;
        match field {
            "over" => speech.over = Some(value.to_owned()),
            "key" => speech.key = Some(KeyIndex(number(value)?)),
            _ => speech.fields.push((field.to_owned(), value.to_owned())),
        }
    }
    Ok(speech)
}

fn run(words: &[String]) -> Result<Order, String> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words[..] {
        ["until", "quiet"] => Ok(Order::Run(Until::Quiet)),
        ["deadtime"] => Ok(Order::Run(Until::Deadtime)),
        ["initdead"] => Ok(Order::Run(Until::Initdead)),
        [word] => Ok(Order::Run(Until::Span(span(word)?))),
        _ => Err("needs to know how long".into()),
    }
}

fn bytes(text: &str) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some((plain, escaped)) = rest.split_once('\\') {
        bytes.extend_from_slice(plain.as_bytes());
        let (byte, length) = match escaped.as_bytes() {
            [b'n', ..] => (b'\n', 1),
            [b'\\', ..] => (b'\\', 1),
            [b'x', high, low, ..] => {
                let digit = |byte: u8| char::from(byte).to_digit(16);
                match (digit(*high), digit(*low)) {
                    (Some(high), Some(low)) => (u8::try_from(high * 16 + low).unwrap_or(0), 3),
                    _ => return Err("`\\x` needs two hexadecimal digits".into()),
                }
            }
            _ => return Err("after `\\` comes n, \\ or xHH".into()),
        };
        bytes.push(byte);
        rest = &escaped[length..];
    }
    bytes.extend_from_slice(rest.as_bytes());
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(line: &str) -> String {
        parse(&format!("# A point.\n{line}\n{DASHES}\n"))
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn a_scenario_falls_into_orders_and_expectation() {
        let script =
            parse("# A point.\nnodes alice bob\nrun 3s # a while\n----\nalice: x\n").unwrap();
        assert_eq!(script.lines.len(), 2);
        assert_eq!(script.lines[1].number, 3);
        assert_eq!(script.expected, "alice: x\n");
    }

    #[test]
    fn a_scenario_without_its_point_is_refused() {
        let refused = parse("nodes alice\n").unwrap_err();
        assert!(refused.text.contains("say the point"), "{refused}");
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line_and_what_could_stand_there() {
        assert_eq!(
            refusal("run 3parsecs"),
            "line 2: run: `3parsecs` is no span; write 250ms, 3s, 2m or 1h; \
             write `run SPAN | deadtime | initdead | until quiet`"
        );
        assert!(refusal("fly alice").contains("`fly` is no order; the orders are nodes,"));
        assert!(refusal("set speed=3s").contains("there is no setting `speed`, but keepalive,"));
        assert!(refusal("note \"open").contains("a quote is not closed"));
    }

    #[test]
    fn raw_text_may_hold_any_byte() {
        assert_eq!(bytes("a\\n\\x00\\\\").unwrap(), b"a\n\0\\");
        assert!(bytes("\\xg0").is_err());
    }
}
