//! What can go wrong in auth.

mod proof;
mod ways_in;

use std::{borrow::Cow, time::Duration};

use serde_json::{Map, Value};
use tertulia_bus as bus;
use tertulia_contracts::auth::Suspension;
use tertulia_documents as documents;
use tertulia_mail as mail;
use tertulia_runtime::{Fault, FieldError, Kind};

pub use self::{proof::Proof, ways_in::WayIn};
use crate::webauthn::Refused;

/// Why auth refused or failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another account has this handle.
    #[error("the handle is taken")]
    HandleTaken,
    /// The handle would let its owner pose as the house.
    #[error("the handle is reserved")]
    HandleReserved,
    /// Another account has this e-mail address.
    #[error("the e-mail address is taken")]
    EmailTaken,
    /// Accounts are made by invitation alone.
    #[error("registration takes an invitation")]
    InvitationRequired,
    /// The invitation is unknown, withdrawn, too old or used up: which of these is nobody's business.
    #[error("the invitation is not valid")]
    InvitationInvalid,
    /// There is no such invitation.
    #[error("there is no such invitation")]
    InvitationNotFound,
    /// There is no erasure that this is the receipt of.
    #[error("there is no such erasure")]
    ErasureNotFound,
    /// Accounts are made by nobody.
    #[error("registration is closed")]
    RegistrationClosed,
    /// The setup link is unknown, too old or used.
    #[error("the setup link is not valid")]
    SetupLinkInvalid,
    /// No such account, or another password: which of the two is nobody's business.
    #[error("the identifier or the password is wrong")]
    WrongCredentials,
    /// The refresh token was never one of ours, or its session has ended.
    #[error("the refresh token is not valid")]
    RefreshTokenInvalid,
    /// The refresh token was used before, so somebody has a copy of it: its session was ended.
    #[error("the refresh token was used before; its session is ended")]
    RefreshTokenReused,
    /// The access token is good, but its session has been ended.
    #[error("the session has ended")]
    SessionEnded,
    /// The caller has no such session.
    #[error("the caller has no such session")]
    SessionNotFound,
    /// There is no such user.
    #[error("there is no such user")]
    UserNotFound,
    /// The caller has no such token, nor has a bot of theirs.
    #[error("the caller has no such token")]
    TokenNotFound,
    /// The caller has no such bot.
    #[error("the caller has no such bot")]
    BotNotFound,
    /// The account has as many tokens as it may.
    #[error("the account has too many tokens")]
    TooManyTokens,
    /// The person has as many bots as they may.
    #[error("the person has too many bots")]
    TooManyBots,
    /// A field that has its form and cannot be as it is.
    #[error("the field {field} is wrong: {message}")]
    BadField {
        /// Which field or parameter.
        field: &'static str,
        /// What is wrong with it.
        message: &'static str,
    },
    /// The link in a mail is unknown, too old or used.
    #[error("the link is not valid")]
    LinkInvalid,
    /// The account has no address that is not verified.
    #[error("there is no address to verify")]
    NothingToVerify,
    /// Whoever is signed in does not know the password.
    #[error("the password is wrong")]
    WrongPassword,
    /// The new password is too easily guessed.
    #[error("the password is weak")]
    WeakPassword {
        /// Why, and what would be better.
        reason: String,
    },
    /// The same thing was asked for too often.
    #[error("it was asked for too often")]
    TooOften {
        /// When it may be asked for again.
        retry_after: Duration,
    },
    /// The account is suspended; told to whoever knows its password.
    #[error("the account is suspended")]
    AccountSuspended {
        /// Why, and until when.
        suspension: Box<Suspension>,
    },
    /// Whoever runs the instance can be neither suspended nor erased nor given another office.
    #[error("the operator stays what they are")]
    OperatorStays,
    /// Programs keep nobody in order.
    #[error("bots hold no office")]
    BotsHoldNoOffice,
    /// It takes an office that the caller does not hold.
    #[error("only for whoever runs the instance")]
    OperatorOnly,
    /// A way in besides the password is refused.
    #[error(transparent)]
    WayIn(#[from] WayIn),
    /// A proof is asked for, or refused.
    #[error(transparent)]
    Proof(#[from] Proof),
    /// The providers are configured wrongly.
    #[error("{0}")]
    OpenidConfig(String),
    /// Mails are sent and not kept.
    #[error("no mails are kept here")]
    NoOutbox,
    /// A mail could not be handed over.
    #[error(transparent)]
    Mail(#[from] mail::Error),
    /// The bus did not take an event.
    #[error(transparent)]
    Bus(#[from] bus::Error),
    /// A letter's template is not what it should be.
    #[error("a letter cannot be written: {0}")]
    Template(String),
    /// Too many passwords wait to be checked.
    #[error("too many passwords wait to be checked")]
    Busy,
    /// Someone else changed the same thing, again and again.
    #[error("changed by someone else meanwhile")]
    ChangedMeanwhile,
    /// The store is away.
    #[error("the store is away")]
    StoreUnavailable(#[source] documents::Error),
    /// The store cannot do what it should.
    #[error("the store failed")]
    Store(#[source] documents::Error),
    /// A password hash could not be made or read.
    #[error("password hashing failed: {0}")]
    Hashing(String),
    /// The stored signing keys are not what they should be.
    #[error("the signing keys are unreadable: {0}")]
    SigningKeys(&'static str),
}

impl From<Refused> for Error {
    fn from(Refused(why): Refused) -> Self {
        WayIn::PasskeyRefused(why).into()
    }
}

impl From<documents::Error> for Error {
    fn from(error: documents::Error) -> Self {
        match error {
            documents::Error::Unavailable(_) => Self::StoreUnavailable(error),
            documents::Error::Conflict { .. } | documents::Error::Duplicate { .. } => Self::ChangedMeanwhile,
            _ => Self::Store(error),
        }
    }
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::HandleTaken
            | Self::EmailTaken
            | Self::TooManyTokens
            | Self::TooManyBots
            | Self::NothingToVerify
            | Self::BotsHoldNoOffice
            | Self::ChangedMeanwhile => Kind::Conflict,
            Self::HandleReserved | Self::BadField { .. } | Self::WeakPassword { .. } => Kind::Invalid,
            Self::RegistrationClosed
            | Self::InvitationRequired
            | Self::InvitationInvalid
            | Self::SetupLinkInvalid
            | Self::LinkInvalid
            | Self::WrongPassword
            | Self::AccountSuspended { .. }
            | Self::OperatorStays
            | Self::OperatorOnly => Kind::Forbidden,
            Self::TooOften { .. } => Kind::RateLimited,
            Self::WrongCredentials
            | Self::RefreshTokenInvalid
            | Self::RefreshTokenReused
            | Self::SessionEnded => Kind::Unauthenticated,
            Self::SessionNotFound
            | Self::UserNotFound
            | Self::TokenNotFound
            | Self::BotNotFound
            | Self::InvitationNotFound
            | Self::ErasureNotFound
            | Self::NoOutbox => Kind::NotFound,
            Self::Busy | Self::StoreUnavailable(_) => Kind::Unavailable,
            Self::WayIn(error) => error.kind(),
            Self::Proof(error) => error.kind(),
            Self::Mail(error) => error.kind(),
            Self::Bus(error) => error.kind(),
            Self::Store(_)
            | Self::Hashing(_)
            | Self::SigningKeys(_)
            | Self::Template(_)
            | Self::OpenidConfig(_) => Kind::Internal,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::HandleTaken => "handle_taken",
            Self::HandleReserved => "handle_reserved",
            Self::EmailTaken => "email_taken",
            Self::RegistrationClosed => "registration_closed",
            Self::InvitationRequired => "invitation_required",
            Self::InvitationInvalid => "invitation_invalid",
            Self::InvitationNotFound => "invitation_not_found",
            Self::ErasureNotFound => "erasure_not_found",
            Self::SetupLinkInvalid => "setup_link_invalid",
            Self::WrongCredentials => "wrong_credentials",
            Self::RefreshTokenInvalid => "refresh_token_invalid",
            Self::RefreshTokenReused => "refresh_token_reused",
            Self::SessionEnded => "session_ended",
            Self::SessionNotFound => "session_not_found",
            Self::UserNotFound => "user_not_found",
            Self::TokenNotFound => "token_not_found",
            Self::BotNotFound => "bot_not_found",
            Self::TooManyTokens => "too_many_tokens",
            Self::TooManyBots => "too_many_bots",
            Self::BadField { .. } => "invalid_fields",
            Self::LinkInvalid => "link_invalid",
            Self::NothingToVerify => "nothing_to_verify",
            Self::WrongPassword => "wrong_password",
            Self::WeakPassword { .. } => "weak_password",
            Self::TooOften { .. } => "too_often",
            Self::OperatorOnly => "operator_only",
            Self::AccountSuspended { .. } => "account_suspended",
            Self::OperatorStays => "operator_stays",
            Self::BotsHoldNoOffice => "bots_hold_no_office",
            Self::WayIn(error) => error.code(),
            Self::Proof(error) => error.code(),
            Self::NoOutbox => "no_outbox",
            Self::Mail(error) => error.code(),
            Self::Bus(error) => error.code(),
            Self::Busy => "busy",
            Self::ChangedMeanwhile => "changed_meanwhile",
            Self::StoreUnavailable(_) => "store_unavailable",
            Self::Store(_)
            | Self::Hashing(_)
            | Self::SigningKeys(_)
            | Self::Template(_)
            | Self::OpenidConfig(_) => "internal",
        }
    }

    fn detail(&self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Self::HandleTaken => "This handle is taken. Choose another.",
            Self::HandleReserved => "This handle is reserved. Choose another.",
            Self::EmailTaken => "There is an account with this e-mail address already.",
            Self::RegistrationClosed => "This instance does not take registrations. Ask its operator.",
            Self::InvitationRequired => {
                "This instance takes registrations by invitation. Ask its operator for one."
            }
            Self::InvitationInvalid => {
                "The invitation has been used up or withdrawn, or is too old. Ask for another."
            }
            Self::InvitationNotFound => "There is no such invitation.",
            Self::ErasureNotFound => "There is no erasure that this is the receipt of.",
            Self::SetupLinkInvalid => {
                "The setup link has been used or is too old. A restart prints a new one, \
                                       until there is an operator."
            }
            Self::WrongCredentials => "The name or the password is wrong.",
            Self::RefreshTokenInvalid | Self::SessionEnded => "The session has ended. Sign in again.",
            Self::RefreshTokenReused => {
                "The refresh token was used before. For safety the session has been \
                                         ended; sign in again."
            }
            Self::SessionNotFound => "You have no such session.",
            Self::UserNotFound => "There is no such user.",
            Self::TokenNotFound => "You have no such token.",
            Self::BotNotFound => "You have no such bot.",
            Self::TooManyTokens => "This account has 50 tokens; delete one that is no longer used.",
            Self::TooManyBots => "You have 20 bots; delete one first.",
            Self::LinkInvalid => "This link has been used or is too old. Ask for another.",
            Self::NothingToVerify => "There is no e-mail address that waits to be verified.",
            Self::WrongPassword => "The password is wrong.",
            Self::WeakPassword { .. } => "This password is too easily guessed; errors says why.",
            Self::TooOften { .. } => "You did this too often. Try again a little later.",
            Self::AccountSuspended { suspension } => {
                let end = suspension.until.map(|end| format!(" It can be used again from {end} on."));
                let reason = &suspension.reason;
                let detail = format!("This account is suspended: {reason}{}", end.unwrap_or_default());
                return Cow::Owned(detail);
            }
            Self::OperatorStays => {
                "Whoever runs the instance can be neither suspended nor erased nor given another office."
            }
            Self::BotsHoldNoOffice => "A bot holds no office.",
            Self::OperatorOnly => "This is for whoever runs the instance.",
            Self::WayIn(error) => return error.detail(),
            Self::Proof(error) => return error.detail(),
            Self::NoOutbox => "This instance sends its mails over SMTP and keeps none.",
            Self::Mail(error) => return error.detail(),
            Self::Bus(error) => return error.detail(),
            Self::BadField { .. } => "Some fields are not as they should be; each is listed under errors.",
            Self::Busy => "Too many people are signing in just now. Try again in a moment.",
            Self::ChangedMeanwhile => "It was changed by someone else meanwhile. Try again.",
            Self::StoreUnavailable(_) => "The data store is away just now. Try again in a moment.",
            Self::Store(_)
            | Self::Hashing(_)
            | Self::SigningKeys(_)
            | Self::Template(_)
            | Self::OpenidConfig(_) => "Something went wrong on our side; it has been noted.",
        })
    }

    fn fields(&self) -> Vec<FieldError> {
        let field = |field: &str, message: &str| {
            vec![FieldError { field: field.to_owned(), message: message.to_owned() }]
        };
        match self {
            Self::HandleTaken => field("handle", "is taken"),
            Self::HandleReserved => field("handle", "is reserved"),
            Self::EmailTaken => field("email", "is taken"),
            Self::WeakPassword { reason } => field("password", reason),
            Self::BadField { field: name, message } => field(name, message),
            _ => Vec::new(),
        }
    }

    fn extensions(&self) -> Map<String, Value> {
        match self {
            Self::WayIn(error) => error.extensions(),
            _ => Map::new(),
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Busy => Some(Duration::from_secs(2)),
            Self::TooOften { retry_after } => Some(*retry_after),
            Self::Mail(error) => error.retry_after(),
            Self::Bus(error) => error.retry_after(),
            _ => None,
        }
    }
}
