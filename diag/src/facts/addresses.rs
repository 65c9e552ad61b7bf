//! Service addresses that are here, by the agent that would put them there.

use hbd_agents::builtin::ip::Address;
use shared::builtin::ServiceAddress;
use shared::config::machine::Elsewhere;

/// Where the address is that hbd did not put there; nothing if the system does not say it.
pub(super) fn put_by_others(address: &ServiceAddress) -> Vec<Elsewhere> {
    let places = Address::from(address.clone()).put_by_others();
    let places = places.unwrap_or_default().into_iter();
    places
        .map(|(interface, prefix)| Elsewhere { interface, prefix })
        .collect()
}
