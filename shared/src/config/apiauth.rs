//! `apiauth`: who may use the control socket in which role.

use super::diagnostic::Code;
use super::lex::{BLANKS, Word};
use super::machine::Subject;
use super::media::is_host_name;
use super::model::{Account, ApiRole};
use super::reader::Reader;
use super::suggest;

/// Prefix of hbd's own client names.
const OWN_PREFIX: &str = "hbd-";
/// The client of Heartbeat whose work the manager does.
pub(super) const IPFAIL: &str = "ipfail";

pub(super) fn apply(reader: &mut Reader<'_, '_>, rest: &Word<'_>) {
    let words = rest.split(&BLANKS);
    let Some((client, lists)) = words.split_first() else {
        return reader.missing(0);
    };
    check_twice(reader, client);
    let role = role(reader, client);
    if lists.is_empty() {
        bad(reader, client, "says neither uid= nor gid=");
    }
    for list in lists {
        let (accounts, to_users) = match list.text.split_once('=') {
            Some(("uid", _)) => (list.part(4, list.text.len()), true),
            Some(("gid", _)) => (list.part(4, list.text.len()), false),
            _ => {
                bad(reader, list, "neither uid= nor gid=");
                continue;
            }
        };
        grant(reader, role, &accounts, to_users);
    }
}

fn check_twice(reader: &mut Reader<'_, '_>, client: &Word<'_>) {
    let earlier = reader
        .draft
        .api_clients
        .insert(client.text.to_owned(), client.span);
    if let Some(earlier) = earlier {
        let text = format!("the client `{}` has two apiauth lines", client.text);
        reader
            .report
            .at(Code::Twice, client.span, text)
            .related(earlier, "first here")
            .remedy("put all users and groups into one line, separated by commas");
    }
}

fn role(reader: &mut Reader<'_, '_>, client: &Word<'_>) -> Option<ApiRole> {
    if let Some(role) = ApiRole::ALL
        .into_iter()
        .find(|role| role.client() == client.text)
    {
        return Some(role);
    }
    if client.text.starts_with(OWN_PREFIX) {
        let text = format!("`{}` is no role of hbd", client.text);
        let near = suggest::nearest(client.text, ApiRole::ALL.map(ApiRole::client));
        let note = reader
            .report
            .at(Code::BadAccess, client.span, text)
            .remedy("write one of hbd-observe, hbd-operate, hbd-admin");
        if let Some(near) = near {
            note.replacement(near);
        }
    } else if client.text == IPFAIL {
        reader.no_effect("what ipfail does is part of hbd: the `respawn` line alone turns it on");
    } else {
        reader.not_yet("hbd does not serve the clients of Heartbeat yet");
    }
    None
}

fn grant(reader: &mut Reader<'_, '_>, role: Option<ApiRole>, list: &Word<'_>, to_users: bool) {
    let accounts = list.split(&[',']);
    if accounts.is_empty() {
        bad(reader, list, "names nobody");
    }
    for word in accounts {
        let Some(account) = account(reader, &word, to_users) else {
            continue;
        };
        if to_users && role.is_some() {
            check_core(reader, &word);
        }
        let access = &mut reader.draft.api;
        let grants = if to_users {
            &mut access.users
        } else {
            &mut access.groups
        };
        grants.extend(role.map(|role| (role, account)));
    }
}

/// The users that the core runs as: its own, or `nobody` where that one does not exist.
const CORE_USERS: [&str; 3] = ["hbd-core", "nobody", "65534"];

fn check_core(reader: &mut Reader<'_, '_>, word: &Word<'_>) {
    if !CORE_USERS.contains(&word.text) {
        return;
    }
    reader
        .report
        .at(
            Code::AccessOfCore,
            word.span,
            format!(
                "`{}` may be the user of hbd's core, which never has rights",
                word.text
            ),
        )
        .label("the core runs as `hbd-core`, or as `nobody` without that user")
        .remedy("let the client run as a user of its own, and name that one");
}

fn account(reader: &mut Reader<'_, '_>, word: &Word<'_>, is_user: bool) -> Option<Account> {
    if word.text.bytes().all(|b| b.is_ascii_digit()) {
        let id = word.text.parse().ok().map(Account::Id);
        if id.is_none() {
            bad(reader, word, "larger than any user number");
        }
        return id;
    }
    let name = word.text.to_owned();
    if !is_host_name(&name) {
        bad(reader, word, "cannot be the name of a user or group");
        return None;
    }
    let subject = if is_user {
        Subject::User(name.clone())
    } else {
        Subject::UserGroup(name.clone())
    };
    reader.mention(word.span, subject);
    Some(Account::Name(name))
}

fn bad(reader: &mut Reader<'_, '_>, word: &Word<'_>, label: &str) {
    reader
        .report
        .at(
            Code::BadAccess,
            word.span,
            "this `apiauth` line does not say who has access",
        )
        .label(label)
        .remedy("write `apiauth CLIENT uid=NAME,NAME gid=NAME`, lists without blanks, at least one of them");
}
