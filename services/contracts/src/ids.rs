//! Every kind of id that crosses a service's border, in one list, so that no prefix is used twice.

use tertulia_runtime::{Id, IdKind};

macro_rules! id_kinds {
    ($($(#[$doc:meta])* $kind:ident = $prefix:literal => $id:ident;)*) => {$(
        #[doc = concat!("Marks the ids that begin with `", $prefix, "_`.")]
        pub enum $kind {}
        impl IdKind for $kind {
            const PREFIX: &'static str = $prefix;
        }
        $(#[$doc])*
        pub type $id = Id<$kind>;
    )*};
}

id_kinds! {
    /// A person's or a bot's account.
    User = "usr" => UserId;
    /// A login on one device.
    Session = "ses" => SessionId;
    /// A token for a program. It is a login, too, whose [`SessionId`] has the same ULID.
    Token = "tok" => TokenId;
    /// An identity elsewhere that signs in to an account here.
    LinkedIdentity = "idn" => IdentityId;
    /// A passkey of an account.
    Passkey = "psk" => PasskeyId;
    /// A direct chat, a group or a channel.
    Conversation = "cnv" => ConversationId;
    /// A message in a conversation.
    Message = "msg" => MessageId;
    /// A link by which people join a conversation, or an invitation to make an account.
    Invitation = "inv" => InvitationId;
    /// What somebody told the moderators of a conversation.
    Report = "rpt" => ReportId;
    /// A custom role in a conversation.
    Role = "rol" => RoleId;
    /// A picture, a recording or any other file.
    Media = "med" => MediaId;
    /// A way for programs to post in a conversation. It is an author, too, whose [`UserId`] has the same ULID.
    Hook = "hok" => HookId;
    /// One running process.
    Node = "nod" => NodeId;
    /// One run of one process's log: a client whose epoch is another cannot resume by position.
    Connection = "con" => ConnectionId;
}
