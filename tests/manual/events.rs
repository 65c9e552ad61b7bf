//! hbd-events(7): every kind of event and every value in its data, as the documentation of
//! `shared::event` describes them.

use std::fmt::Write as _;

use hbd_tests::manual::{compare, escape};
use shared::event::Kind;
use syn::{Attribute, Expr, Field, Fields, GenericArgument, Item, Lit, Meta, PathArguments, Type};

const PAGE: &str = "hbd-events.7";
const SOURCES: [&str; 3] = [
    include_str!("../../shared/src/event.rs"),
    include_str!("../../shared/src/group.rs"),
    include_str!("../../shared/src/health.rs"),
];
/// What the text of a page calls the types that are written as text or numbers.
const PLAIN: [(&str, &str); 19] = [
    ("String", "text"),
    ("NodeName", "name of a node"),
    ("MediumName", "name of a medium"),
    ("GroupName", "name of a group"),
    ("CheckName", "name of a health check"),
    ("LinkName", "object of peer and medium"),
    ("IpAddr", "IP address"),
    ("Uuid", "UUID"),
    ("EventId", "name of an event"),
    ("KeyIndex", "number"),
    ("Generation", "generation"),
    ("Sequence", "sequence number"),
    ("Duration", "span"),
    ("Moment", "nanoseconds since boot"),
    ("Wall", "nanoseconds since 1970"),
    ("bool", "true or false"),
    ("u8", "number"),
    ("u32", "number"),
    ("u64", "number"),
];

#[test]
fn the_kinds_are_those_of_the_code() {
    let items = items();
    let kind = items.iter().find_map(|item| match item {
        Item::Enum(item) if item.ident == "Kind" => Some(item),
        _ => None,
    });
    let variants: Vec<_> = kind
        .expect("the enum Kind")
        .variants
        .iter()
        .filter(|variant| variant.ident != "Unknown")
        .collect();
    let words: Vec<_> = variants
        .iter()
        .map(|variant| kebab(&variant.ident.to_string()))
        .collect();
    assert_eq!(
        words,
        Kind::WORDS,
        "the words are the names of the variants"
    );
    let mut table = String::from(".Bl -tag -width Ds\n");
    for (word, variant) in words.iter().zip(variants) {
        let _ = write!(table, ".It Cm {word}\n{}", prose(&variant.attrs));
        table.push_str(&fields(&variant.fields));
    }
    table.push_str(".El\n");
    compare(PAGE, "kinds", &table);
}

#[test]
fn the_values_are_those_of_the_code() {
    let shown = kinds_and_what_they_hold();
    let mut text = String::new();
    for item in items() {
        match item {
            Item::Enum(item) if shown.contains(&item.ident.to_string()) => {
                let _ = write!(text, ".Ss {}\n{}", title(&item.ident), prose(&item.attrs));
                text.push_str(".Bl -tag -width Ds\n");
                for variant in &item.variants {
                    let word = kebab(&variant.ident.to_string());
                    let _ = write!(text, ".It Li {word}\n{}", prose(&variant.attrs));
                    text.push_str(&fields(&variant.fields));
                }
                text.push_str(".El\n");
            }
            Item::Struct(item) if shown.contains(&item.ident.to_string()) => {
                let _ = write!(text, ".Ss {}\n{}", title(&item.ident), prose(&item.attrs));
                text.push_str(&fields(&item.fields));
            }
            _ => {}
        }
    }
    compare(PAGE, "values", &text);
}

fn items() -> Vec<Item> {
    let files = SOURCES.iter().map(|source| syn::parse_file(source));
    files.flat_map(|file| file.expect("Rust").items).collect()
}

/// The types of these files that stand in the data of a kind, directly or in one that does.
fn kinds_and_what_they_hold() -> Vec<String> {
    let mut shown = vec!["Severity".to_owned()];
    let mut open = vec!["Kind".to_owned()];
    let items = items();
    while let Some(name) = open.pop() {
        let held: Vec<&Field> = items
            .iter()
            .flat_map(|item| match item {
                Item::Enum(item) if item.ident == name => item
                    .variants
                    .iter()
                    .flat_map(|variant| variant.fields.iter())
                    .collect(),
                Item::Struct(item) if item.ident == name => item.fields.iter().collect(),
                _ => Vec::new(),
            })
            .collect();
        for field in held {
            let (inner, _) = unwrap(&field.ty);
            let plain = PLAIN.iter().any(|(name, _)| *name == inner);
            if is_here(&items, &inner) && !plain && !shown.contains(&inner) {
                shown.push(inner.clone());
                open.push(inner);
            }
        }
    }
    shown
}

