//! The local host: the whole product on one machine, with one command.
//!
//! What `template.yaml` names is mounted here and nothing else: its routes behind one port, its tables on an embedded
//! engine, its queues on an SQS-compatible server, its schedules on a clock that can be moved.

pub mod backup;
pub mod cli;
pub mod clock;
pub mod cloud;
pub mod commands;
pub mod data_dir;
pub mod demo;
mod description;
pub mod gateway;
pub mod handler;
pub mod host;
pub mod in_process;
pub mod issuer;
pub mod lambda;
pub mod objects;
pub mod pump;
pub mod queue;
pub mod rights;
pub mod schedule;
pub mod standin;
pub mod stop;
pub mod stream;
pub mod table;
pub mod template;
pub mod wire;
pub mod workbench;
