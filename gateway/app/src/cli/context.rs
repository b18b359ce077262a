//! What a command knows of its surroundings: language, configuration, form of the output.

use crate::cli::args::{Common, Lang};
use crate::config::secrets::Environment;
use crate::config::{self, Outline};
use linli_domain::text::Language;
use std::io::IsTerminal;
use std::path::PathBuf;

/// The surroundings of one command.
#[derive(Debug)]
pub(crate) struct Context {
    /// Language of the output.
    pub(crate) language: Language,
    /// One JSON value on standard output.
    pub(crate) json: bool,
    /// Colours on standard error.
    pub(crate) colour: bool,
    /// The configuration file.
    pub(crate) config: PathBuf,
    /// What could be read of it.
    pub(crate) outline: Outline,
    /// The wished address of the gateway.
    pub(crate) url: Option<String>,
    /// The wished token file.
    pub(crate) token_file: Option<PathBuf>,
    /// `$LINLI_TOKEN`.
    pub(crate) token: Option<String>,
}

impl Context {
    /// Looks at the common arguments, the configuration and the environment.
    pub(crate) fn new(common: &Common, environment: Environment<'_>) -> Self {
        let outline = if common.config.is_file() {
            config::inspect(&common.config, environment).outline
        } else {
            Outline::default()
        };
        let wished = common.lang.map(|lang| match lang {
            Lang::Zh => Language::Zh,
            Lang::En => Language::En,
        });
        Self {
            language: wished
                .or(outline.language)
                .unwrap_or_else(|| language_of(environment)),
            json: common.json,
            colour: std::io::stderr().is_terminal()
                && environment("NO_COLOR").is_none_or(|value| value.is_empty()),
            config: common.config.clone(),
            outline,
            url: common.url.clone(),
            token_file: common.token_file.clone(),
            token: environment("LINLI_TOKEN").filter(|token| !token.is_empty()),
        }
    }
}

/// The language of the environment: Chinese where the locale says so, English everywhere else.
pub(crate) fn language_of(environment: Environment<'_>) -> Language {
    let set = |name: &&str| environment(name).filter(|value| !value.is_empty());
    let locale = ["LC_ALL", "LC_MESSAGES", "LANG"].iter().find_map(set);
    if locale.is_some_and(|locale| locale.to_ascii_lowercase().starts_with("zh")) {
        Language::Zh
    } else {
        Language::En
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_locale_decides_in_the_order_of_posix() {
        let with = |pairs: &'static [(&str, &str)]| {
            language_of(&|name| {
                pairs
                    .iter()
                    .find(|(n, _)| *n == name)
                    .map(|(_, v)| (*v).to_owned())
            })
        };
        assert_eq!(with(&[("LANG", "zh_CN.UTF-8")]), Language::Zh);
        assert_eq!(with(&[("LC_ALL", "C"), ("LANG", "zh_CN.UTF-8")]), Language::En);
        assert_eq!(with(&[("LC_ALL", ""), ("LANG", "zh_TW")]), Language::Zh);
        assert_eq!(with(&[]), Language::En);
    }
}
