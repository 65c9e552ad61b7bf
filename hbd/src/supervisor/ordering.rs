//! Orders about groups: from clients to the manager, and its answers back.

use std::collections::BTreeMap;

use hbd_manager::{Order, Refusal};
use shared::api::{ErrorCode, Failure, Request, Success};
use shared::config::ManagerKind;
use shared::order::{Change, GroupOrder, REASON_MAX};

use super::Supervisor;
use super::requests::Asked;
use crate::clock;
use crate::control::Repeated;
use crate::manager_process::ToManager;

/// Orders that wait for an answer of the manager.
const WAITING_MAX: usize = 64;

/// Orders that the manager has not answered.
#[derive(Default)]
pub(super) struct Ordering {
    last: u64,
    waiting: BTreeMap<u64, Waiting>,
}

struct Waiting {
    asked: Asked,
    order: Option<(String, Request)>,
}

impl Supervisor {
    /// Passes an order on to the manager, whose answer is the client's.
    pub(super) fn order_groups(&mut self, order: GroupOrder, key: Option<String>, asked: Asked) {
        let now = clock::boot();
        let named = key.map(|key| (key, Request::Order(Box::new(order.clone()))));
        if let Some((key, request)) = &named
            && let Repeated::Yes(outcome) = self.orders.look_up(key, request, now)
        {
            return asked.reply(outcome);
        }
        if let Err(failure) = self.check_order(&order) {
            return asked.reply(Err(failure));
        }
        self.ordering.last += 1;
        let id = self.ordering.last;
        let GroupOrder {
            verb,
            reason,
            dry_run,
        } = order;
        let order = Order {
            verb,
            who: asked.who.to_string(),
            reason,
        };
        self.tell_manager(&ToManager::Order { id, order, dry_run });
        let waiting = Waiting {
            asked,
            order: named,
        };
        self.ordering.waiting.insert(id, waiting);
    }

    fn check_order(&self, order: &GroupOrder) -> Result<(), Failure> {
        let failure = |code, text: &str| {
            let text = text.to_owned();
            Err(Failure { code, text })
        };
        let reason = order.reason.as_deref().unwrap_or_default();
        if reason.len() > REASON_MAX || reason.chars().any(char::is_control) {
            let text = format!("a reason is one line of at most {REASON_MAX} bytes");
            return failure(ErrorCode::BadRequest, &text);
        }
        if self.configured.config.resources.manager == ManagerKind::None {
            let text = "there are no groups: haresources names none";
            return failure(ErrorCode::Refused, text);
        }
        if self.manager.worker().is_none() {
            let text = "the manager died, and the next one is on its way; try again in a moment";
            return failure(ErrorCode::Unavailable, text);
        }
        if self.ordering.waiting.len() >= WAITING_MAX {
            let text = "the manager has not answered the last orders; see hactl status";
            return failure(ErrorCode::Unavailable, text);
        }
        Ok(())
    }

    /// The manager answers.
    pub(super) fn ordered(&mut self, id: u64, outcome: Result<Vec<Change>, Refusal>) {
        let Some(Waiting { asked, order }) = self.ordering.waiting.remove(&id) else {
            return;
        };
        let outcome = match outcome {
            Ok(changes) => Ok(Success::Ordered(changes)),
            Err(refusal) => Err(refused(&refusal)),
        };
        if let Some((key, request)) = order {
            let now = clock::boot();
            self.orders.remember(key, request, outcome.clone(), now);
        }
        asked.reply(outcome);
    }

    /// The manager is gone, and what it was told with it.
    pub(super) fn orders_are_lost(&mut self) {
        for waiting in std::mem::take(&mut self.ordering.waiting).into_values() {
            waiting.asked.reply(Err(Failure {
                code: ErrorCode::Unavailable,
                text: "the manager died before it answered; hactl groups shows what became of it"
                    .into(),
            }));
        }
    }
}

fn refused(refusal: &Refusal) -> Failure {
    let code = match refusal {
        Refusal::NoGroup(_) | Refusal::NoNode(_) => ErrorCode::NotFound,
        Refusal::NotAlive(_)
        | Refusal::Alive(_)
        | Refusal::NoDevice(_)
        | Refusal::ByOperator(_)
        | Refusal::Frozen
        | Refusal::Declined { .. } => ErrorCode::Refused,
        Refusal::TooEarly | Refusal::Unread(_) => ErrorCode::Unavailable,
    };
    let text = refusal.to_string();
    Failure { code, text }
}
