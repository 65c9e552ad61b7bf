//! Users and groups, from the name service.

use nix::unistd::{Group, User};

/// Whether the user exists, or nothing if the name service failed.
pub(super) fn user_exists(name: &str) -> Option<bool> {
    User::from_name(name).ok().map(|user| user.is_some())
}

/// Whether the group exists, or nothing if the name service failed.
pub(super) fn group_exists(name: &str) -> Option<bool> {
    Group::from_name(name).ok().map(|group| group.is_some())
}
