//! What an operator asks of files and of a running gateway, free of printing.

pub mod advice;
pub mod backup;
pub mod broker_users;
pub mod cases;
pub mod check;
pub mod decode;
pub mod firmware;
pub mod doctor;
pub mod export;
pub mod recognise;
pub mod backtest;
pub mod proposal;
pub mod quality;
pub mod rig;
pub mod recording;
pub mod replay;
