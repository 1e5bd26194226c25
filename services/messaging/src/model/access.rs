//! Who may do what in a conversation: one pure function, so that there is one place to read and to test.

use tertulia_contracts::messaging::{ConversationKind, MemberRole, Visibility};

/// What somebody wants to do in a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Know that it exists, and its title.
    Find,
    /// Read its log.
    Read,
    /// See who belongs to it.
    ListMembers,
    /// Post a message.
    Write,
    /// Move one's own cursor.
    MoveCursor,
    /// Become a member by one's own wish.
    Join,
    /// Stop being a member by one's own wish.
    Leave,
    /// Make somebody else a member.
    AddMember,
    /// End somebody else's membership.
    RemoveMember,
    /// Change its title.
    Update,
}

/// What a decision depends on.
#[derive(Debug, Clone, Copy)]
pub struct Ground {
    /// The conversation's kind.
    pub kind: ConversationKind,
    /// Who may find and read it.
    pub visibility: Visibility,
    /// The actor's role in it; none for somebody who is not a member.
    pub role: Option<MemberRole>,
}

/// Why it may not be done, and so how much the answer gives away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Denied {
    /// For this actor the conversation does not exist.
    Hidden,
    /// The actor may know of the conversation, but not do this.
    Forbidden,
}

/// Decides. A stranger of a private conversation learns nothing of it, whatever they try.
pub fn may(action: Action, ground: Ground) -> Result<(), Denied> {
    let allowed = match ground.role {
        None => stranger_may(action, ground),
        Some(MemberRole::Member) => member_may(action, ground.kind),
        Some(MemberRole::Owner) => owner_may(action, ground.kind),
    };
    match allowed {
        true => Ok(()),
        false if ground.role.is_none() && ground.visibility == Visibility::Private => Err(Denied::Hidden),
        false => Err(Denied::Forbidden),
    }
}

fn stranger_may(action: Action, ground: Ground) -> bool {
    match ground.visibility {
        Visibility::Public => matches!(action, Action::Find | Action::Read | Action::Join),
        Visibility::Paid => action == Action::Find,
        Visibility::Private => false,
    }
}

fn member_may(action: Action, kind: ConversationKind) -> bool {
    match action {
        Action::Find | Action::Read | Action::ListMembers | Action::MoveCursor | Action::Join => true,
        // In a channel few write and many read.
        Action::Write => kind != ConversationKind::Channel,
        // A direct conversation is the two people it was made for.
        Action::Leave => kind != ConversationKind::Direct,
        Action::AddMember | Action::RemoveMember | Action::Update => false,
    }
}

fn owner_may(action: Action, kind: ConversationKind) -> bool {
    match action {
        Action::Write => true,
        Action::AddMember | Action::RemoveMember | Action::Update => kind != ConversationKind::Direct,
        _ => member_may(action, kind),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACTIONS: [Action; 10] = [
        Action::Find,
        Action::Read,
        Action::ListMembers,
        Action::Write,
        Action::MoveCursor,
        Action::Join,
        Action::Leave,
        Action::AddMember,
        Action::RemoveMember,
        Action::Update,
    ];

    fn allowed(kind: ConversationKind, visibility: Visibility, role: Option<MemberRole>) -> Vec<Action> {
        let ground = Ground { kind, visibility, role };
        ACTIONS.into_iter().filter(|action| may(*action, ground).is_ok()).collect()
    }

    #[test]
    fn a_stranger_of_anything_private_learns_nothing() {
        for kind in [ConversationKind::Direct, ConversationKind::Group, ConversationKind::Channel] {
            for action in ACTIONS {
                let ground = Ground { kind, visibility: Visibility::Private, role: None };
                assert_eq!(may(action, ground), Err(Denied::Hidden), "{action:?}");
            }
        }
    }

    #[test]
    fn a_stranger_may_read_and_join_a_public_channel_and_only_find_a_paid_one() {
        let public = allowed(ConversationKind::Channel, Visibility::Public, None);
        assert_eq!(public, [Action::Find, Action::Read, Action::Join]);
        assert_eq!(allowed(ConversationKind::Channel, Visibility::Paid, None), [Action::Find]);
        let ground = Ground { kind: ConversationKind::Channel, visibility: Visibility::Paid, role: None };
        assert_eq!(may(Action::Read, ground), Err(Denied::Forbidden));
    }

    #[test]
    fn only_the_owner_writes_in_a_channel_and_everybody_in_a_group() {
        for (kind, role, writes) in [
            (ConversationKind::Channel, MemberRole::Member, false),
            (ConversationKind::Channel, MemberRole::Owner, true),
            (ConversationKind::Group, MemberRole::Member, true),
            (ConversationKind::Group, MemberRole::Owner, true),
            (ConversationKind::Direct, MemberRole::Member, true),
        ] {
            let actions = allowed(kind, Visibility::Private, Some(role));
            assert_eq!(actions.contains(&Action::Write), writes, "{kind:?} {role:?}");
        }
    }

    #[test]
    fn the_two_of_a_direct_conversation_are_fixed() {
        for role in [MemberRole::Member, MemberRole::Owner] {
            let actions = allowed(ConversationKind::Direct, Visibility::Private, Some(role));
            for fixed in [Action::Leave, Action::AddMember, Action::RemoveMember, Action::Update] {
                assert!(!actions.contains(&fixed), "{role:?} {fixed:?}");
            }
        }
    }
}
