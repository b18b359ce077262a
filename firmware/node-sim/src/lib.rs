//! A street of sensor nodes as a host program: the same `linli-node` and `linli-modbus-slave` a board runs,
//! behind Modbus TCP, RTU through a TCP converter, or a serial line, with faults on demand.
//!
//! Responsible for: the world around the nodes (water, cars, waste), the bus they share, a foreign input module that may
//! hang on it too, and what goes wrong on it. Not responsible for: deciding anything a node decides; no state is faked past the node.
//!
//! ```no_run
//! use linli_node_sim::{Fault, Kind, NodeConfig, SharedStreet, Street, Transport, serve};
//!
//! # async fn demo() -> Result<(), Box<dyn std::error::Error>> {
//! let nodes = [NodeConfig { unit: 1, kind: Kind::Leak }, NodeConfig { unit: 2, kind: Kind::Parking }];
//! let street = SharedStreet::new(Street::new(nodes)?);
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
//! let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
//! let bus = tokio::spawn(serve(listener, Transport::Tcp, street.clone(), stopped));
//! street.set_leak(1, true);
//! street.set_fault(2, Fault::Silent);
//! drop(stop);
//! bus.await?;
//! # Ok(()) }
//! ```

mod config;
mod fault;
mod flash;
mod module;
mod reaction;
mod serial;
mod server;
mod session;
mod shared;
mod sim_node;
mod street;
mod world;

pub use config::{ConfigError, load};
pub use fault::Fault;
pub use linli_node::State;
pub use linli_registers::Kind;
pub use module::MODULE_CHANNELS;
pub use serial::{SerialError, SerialLine, serve_serial};
pub use server::{Transport, serve};
pub use shared::SharedStreet;
pub use sim_node::BOARD;
pub use street::{Change, NodeConfig, ScriptStep, Street, StreetError};
