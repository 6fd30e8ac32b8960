//! The HTTP face, through a server that runs.

mod access;
mod admission;
mod examples;
mod forge_pages;
mod live;
mod places;
mod program;
mod steering;
mod streams;
