//! Orders by their keys: the same key within ten minutes is the same order.

use std::collections::VecDeque;
use std::time::Duration;

use shared::api::{ErrorCode, Failure, Request, Success};
use shared::time::Moment;

/// How long an order is remembered.
const MEMORY: Duration = Duration::from_secs(600);
/// Orders remembered at most, the latest.
const ORDERS_MAX: usize = 256;

type Outcome = Result<Success, Failure>;

/// The orders of the last ten minutes.
#[derive(Debug, Default)]
pub(crate) struct Orders {
    known: VecDeque<Known>,
}

#[derive(Debug)]
struct Known {
    at: Moment,
    key: String,
    request: Request,
    outcome: Outcome,
}

/// What is known of a key.
#[derive(Debug, PartialEq)]
pub(crate) enum Repeated {
    /// Nothing: carry it out.
    No,
    /// It was carried out, and this came of it.
    Yes(Outcome),
}

impl Orders {
    /// Whether `request` under `key` was carried out already. The same key for another order is a
    /// mistake of the client's.
    pub(crate) fn look_up(&mut self, key: &str, request: &Request, now: Moment) -> Repeated {
        self.known.retain(|known| now.since(known.at) < MEMORY);
        match self.known.iter().find(|known| known.key == key) {
            None => Repeated::No,
            Some(known) if known.request == *request => Repeated::Yes(known.outcome.clone()),
            Some(_) => Repeated::Yes(Err(other_order(key))),
        }
    }

    /// Remembers what came of an order.
    pub(crate) fn remember(
        &mut self,
        key: String,
        request: Request,
        outcome: Outcome,
        now: Moment,
    ) {
        if self.known.len() == ORDERS_MAX {
            self.known.pop_front();
        }
        self.known.push_back(Known {
            at: now,
            key,
            request,
            outcome,
        });
    }
}

/// For a key that names another order already.
pub(crate) fn other_order(key: &str) -> Failure {
    Failure {
        code: ErrorCode::BadRequest,
        text: format!("key {key:?} was used for another order; take a new key"),
    }
}

#[cfg(test)]
mod tests {
    use shared::api::Fault;
    use shared::names::MediumName;

    use super::*;

    const NOW: Moment = Moment(1_000_000_000_000);

    fn fault(loss_percent: u8) -> Request {
        Request::Fault(Fault {
            medium: MediumName::new("lo").unwrap(),
            cut_in: false,
            cut_out: false,
            loss_percent,
        })
    }

    #[test]
    fn the_same_key_is_the_same_order_for_ten_minutes() {
        let mut orders = Orders::default();
        assert_eq!(orders.look_up("k", &fault(1), NOW), Repeated::No);
        orders.remember("k".into(), fault(1), Ok(Success::Done), NOW);
        let soon = NOW + Duration::from_secs(599);
        assert_eq!(
            orders.look_up("k", &fault(1), soon),
            Repeated::Yes(Ok(Success::Done))
        );
        let later = NOW + Duration::from_secs(600);
        assert_eq!(orders.look_up("k", &fault(1), later), Repeated::No);
    }

    #[test]
    fn a_key_cannot_be_used_for_another_order() {
        let mut orders = Orders::default();
        orders.remember("k".into(), fault(1), Ok(Success::Done), NOW);
        let Repeated::Yes(Err(failure)) = orders.look_up("k", &fault(2), NOW) else {
            panic!("accepted");
        };
        assert_eq!(failure.code, ErrorCode::BadRequest);
    }

    #[test]
    fn only_so_many_orders_are_remembered() {
        let mut orders = Orders::default();
        for number in 0..=ORDERS_MAX {
            orders.remember(number.to_string(), fault(1), Ok(Success::Done), NOW);
        }
        assert_eq!(orders.look_up("0", &fault(1), NOW), Repeated::No);
        assert_ne!(orders.look_up("1", &fault(1), NOW), Repeated::No);
    }
}
