//! The published language: what services, the gateway and clients say to each other.
//!
//! Typed ids, requests and answers, events, socket frames, the route table, and thin clients over the mesh.
//! No storage lives here, and one set of rules: who may do what ([`permissions`]), since every service asks it.
//! A type in this crate is a promise to someone we cannot see, so it only ever gains optional fields.

pub mod address;
pub mod auth;
pub mod events;
pub mod frames;
pub mod identity;
pub mod ids;
pub mod live;
pub mod messaging;
mod null;
pub mod permissions;
pub mod presence;
pub mod routes;

pub use ids::{
    ConnectionId, ConversationId, HookId, IdentityId, InvitationId, MediaId, MessageId, NodeId, PasskeyId,
    ReportId, RoleId, SessionId, TokenId, UserId,
};
