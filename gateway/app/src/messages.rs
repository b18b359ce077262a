//! The catalogue of texts people read, in Chinese and English with equal keys.
