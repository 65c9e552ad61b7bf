//! Which role a client has, by the credentials its socket carries (`unix(7)`).

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::os::fd::AsFd;
use std::sync::Arc;

use nix::unistd::{Group, User};
use shared::api::{ClientRole, Request};
use shared::config::{Account, ApiAccess, ApiRole};
use shared::names::ClientName;
use tokio::net::UnixStream;

use crate::sys;

/// The group whose members operate, as clients of Heartbeat do.
const OPERATORS: &str = "haclient";

/// The users of this machine. No name service is asked, which might take its time.
const LOCAL_USERS: &str = "/etc/passwd";
/// No more of it is read.
const LOCAL_USERS_BYTES_MAX: u64 = 1 << 20;

/// Whoever is at the other end of a connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Peer {
    user: Option<u32>,
    /// Of the user, if it has one.
    name: Option<Arc<str>>,
    process: Option<i32>,
    /// Its user runs the core.
    core: bool,
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(user) = self.user else {
            return f.write_str("a client without credentials");
        };
        match (&self.name, self.process) {
            (Some(name), Some(process)) => write!(f, "{name} (uid {user}, pid {process})"),
            (Some(name), None) => write!(f, "{name} (uid {user})"),
            (None, Some(process)) => write!(f, "uid {user} (pid {process})"),
            (None, None) => write!(f, "uid {user}"),
        }
    }
}

impl Peer {
    /// The name it sends messages under if it gives none.
    pub(crate) fn client_name(&self) -> ClientName {
        let process = self.process.map_or(0, i32::unsigned_abs);
        ClientName::new(&format!("pid-{process}")).expect("digits make a name")
    }
}

/// Who has which role.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Access {
    /// The user hbd runs as.
    own: u32,
    /// The user the core runs as, if another: it has no role whatever else is said.
    core: Option<u32>,
    users: Vec<(ClientRole, u32)>,
    groups: Vec<(ClientRole, u32)>,
    /// Names of users.
    names: BTreeMap<u32, Arc<str>>,
}

impl Access {
    /// Looks the names up, once. A name that does not exist gives no role.
    pub(crate) fn new(api: &ApiAccess, own: u32, core: Option<u32>) -> Self {
        let group = |name: &str| {
            Group::from_name(name)
                .ok()
                .flatten()
                .map(|g| g.gid.as_raw())
        };
        let user = |name: &str| User::from_name(name).ok().flatten().map(|u| u.uid.as_raw());
        let mut groups = numbers(&api.groups, group);
        groups.extend(group(OPERATORS).map(|id| (ClientRole::Operate, id)));
        Self {
            own,
            core: core.filter(|core| *core != own),
            users: numbers(&api.users, user),
            groups,
            names: local_users(),
        }
    }

    /// The role of whoever is at the other end, and who that is.
    pub(super) fn role_of(&self, stream: &UnixStream) -> (ClientRole, Peer) {
        let Ok(peer) = stream.peer_cred() else {
            return (ClientRole::None, Peer::default());
        };
        let mut groups = sys::peer_groups(stream.as_fd()).unwrap_or_default();
        groups.push(peer.gid());
        let who = Peer {
            user: Some(peer.uid()),
            name: self.names.get(&peer.uid()).cloned(),
            process: peer.pid(),
            core: Some(peer.uid()) == self.core,
        };
        (self.role(peer.uid(), &groups), who)
    }

    fn role(&self, user: u32, groups: &[u32]) -> ClientRole {
        if Some(user) == self.core {
            return ClientRole::None;
        }
        if user == 0 || user == self.own {
            return ClientRole::Admin;
        }
        let by_user = self.users.iter().filter(|(_, id)| *id == user);
        let by_group = self.groups.iter().filter(|(_, id)| groups.contains(id));
        by_user
            .chain(by_group)
            .map(|(role, _)| *role)
            .max()
            .unwrap_or(ClientRole::None)
    }
}

fn local_users() -> BTreeMap<u32, Arc<str>> {
    let mut text = Vec::new();
    // Without it users have numbers.
    let _ = File::open(LOCAL_USERS)
        .and_then(|file| file.take(LOCAL_USERS_BYTES_MAX).read_to_end(&mut text));
    names(&String::from_utf8_lossy(&text))
}

/// As passwd(5) has it; the first name of a number counts.
fn names(passwd: &str) -> BTreeMap<u32, Arc<str>> {
    let mut names = BTreeMap::new();
    for line in passwd.lines() {
        let mut fields = line.split(':');
        if let (Some(name), Some(number)) = (fields.next(), fields.nth(1))
            && let Ok(number) = number.parse()
            && !name.is_empty()
        {
            names.entry(number).or_insert_with(|| name.into());
        }
    }
    names
}

