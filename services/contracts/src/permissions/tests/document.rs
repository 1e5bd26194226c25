//! `docs/permissions.md` says what the code does.

use super::*;
use crate::permissions::{
    ARCHIVED_ALLOWS, BANNED_KEEPS, BOTS_MAY_NOT, Denial, FIXED, GUEST_ACCOUNTS_MAY, InstanceAction, MATRIX,
    MUTED_DENIES, OWNER_KEEPS, Open, Rule, may,
};

const DOCUMENT: &str = include_str!("../../../../../docs/permissions.md");

fn name<T: std::fmt::Debug>(role: Option<T>) -> String {
    role.map_or_else(|| "—".to_owned(), |role| format!("{role:?}").to_lowercase())
}

fn row(rule: Rule) -> String {
    let strangers = match rule.strangers {
        Open::Never => "—",
        Open::Public => "public",
        Open::Listed => "public, paid",
    };
    let needs = rule.needs.map_or_else(String::new, |needed| format!("`{needed}`"));
    let [group, channel, direct] = [rule.group, rule.channel, rule.direct].map(name);
    let office = name(rule.office);
    format!("| `{}` | {group} | {channel} | {direct} | {strangers} | {office} | {needs} |", rule.action)
}

fn list(name: &str, set: Permissions) -> String {
    let names: Vec<String> = set.iter().map(|action| format!("`{action}`")).collect();
    format!("| {name} | {} |", names.join(" "))
}

#[test]
fn the_document_shows_the_tables_of_the_code() {
    let matrix = MATRIX.into_iter().map(row);
    let sets = [
        list("Archived: all that goes on", ARCHIVED_ALLOWS),
        list("Muted: what is denied", MUTED_DENIES),
        list("Banned: all that is left", BANNED_KEEPS),
        list("Guest accounts: all they may, whatever their role", GUEST_ACCOUNTS_MAY),
        list("Bots: what they may not, whatever their role", BOTS_MAY_NOT),
        list("Fixed: what no override changes", FIXED),
        list("The owner's way back: what no override takes from the owner", OWNER_KEEPS),
    ];
    let expected: Vec<String> = matrix.chain(sets).collect();
    let shown: Vec<&str> =
        DOCUMENT.lines().filter(|line| line.starts_with("| ") && !line.contains("---")).collect();
    let rows: Vec<&str> =
        shown.iter().copied().filter(|line| expected.iter().any(|row| row == line)).collect();
    assert_eq!(rows, expected, "docs/permissions.md should hold these lines:\n{}", expected.join("\n"));
    let actions =
        shown.iter().filter(|line| line.starts_with("| `") && line.matches('|').count() == 8).count();
    assert_eq!(actions, Action::ALL.len(), "docs/permissions.md shows rows that the code does not have");
}

#[test]
fn the_document_explains_every_reason() {
    let denials = [
        Denial::Kind(ConversationKind::Direct),
        Denial::Archived,
        Denial::Account(InstanceRole::Guest),
        Denial::Banned,
        Denial::Muted,
        Denial::CustomRole,
        Denial::Member,
        Denial::Stranger,
        Denial::Role(MemberRole::Member),
        Denial::Outranked,
        Denial::GrantsMore,
        Denial::OwnerMustHandOver,
    ];
    for denial in denials {
        let code = denial.code();
        assert!(DOCUMENT.contains(&format!("| `{code}` |")), "docs/permissions.md does not explain {code}");
        assert!(denial.explanation().ends_with('.'));
    }
}

#[test]
fn the_document_shows_what_takes_an_office() {
    for action in InstanceAction::ALL {
        let least = format!("{:?}", action.least()).to_lowercase();
        let row = format!("| {} | `{}` |", least, action.name());
        assert!(DOCUMENT.contains(&row), "docs/permissions.md should hold this line:\n{row}");
        assert!(may(InstanceRole::Operator, *action), "{action:?}: whoever runs the instance may");
        assert!(
            ![InstanceRole::Guest, InstanceRole::Bot, InstanceRole::User]
                .iter()
                .any(|role| may(*role, *action))
        );
    }
}
