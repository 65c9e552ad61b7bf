//! The tables of the man pages are what the code says. `UPDATE=1` rewrites them.

mod api;
mod events;
mod protocol;
