//! What is moved by order.

use std::time::Duration;

use hbd_tests::error::Error;
use shared::event::Kind;

use crate::stage::{
    ALICE, BASE, BOB, MOVE_GAP, NO_GAP, SERVICES, SOON, WEB, WEB_GROUP, WEB6, demand, limit,
    play_running,
};

/// There and back again, so often.
const TIMES: usize = 5;

pub(crate) fn by_order() -> Result<(), Error> {
    play_running("auto_failback off", |stage| {
        let begin = stage.now();
        let mut longest = Duration::ZERO;
        for (asked, from, to) in [
            (ALICE, ALICE, BOB),
            (ALICE, BOB, ALICE),
            (BOB, ALICE, BOB),
            (BOB, BOB, ALICE),
        ]
        .into_iter()
        .cycle()
        .take(2 * TIMES)
        {
            let ordered = stage.now();
            stage.order_move(asked, WEB_GROUP, to)?;
            for ip in [WEB, WEB6] {
                stage.answered(ip, to, ordered, SOON)?;
            }
            stage.settled([to, BOB])?;
            for ip in [WEB, WEB6] {
                stage.seen(|record| record.demand_handed_over(ip, (from, to), ordered))??;
            }
            let gap = stage.demand_gaps(&[WEB, WEB6], ordered, limit(MOVE_GAP))?;
            longest = longest.max(gap);
            stage.demand_neighbour(&[WEB, WEB6], to)?;
        }
        for node in [ALICE, BOB] {
            let contested = stage.events(node, |event| {
                matches!(event.kind, Kind::AddressContested { .. }).then_some(())
            })?;
            demand(contested.is_empty(), "nobody took the other for a stranger")?;
        }
        println!("longest gap of {} moves: {longest:?}", 2 * TIMES);
        stage.demand_gaps(&[BASE], begin, NO_GAP)?;
        stage.demand_overlaps(&SERVICES, Duration::ZERO, Duration::ZERO)?;
        Ok(())
    })
}
