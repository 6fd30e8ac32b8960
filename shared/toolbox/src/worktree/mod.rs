//! Compares the workspace with the base commit, without starting git.
//!
//! `baseline` writes a [`record::Record`] of the fresh checkout: what `lstat` says of every file of the base commit. A
//! comparison ([`tracker`]) walks the workspace ([`scan`]), takes for unchanged what still looks the same, and reads the rest.
//! A file is read as git would store it ([`clean`], by the rules of [`attributes`]), and what a comparison has read is
//! remembered for the next one ([`observations`]).

pub(crate) mod attributes;
pub(crate) mod checkout;
pub(crate) mod clean;
pub(crate) mod filters;
pub(crate) mod ignores;
pub(crate) mod left_out;
pub(crate) mod leftovers;
pub(crate) mod observations;
pub(crate) mod record;
pub(crate) mod scan;
pub(crate) mod settled;
pub(crate) mod stamp;
pub(crate) mod state_file;
pub(crate) mod submodule;
pub(crate) mod tracker;
pub(crate) mod written;
