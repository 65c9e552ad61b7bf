//! The record's judgement, put to the proof: what it must complain about, and what not.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use hbd_tests::error::{Error, unexpected};
use libtest_mimic::{Failed, Trial};

use hbd_tests::observer::record::{Answer, At, Change, Record, Stall};

const SERVICE: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 9, 0, 50));
const LIMIT: Duration = ms(20);

type Case = fn() -> Result<(), Error>;

pub(crate) fn trials() -> Vec<Trial> {
    let cases: [(&str, Case); 6] = [
        ("a_gap_is_complained_of", gap),
        ("a_service_that_ends_is_a_gap", ends),
        ("a_gap_that_is_an_own_stall_is_not", stall),
        ("an_overlap_is_complained_of", overlap),
        ("what_may_have_been_in_order_is_not", uncertain),
        ("an_address_that_comes_before_it_leaves_is", order),
    ];
    let trial = |(name, case): (&str, Case)| {
        Trial::test(format!("judgement::{name}"), move || {
            case().map_err(Failed::from)
        })
    };
    cases.into_iter().map(trial).collect()
}

fn gap() -> Result<(), Error> {
    let record = answering(&[(0, 100), (131, 200)]);
    complains(record.demand_gap(SERVICE, ms(0), ms(200), LIMIT))?;
    let found = record.gap(SERVICE, ms(0), ms(200));
    same((found.from, found.to), (ms(100), ms(131)))?;
    record.demand_gap(SERVICE, ms(131), ms(200), LIMIT)?;
    same(record.answered(SERVICE, 0, ms(101)), Some(ms(131)))
}

fn ends() -> Result<(), Error> {
    let record = answering(&[(0, 100)]);
    complains(record.demand_gap(SERVICE, ms(0), ms(150), LIMIT))?;
    let nothing = answering(&[]);
    complains(nothing.demand_gap(SERVICE, ms(0), ms(150), LIMIT))?;
    same(nothing.answered(SERVICE, 0, ms(0)), None)
}

fn stall() -> Result<(), Error> {
    let mut record = answering(&[(0, 100), (131, 200)]);
    record.stalls.push(Stall {
        from: ms(99),
        to: ms(115),
    });
    same(
        record.demand_gap(SERVICE, ms(0), ms(200), LIMIT)?,
        ms(31 - 15),
    )?;
    // Another gap of that length is one.
    record.stalls[0] = Stall {
        from: ms(40),
        to: ms(60),
    };
    complains(record.demand_gap(SERVICE, ms(0), ms(200), LIMIT))
}

fn overlap() -> Result<(), Error> {
    let record = changing(&[(10, 0, true), (50, 1, true), (80, 0, false)]);
    complains(record.demand_overlap(SERVICE, ms(0), ms(100), LIMIT))?;
    same(record.overlap(SERVICE, ms(0), ms(100)), ms(79 - 50))?;
    same(record.overlap(SERVICE, ms(70), ms(100)), ms(79 - 70))?;
    let lasting = changing(&[(10, 0, true), (50, 1, true)]);
    same(lasting.overlap(SERVICE, ms(0), ms(100)), ms(50))?;
    let other = IpAddr::V4(Ipv4Addr::new(10, 9, 0, 51));
    same(lasting.overlap(other, ms(0), ms(100)), ms(0))
}

fn uncertain() -> Result<(), Error> {
    let record = changing(&[(10, 0, true), (50, 1, true), (50, 0, false)]);
    record.demand_overlap(SERVICE, ms(0), ms(100), ms(0))?;
    record.demand_handed_over(SERVICE, (0, 1), ms(20))?;
    complains(record.demand_unchanged(ms(20)))?;
    record.demand_unchanged(ms(51))
}

fn order() -> Result<(), Error> {
    let right = changing(&[(10, 0, true), (50, 0, false), (53, 1, true)]);
    right.demand_handed_over(SERVICE, (0, 1), ms(20))?;
    complains(right.demand_handed_over(SERVICE, (1, 0), ms(20)))?;
    let wrong = changing(&[(10, 0, true), (50, 1, true), (53, 0, false)]);
    complains(wrong.demand_handed_over(SERVICE, (0, 1), ms(20)))?;
    let twice = changing(&[
        (10, 0, true),
        (50, 0, false),
        (53, 1, true),
        (54, 1, false),
        (55, 1, true),
    ]);
    complains(twice.demand_handed_over(SERVICE, (0, 1), ms(20)))
}

/// Machine 0 answers every millisecond of these times.
fn answering(times: &[(u64, u64)]) -> Record {
    let moments = times.iter().flat_map(|(from, to)| *from..=*to);
    let answer = |at| Answer { at: ms(at), by: 0 };
    Record {
        answers: vec![(SERVICE, moments.map(answer).collect())],
        ..Record::default()
    }
}

/// Each change was seen in the look that ended at that millisecond.
fn changing(changes: &[(u64, usize, bool)]) -> Record {
    let change = |&(at, node, there): &(u64, usize, bool)| Change {
        after: ms(at - 1),
        before: ms(at),
        node,
        ip: SERVICE,
        there,
    };
    Record {
        changes: changes.iter().map(change).collect(),
        ..Record::default()
    }
}

fn complains<T>(result: Result<T, Error>) -> Result<(), Error> {
    match result {
        Ok(_) => unexpected("nothing was complained of"),
        Err(_) => Ok(()),
    }
}

fn same<T: PartialEq + std::fmt::Debug>(found: T, expected: T) -> Result<(), Error> {
    if found == expected {
        return Ok(());
    }
    unexpected(format!("{found:?} was to be {expected:?}"))
}

const fn ms(milliseconds: u64) -> At {
    Duration::from_millis(milliseconds)
}
