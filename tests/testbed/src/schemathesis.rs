//! schemathesis: asks a server all that its `OpenAPI` document says may be asked, and much that it says may not.

use anyhow::Result;
use tokio::process::Command;

use crate::place;

/// Its program, without arguments. Its scripts name an interpreter that was moved since, so that is called itself.
///
/// # Errors
/// It is not installed.
pub fn command() -> Result<Command> {
    let mut command = Command::new(place::built("schemathesis", "python")?);
    command.args(["-m", "schemathesis.cli"]).kill_on_drop(true);
    Ok(command)
}
