//! The parts of `hadiag(1)` that come from the table of checks.

use clap::Arg;
use diag::registry::{CHECKS, Check, Objects};
use hbd_tests::manual::{compare, escape};

use crate::cli;

#[test]
fn the_manual_holds_what_the_table_says() {
    compare("hadiag.1", "checks", &checks());
    compare("hadiag.1", "options", &options());
}

fn checks() -> String {
    let blocks: String = CHECKS.iter().map(check).collect();
    format!(".Bl -tag -width Ds\n{blocks}.El\n")
}

fn check(check: &Check) -> String {
    let mut out = match check.objects {
        Objects::Named(word) => format!(".It Ic {} Ar {word} ...\n", check.name),
        Objects::One(_) | Objects::Found(_) => format!(".It Ic {}\n", check.name),
    };
    out += &sentences(&format!("{}? {}", check.about, check.text));
    if !check.active.is_empty() {
        out += &format!(".Pp\nUnder\n.Fl -active :\n{}", sentences(check.active));
    }
    for choice in check.options {
        out += &format!(".Pp\nUnder\n.Fl -{}", choice.name);
        out += &choice
            .value
            .map(|word| format!(" Ar {word}"))
            .unwrap_or_default();
        out += &format!(" :\n{}", sentences(choice.about));
    }
    if !check.measured.is_empty() {
        let measured = sentences(check.measured);
        out += &format!(".Pp\nMeasured, for\n.Fl w\nand\n.Fl c :\n{measured}");
    }
    out
}

/// Those of the first check: all have the same.
fn options() -> String {
    let command = cli::command();
    let check = command.get_subcommands().next().expect("there is a check");
    let measured = format!(": {}", CHECKS[0].measured);
    let mut out = String::from(".Bl -tag -width Ds\n");
    let own = |option: &Arg| {
        let mut choices = CHECKS[0].options.iter();
        choices.any(|choice| option.get_id() == choice.name)
    };
    for option in check
        .get_arguments()
        .filter(|option| option.get_long().is_some() && !own(option))
    {
        out += &head(option);
        let help = option
            .get_help()
            .expect("each option has a help")
            .to_string();
        let says = match option.get_id().as_str() {
            "active" => "Touch the object; what that is stands with the check".to_owned(),
            _ => help.strip_suffix(&measured).unwrap_or(&help).to_owned(),
        };
        out += &sentences(&format!("{says}."));
        if let [default] = option.get_default_values() {
            out += &format!("Default: {}.\n", default.to_string_lossy());
        }
    }
    out + ".El\n"
}

fn head(option: &Arg) -> String {
    let mut out = String::from(".It");
    if let Some(short) = option.get_short() {
        out += &format!(" Fl {short} ,");
    }
    out += &format!(" Fl -{}", option.get_long().unwrap_or_default());
    if option.get_action().takes_values() {
        out += &format!(
            " Ar {}",
            option
                .get_value_names()
                .map_or("VALUE", |names| names[0].as_str())
        );
    }
    out + "\n"
}

/// Each sentence on a line of its own, as mdoc(7) wants it.
fn sentences(text: &str) -> String {
    let text = escape(text.trim().trim_end_matches('.')).replace('-', "\\-");
    text.replace(". ", ".\n").replace("? ", "?\n") + ".\n"
}
