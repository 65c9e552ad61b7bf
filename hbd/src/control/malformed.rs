//! What is wrong with a line that is no request, in the words of `hbd-api(7)`.

use serde_json::Value;

/// Every request and what it takes.
const REQUESTS: [(&str, &str); 11] = [
    ("snapshot", "nothing: \"snapshot\""),
    ("config", "nothing: \"config\""),
    (
        "events",
        "limit, an unsigned integer, and if wanted since, until, before, nodes, kinds, objects, \
         severity and related: {\"events\":{\"limit\":10}}",
    ),
    (
        "subscribe",
        "recent, an unsigned integer: {\"subscribe\":{\"recent\":10}}",
    ),
    ("record", "nothing: \"record\""),
    (
        "send",
        "node, to and data, the message in base64, and if wanted from and class, control or bulk",
    ),
    ("listen", "name, 1 to 64 bytes without blanks, / : and ,"),
    ("acknowledge", "delivery, an unsigned integer"),
    (
        "fault",
        "medium, the name of one, and if wanted cut_in and cut_out, true or false, and \
         loss_percent, 0 to 100",
    ),
    (
        "reload",
        "if wanted dry_run and force, true or false: {\"reload\":{\"dry_run\":true}}",
    ),
    (
        "upgrade",
        "if wanted dry_run, true or false: {\"upgrade\":{\"dry_run\":true}}",
    ),
];

/// The id of the line, 0 where it has none, and what is wrong.
pub(super) fn judge(line: &[u8]) -> (u64, String) {
    let Ok(Value::Object(frame)) = serde_json::from_slice(line) else {
        return (0, "the line is no JSON object".into());
    };
    let Some(id) = frame.get("id").and_then(Value::as_u64) else {
        return (0, "id must be an unsigned integer below 2^64".into());
    };
    (id, wrong(frame.get("request"), frame.get("key")))
}

fn wrong(request: Option<&Value>, key: Option<&Value>) -> String {
    let name = match request {
        None => return "request is missing".into(),
        Some(Value::String(name)) => name,
        Some(Value::Object(object)) if object.len() == 1 => match object.keys().next() {
            Some(name) => name,
            None => return "request is empty".into(),
        },
        Some(_) => return "request must be a name, or an object with one name".into(),
    };
    let Some((name, takes)) = REQUESTS.iter().find(|(known, _)| known == name) else {
        let known: Vec<_> = REQUESTS.iter().map(|(known, _)| *known).collect();
        return format!(
            "there is no request of that name; there are {}",
            known.join(", ")
        );
    };
    if key.is_some_and(|key| !key.is_string() && !key.is_null()) {
        return "key must be a string".into();
    }
    format!("{name} takes {takes}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_mistake_is_told_in_words_of_the_manual() {
        for (line, id, text) in [
            ("hello", 0, "the line is no JSON object"),
            (
                "{\"id\":\"x\",\"request\":\"snapshot\"}",
                0,
                "id must be an unsigned integer",
            ),
            (
                "{\"id\":-1,\"request\":\"snapshot\"}",
                0,
                "id must be an unsigned integer",
            ),
            ("{\"id\":1}", 1, "request is missing"),
            ("{\"id\":1,\"request\":7}", 1, "request must be a name"),
            (
                "{\"id\":2,\"request\":\"dance\"}",
                2,
                "there is no request of that name; there are \
               snapshot, config, events, subscribe, record, send, listen, acknowledge, fault, \
               reload, upgrade",
            ),
            ("{\"id\":3,\"request\":\"events\"}", 3, "events takes limit"),
            (
                "{\"id\":3,\"request\":{\"subscribe\":{\"recent\":-1}}}",
                3,
                "subscribe takes recent",
            ),
            (
                "{\"id\":4,\"request\":\"snapshot\",\"key\":4}",
                4,
                "key must be a string",
            ),
        ] {
            assert!(
                serde_json::from_str::<shared::api::ClientFrame>(line).is_err(),
                "{line}"
            );
            let (found, wrong) = judge(line.as_bytes());
            assert_eq!(found, id, "{line}");
            assert!(wrong.starts_with(text), "{line}: {wrong}");
        }
    }
}
