//! Warnings of the configuration, as events and as a view keeps them.

use shared::config::{Code, Diagnostic};
use shared::event::Kind;
use shared::view;

use super::Supervisor;

/// What the state of a medium says by itself, for as long as it is so.
fn is_of_a_medium(warning: &Diagnostic) -> bool {
    matches!(warning.code, Code::InterfaceMissing | Code::SerialMissing)
}

impl Supervisor {
    /// Tells them, unless the same ones were told last.
    pub(super) fn note_warnings(&mut self, warnings: &[Diagnostic]) {
        if self.recorder.view().config_warnings == warning_texts(warnings) {
            return;
        }
        for warning in warnings.iter().filter(|warning| !is_of_a_medium(warning)) {
            self.recorder.note(warning_event(warning), None);
        }
    }
}

/// A warning of the configuration as an event.
fn warning_event(warning: &Diagnostic) -> Kind {
    let place = match &warning.spot {
        Some(spot) => format!("{}:{}", warning.file, spot.line),
        None => warning.file.to_string(),
    };
    Kind::ConfigWarning {
        place,
        warning: warning.message.clone(),
    }
}

/// As a view keeps them.
pub(super) fn warning_texts(warnings: &[Diagnostic]) -> Vec<String> {
    let mut texts: Vec<String> = Vec::new();
    for text in warnings
        .iter()
        .filter(|warning| !is_of_a_medium(warning))
        .map(|warning| warning_event(warning).to_string())
    {
        if texts.len() < view::NOTES_MAX && !texts.contains(&text) {
            texts.push(text);
        }
    }
    texts
}
