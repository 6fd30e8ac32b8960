//! One file for each operation: its request, its answer and its implementation. `apply` and `edited` hold what several of
//! them share.

pub(crate) mod apply;
pub(crate) mod baseline;
pub(crate) mod collect;
pub(crate) mod create;
pub(crate) mod edited;
pub(crate) mod glob;
pub(crate) mod grep;
pub(crate) mod insert;
pub(crate) mod instructions;
pub(crate) mod put_back;
pub(crate) mod rebase;
pub(crate) mod settle;
pub(crate) mod str_replace;
pub(crate) mod survey;
pub(crate) mod view;