fn is_here(items: &[Item], name: &str) -> bool {
    let is_plain = PLAIN.iter().any(|(plain, _)| *plain == name);
    !is_plain
        && items.iter().any(|item| match item {
            Item::Enum(item) => item.ident == name,
            Item::Struct(item) => item.ident == name,
            _ => false,
        })
}

/// The fields as a compact list; of one without a name, where its fields stand.
fn fields(fields: &Fields) -> String {
    if let Fields::Unnamed(fields) = fields {
        let field = fields.unnamed.first().expect("one field");
        return format!("The data has the fields of {}.\n", described(&field.ty));
    }
    if fields.is_empty() {
        return String::new();
    }
    let mut list = String::from(".Bl -tag -width \"quick_restart\" -compact\n");
    for field in fields {
        let name = field.ident.as_ref().expect("a named field");
        let what = described(&field.ty);
        let _ = write!(list, ".It Li {name}\n.Pq {what}\n{}", prose(&field.attrs));
    }
    list.push_str(".El\n");
    list
}

/// A type in words: `span, or null`.
fn described(ty: &Type) -> String {
    let (inner, wrappers) = unwrap(ty);
    let plain = PLAIN.iter().find(|(name, _)| *name == inner);
    let mut text = match plain {
        Some((_, text)) => (*text).to_owned(),
        None if inner == "usize" || inner == "u16" || inner == "u32" => "number".to_owned(),
        None => {
            assert!(
                is_here(&items(), &inner),
                "{inner}: a type that hbd-events(7) has no words for; add it to PLAIN"
            );
            format!("{}, below", inner_title(&inner))
        }
    };
    for wrapper in wrappers {
        match wrapper.as_str() {
            "Option" => text.push_str(", or null"),
            "Vec" => text = format!("list; each: {text}"),
            _ => {}
        }
    }
    text
}

/// The innermost type and what is around it, innermost first.
fn unwrap(ty: &Type) -> (String, Vec<String>) {
    let Type::Path(path) = ty else {
        panic!("a type that is no path");
    };
    let last = path.path.segments.last().expect("a name");
    let name = last.ident.to_string();
    let PathArguments::AngleBracketed(arguments) = &last.arguments else {
        return (name, Vec::new());
    };
    let Some(GenericArgument::Type(inner)) = arguments.args.last() else {
        panic!("{name}: an argument that is no type");
    };
    let (inner, mut around) = unwrap(inner);
    around.push(name);
    (inner, around)
}

/// The documentation of an item as the text of a page, one sentence a line.
fn prose(attributes: &[Attribute]) -> String {
    let lines: Vec<String> = attributes
        .iter()
        .filter(|attribute| attribute.path().is_ident("doc"))
        .filter_map(|attribute| match &attribute.meta {
            Meta::NameValue(pair) => match &pair.value {
                Expr::Lit(literal) => match &literal.lit {
                    Lit::Str(text) => Some(text.value().trim().to_owned()),
                    _ => None,
                },
                _ => None,
            },
            _ => None,
        })
        .collect();
    let text = lines.join(" ").replace(['`', '[', ']'], "");
    text.replace(". ", ".\n")
        .lines()
        .map(|line| escape(line) + "\n")
        .collect()
}

fn title(name: &syn::Ident) -> String {
    let name = inner_title(&name.to_string());
    name[..1].to_uppercase() + &name[1..]
}

/// `LinkStatus` is the link status.
fn inner_title(name: &str) -> String {
    kebab(name).replace('-', " ")
}

fn kebab(name: &str) -> String {
    let mut word = String::new();
    for letter in name.chars() {
        if letter.is_uppercase() && !word.is_empty() {
            word.push('-');
        }
        word.extend(letter.to_lowercase());
    }
    word
}
