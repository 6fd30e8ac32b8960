//! The HTTP face, through a server that runs.

mod admission;
mod door;
mod examples;
mod forge_pages;
mod live;
mod program;
mod steering;
mod streams;
