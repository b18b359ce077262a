//! Tells whoever watches the demo what happens, in their language.

use crate::messages::{self, Key};
use linli_domain::text::Language;
use std::fmt;
use std::sync::Arc;

/// Where the story of the demo is told. Cheap to clone.
#[derive(Clone)]
pub struct Narrator {
    language: Language,
    say: Arc<dyn Fn(&str) + Send + Sync>,
}

impl Narrator {
    /// A narrator who hands each line to `say`.
    pub fn new(language: Language, say: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self {
            language,
            say: Arc::new(say),
        }
    }

    /// The language of the story.
    pub fn language(&self) -> Language {
        self.language
    }

    /// Tells one line of the catalogue.
    pub(super) fn tell(&self, key: Key, values: &[(&str, &str)]) {
        (self.say)(&messages::format(self.language, key, values));
    }
}

impl fmt::Debug for Narrator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Narrator")
            .field("language", &self.language)
            .finish_non_exhaustive()
    }
}
