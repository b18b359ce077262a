//! An estate file: its shape item by item, then its sense, each problem at its line.
//!
//! Items are read one by one, so that a wrong key in one device does not hide what is wrong with the next.

use super::{cross, foreign, spans};
use crate::config::Outline;
use crate::config::problem::{Problem, Sink};
use crate::config::said;
use crate::ops::advice;
use linli_decode::Catalogue;
use linli_domain::estate::doc::{AssetDoc, DeviceDoc, OrderProfileDoc, PlaceDoc, RuleDoc};
use linli_domain::estate::{Estate, EstateDoc};
use serde::de::DeserializeOwned;
use std::path::Path;
use std::sync::Arc;
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

/// Reads an estate file whose sense is checked elsewhere. The problems are those of its shape.
pub fn parse(path: &Path, text: String) -> (Option<EstateDoc>, Vec<Problem>) {
    let sink = Sink::new(path, text);
    let source = sink.source().clone();
    let (table, errors) = DeTable::parse_recoverable(&source.text);
    for error in &errors {
        sink.error(error.span(), said::syntax(error.message()));
    }
    let document = shape(&sink, &table, errors.is_empty());
    (document, sink.into_problems())
}

/// Reads an estate file and checks all of it.
pub(super) fn check(
    path: &Path,
    text: String,
    against: Option<(&Outline, &Catalogue)>,
) -> (Option<EstateDoc>, Vec<Problem>) {
    let sink = Sink::new(path, text);
    let source = sink.source().clone();
    let (table, errors) = DeTable::parse_recoverable(&source.text);
    for error in &errors {
        sink.error(error.span(), said::syntax(error.message()));
    }
    let document = shape(&sink, &table, errors.is_empty());
    if let Some(document) = &document {
        match Estate::resolve(Arc::new(document.clone())) {
            Err(problems) => {
                for problem in problems {
                    let span = spans::find(table.get_ref(), &problem.path);
                    let message = if span.is_some() {
                        problem.message
                    } else {
                        format!("{}: {}", problem.path, problem.message)
                    };
                    sink.error(span, foreign("estate", &message, problem.hint.as_deref()));
                }
            }
            // What devices measure is known with a catalogue only.
            Ok(estate) => {
                if let Some((_, catalogue)) = against {
                    for advice in advice::of(&estate, catalogue) {
                        sink.warn(spans::find(table.get_ref(), &advice.path), advice::said(&advice));
                    }
                    for (path, said) in advice::unguarded(&estate, catalogue) {
                        sink.warn(spans::find(table.get_ref(), &path), said);
                    }
                }
            }
        }
        if let Some((outline, catalogue)) = against {
            cross::check(document, table.get_ref(), outline, catalogue, &sink);
        }
    }
    (document, sink.into_problems())
}

fn shape(sink: &Sink, table: &Spanned<DeTable<'_>>, readable: bool) -> Option<EstateDoc> {
    let mut whole = readable;
    for (key, value) in table.get_ref() {
        let DeValue::Array(items) = value.get_ref() else {
            continue;
        };
        for item in items {
            whole &= match key.get_ref().as_ref() {
                "places" => fits::<PlaceDoc>(sink, item),
                "assets" => fits::<AssetDoc>(sink, item),
                "devices" => fits::<DeviceDoc>(sink, item),
                "rules" => fits::<RuleDoc>(sink, item),
                "order_profiles" => fits::<OrderProfileDoc>(sink, item),
                _ => true,
            };
        }
    }
    if !whole {
        return None;
    }
    match toml::from_str::<EstateDoc>(&sink.source().text) {
        Ok(document) => Some(document),
        Err(error) => {
            sink.error(error.span(), foreign("estate", error.message(), None));
            None
        }
    }
}

/// Whether an item has the shape of its section.
fn fits<T: DeserializeOwned>(sink: &Sink, item: &Spanned<DeValue<'_>>) -> bool {
    match T::deserialize(ValueDeserializer::from(item.clone())) {
        Ok(_) => true,
        Err(error) => {
            let span = error.span().unwrap_or_else(|| item.span());
            sink.error(span, foreign("estate", error.message(), None));
            false
        }
    }
}
