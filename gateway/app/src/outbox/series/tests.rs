//! The forwarder against a strict target.
