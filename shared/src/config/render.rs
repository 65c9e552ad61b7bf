//! Diagnostics as text for people, in the manner of rustc.

use std::path::Path;

use annotate_snippets::{AnnotationKind, Element, Group, Level, Origin, Patch, Renderer, Snippet};

use super::diagnostic::{Diagnostic, Severity, Spot};
use super::source::FileName;

/// How to render.
#[derive(Clone, Copy, Debug, Default)]
pub struct Style<'p> {
    /// Put before the names of files.
    pub directory: Option<&'p Path>,
    /// With terminal colours.
    pub colour: bool,
}

/// All diagnostics, an empty line after each.
#[must_use]
pub fn render_all(diagnostics: &[Diagnostic], style: Style<'_>) -> String {
    diagnostics
        .iter()
        .map(|d| render(d, style) + "\n\n")
        .collect()
}

/// One diagnostic, without a closing line end.
#[must_use]
pub fn render(diagnostic: &Diagnostic, style: Style<'_>) -> String {
    let renderer = if style.colour {
        Renderer::styled()
    } else {
        Renderer::plain()
    };
    let path = |file: FileName| match style.directory {
        Some(directory) => directory.join(file.as_str()).display().to_string(),
        None => file.as_str().to_owned(),
    };
    renderer.render(&groups(diagnostic, path))
}

fn groups(diagnostic: &Diagnostic, path: impl Fn(FileName) -> String) -> Vec<Group<'_>> {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let title = level
        .primary_title(&diagnostic.message)
        .id(diagnostic.code.as_str());
    let mut main = title.elements(places(diagnostic, &path));
    if let Some(remedy) = &diagnostic.remedy {
        main = main.element(Level::HELP.message(remedy));
    }
    let mut groups = vec![main];
    if let (Some(spot), Some(replacement)) = (&diagnostic.spot, &diagnostic.replacement) {
        let patch = Patch::new(spot.range.clone(), replacement);
        let snippet = Snippet::source(&spot.excerpt)
            .line_start(spot.line)
            .path(path(diagnostic.file))
            .patch(patch);
        groups.push(
            Level::HELP
                .secondary_title(format!("did you mean `{replacement}`?"))
                .element(snippet),
        );
    }
    groups
}

fn places<'d>(diagnostic: &'d Diagnostic, path: &impl Fn(FileName) -> String) -> Vec<Element<'d>> {
    let Some(spot) = &diagnostic.spot else {
        return vec![Origin::path(path(diagnostic.file)).into()];
    };
    let main = snippet(spot, AnnotationKind::Primary).path(path(diagnostic.file));
    let Some(related) = &diagnostic.related else {
        return vec![main.into()];
    };
    if related.file == diagnostic.file && related.spot.line == spot.line {
        let both = main.annotation(annotation(&related.spot, AnnotationKind::Context));
        return vec![both.into()];
    }
    let other = snippet(&related.spot, AnnotationKind::Context).path(path(related.file));
    vec![main.into(), other.into()]
}

fn snippet(spot: &Spot, kind: AnnotationKind) -> Snippet<'_, annotate_snippets::Annotation<'_>> {
    Snippet::source(&spot.excerpt)
        .line_start(spot.line)
        .annotation(annotation(spot, kind))
}

fn annotation(spot: &Spot, kind: AnnotationKind) -> annotate_snippets::Annotation<'_> {
    let annotation = kind.span(spot.range.clone());
    if spot.label.is_empty() {
        annotation
    } else {
        annotation.label(spot.label.as_str())
    }
}
