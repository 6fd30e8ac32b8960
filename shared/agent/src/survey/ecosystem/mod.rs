//! One file per ecosystem. Each reads the manifests of its ecosystem and adds to the evidence what they prove.

pub(super) mod dotnet;
pub(super) mod go;
pub(super) mod infrastructure;
pub(super) mod jvm;
pub(super) mod make;
pub(super) mod node;
pub(super) mod php;
pub(super) mod pipeline;
pub(super) mod python;
pub(super) mod requirements;
pub(super) mod ruby;
pub(super) mod rust;