fn numbers(
    accounts: &[(ApiRole, Account)],
    look_up: impl Fn(&str) -> Option<u32>,
) -> Vec<(ClientRole, u32)> {
    accounts
        .iter()
        .filter_map(|(role, account)| {
            let id = match account {
                Account::Id(id) => Some(*id),
                Account::Name(name) => look_up(name),
            };
            Some((client_role(*role), id?))
        })
        .collect()
}

fn client_role(role: ApiRole) -> ClientRole {
    match role {
        ApiRole::Observe => ClientRole::Observe,
        ApiRole::Operate => ClientRole::Operate,
        ApiRole::Admin => ClientRole::Admin,
    }
}

/// The refusal of a request that needs a higher role, with the line that would grant it.
pub(super) fn refusal(request: &Request, role: ClientRole, who: &Peer) -> String {
    if who.core {
        return format!(
            "{who}: this user runs hbd's core and never has rights here; use another user"
        );
    }
    let user = who
        .user
        .map_or_else(|| "USER".to_owned(), |user| user.to_string());
    let client = match request.needs() {
        ClientRole::None | ClientRole::Observe => ApiRole::Observe.client(),
        ClientRole::Operate => ApiRole::Operate.client(),
        ClientRole::Admin => ApiRole::Admin.client(),
    };
    let has = match role {
        ClientRole::None => "has no role here",
        ClientRole::Observe => "may only observe",
        ClientRole::Operate => "may only observe and operate",
        ClientRole::Admin => "administers",
    };
    format!(
        "{who} {has}; add \"apiauth {client} uid={user}\" to hbd.cf and reload hbd, or ask root"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: u32 = 1000;
    const CORE: u32 = 65534;

    fn access() -> Access {
        let api = ApiAccess {
            users: vec![
                (ApiRole::Observe, Account::Id(7)),
                (ApiRole::Admin, Account::Id(CORE)),
                (ApiRole::Admin, Account::Name("no-such-user-of-hbd".into())),
            ],
            groups: vec![(ApiRole::Operate, Account::Id(70))],
        };
        Access::new(&api, OWN, Some(CORE))
    }

    #[test]
    fn root_and_the_daemons_own_user_administer() {
        assert_eq!(access().role(0, &[]), ClientRole::Admin);
        assert_eq!(access().role(OWN, &[]), ClientRole::Admin);
    }

    #[test]
    fn the_user_of_the_core_never_has_a_role() {
        assert_eq!(access().role(CORE, &[70]), ClientRole::None);
    }

    #[test]
    fn the_highest_role_counts_and_supplementary_groups_do() {
        assert_eq!(access().role(7, &[1]), ClientRole::Observe);
        assert_eq!(access().role(7, &[1, 70]), ClientRole::Operate);
        assert_eq!(access().role(8, &[1]), ClientRole::None);
    }

    #[test]
    fn a_refusal_names_the_line_to_add() {
        let who = Peer {
            user: Some(8),
            name: None,
            process: None,
            core: false,
        };
        let text = refusal(&Request::Snapshot, ClientRole::None, &who);
        assert_eq!(
            text,
            "uid 8 has no role here; add \"apiauth hbd-observe uid=8\" to hbd.cf and reload hbd, \
             or ask root"
        );
    }

    #[test]
    fn whoever_is_there_has_the_name_of_his_user() {
        let passwd =
            "root:x:0:0:root:/root:/bin/sh\ntoor:x:0:0::/:\n+nis\n:x:9::\ncarol:x:8:8::/:\n";
        let names = names(passwd);
        assert_eq!(names.len(), 2, "{names:?}");
        let who = |user, process| Peer {
            user,
            name: user.and_then(|user| names.get(&user).cloned()),
            process,
            core: false,
        };
        for (who, text) in [
            (who(Some(0), Some(5)), "root (uid 0, pid 5)"),
            (who(Some(8), None), "carol (uid 8)"),
            (who(Some(7), Some(5)), "uid 7 (pid 5)"),
            (who(None, None), "a client without credentials"),
        ] {
            assert_eq!(who.to_string(), text);
        }
    }

    #[test]
    fn the_user_of_the_core_is_told_that_no_line_helps() {
        let who = Peer {
            user: Some(CORE),
            name: None,
            process: None,
            core: true,
        };
        let text = refusal(&Request::Snapshot, ClientRole::None, &who);
        assert_eq!(
            text,
            "uid 65534: this user runs hbd's core and never has rights here; use another user"
        );
    }

    #[tokio::test]
    async fn a_client_is_known_as_the_cores_user_by_its_credentials() {
        let (stream, _other) = UnixStream::pair().unwrap();
        let user = nix::unistd::geteuid().as_raw();
        let (role, who) = Access::new(&ApiAccess::default(), user + 1, Some(user)).role_of(&stream);
        assert_eq!((role, who.core), (ClientRole::None, true));
        let (role, who) = Access::new(&ApiAccess::default(), user, Some(user + 1)).role_of(&stream);
        assert_eq!((role, who.core), (ClientRole::Admin, false));
    }
}
