//! Who may ask and order.

use super::{Chapter, Directive, Effect, Grammar, Owner, Reload, Repeat, Scope};
use crate::config::apiauth;

pub(super) const CHAPTER: Chapter = Chapter {
    title: "Access",
    directives: &[Directive {
        word: "apiauth",
        owner: Owner::Heartbeat,
        syntax: "CLIENT [uid=LIST] [gid=LIST]",
        example: "apiauth hbd-observe uid=nagios gid=monitoring",
        default: "uid 0 and the user that hbd runs as administer, group haclient operates",
        bounds: "at least one list; one line per client",
        repeat: Repeat::Adds,
        effect: Effect::Depends(
            "clients other than hbd-observe, hbd-operate and hbd-admin have no effect in this release",
        ),
        reload: Reload::Online,
        scope: Scope::Node,
        short: "who may use the control socket",
        long: "CLIENT hbd-observe may read, hbd-operate may also give the orders of daily operation, hbd-admin may do everything. \
               A LIST holds names or numbers of users or groups, separated by commas without blanks; whoever is in one of the lists has the role. Supplementary groups count. \
               A user who is to operate can join group haclient instead (adduser USER haclient, and a new login); \
               where there is no such group (addgroup --system haclient), hbd finds it when it starts or another configuration is loaded. \
               Lines for other clients belong to Heartbeat and are accepted with a warning.",
        grammar: Grammar::Line(apiauth::apply),
    }],
};
