//! `hactl upgrade`: what it shows of a program that cannot be used.

use shared::api::{UpgradeOutcome, Upgraded};

use crate::cli::server::{Answer, Server};
use crate::{ends, hactl, text};

#[test]
fn a_program_that_is_missing_is_exit_7_and_named_with_the_remedy_and_no_empty_build() {
    let server = Server::start(Answer::Upgraded(Upgraded {
        outcome: UpgradeOutcome::Refused,
        program: "/usr/sbin/hbd".into(),
        build: String::new(),
        processes: Vec::new(),
        reason: "/usr/sbin/hbd is not there; install hbd there, then try again".into(),
    }));
    let output = hactl(&server, &["upgrade"]).output().unwrap();
    ends(&output, 7);
    assert_eq!(
        text(&output.stdout),
        "/usr/sbin/hbd: no build to be seen\n\
         refused: /usr/sbin/hbd is not there; install hbd there, then try again\n\
         what ran before goes on\n"
    );
}
