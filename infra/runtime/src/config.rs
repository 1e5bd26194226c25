//! Configuration in layers: a default file, which is the one list of keys that exist, then a file of the
//! operator's, the environment and the command line, the later winning.
//!
//! Promises: a key that is not in the default file is an error that names the nearest one that is; a value
//! of another type than the default's is an error; every error says where its value came from, and all of
//! them are told at once. A text key with a `_file` twin in the default file is a secret: naming a file in
//! the twin reads the value from there, and [`Loaded::describe`] never shows it.

mod error;
mod layers;
mod secret;

pub use error::{ConfigError, ConfigErrors};
pub use layers::{Layers, Loaded};
pub use secret::Secret;

#[cfg(test)]
mod tests;
