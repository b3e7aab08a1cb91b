//! The commands, one file each.

pub mod bench;
pub mod compile;
pub mod inspect;
pub mod list;
pub mod opt;
pub mod profile;
pub mod run;
