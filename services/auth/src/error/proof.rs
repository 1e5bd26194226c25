//! What can go wrong when somebody proves who they are besides by the password.

use std::borrow::Cow;

use tertulia_runtime::{Fault, Kind};

/// Why a proof is asked for, or was refused.
#[derive(Debug, thiserror::Error)]
pub enum Proof {
    /// The password is right, and a one-time code is asked for besides.
    #[error("a one-time code is asked for")]
    TotpRequired,
    /// The password is right, and the code is not, or was used.
    #[error("the one-time code is wrong")]
    TotpWrong,
    /// One-time codes are asked for already.
    #[error("one-time codes are on")]
    TotpOn,
    /// No one-time codes are asked for.
    #[error("one-time codes are off")]
    TotpOff,
    /// The session's holder did not prove lately who they are.
    #[error("the act asks for a fresh proof")]
    StepUpRequired,
    /// What somebody who is signed in shows does not prove who they are.
    #[error("the proof is wrong")]
    Wrong,
}

impl Fault for Proof {
    fn kind(&self) -> Kind {
        match self {
            Self::TotpRequired | Self::TotpWrong => Kind::Unauthenticated,
            Self::TotpOn | Self::TotpOff => Kind::Conflict,
            Self::StepUpRequired | Self::Wrong => Kind::Forbidden,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::TotpRequired => "totp_required",
            Self::TotpWrong => "totp_wrong",
            Self::TotpOn => "totp_on",
            Self::TotpOff => "totp_off",
            Self::StepUpRequired => "step_up_required",
            Self::Wrong => "proof_wrong",
        }
    }

    fn detail(&self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Self::TotpRequired => "Give the code that your authenticator shows, too.",
            Self::TotpWrong => "The code is wrong, too old or was used. Wait for the next one.",
            Self::TotpOn => "Codes are asked for already. Turn them off to begin anew.",
            Self::TotpOff => "No codes are asked for. Turn them on first.",
            Self::StepUpRequired => {
                "Prove again who you are at /v1/sessions/current/step-up, or sign in again; then try once more."
            }
            Self::Wrong => {
                "This does not prove who you are. Give your password, or a code where codes are asked for."
            }
        })
    }
}
