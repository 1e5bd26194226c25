//! The direction of dependencies: `node -> gateway, services -> contracts -> infra`, read from what cargo
//! itself resolves, so that no manifest can say otherwise; and that one engine decides who may do what.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use cargo_metadata::{DependencyKind, MetadataCommand};

/// Where a crate lives decides what it may know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Layer {
    /// `infra/*`: ports, adapters, the ground.
    Infra,
    /// `services/contracts`: the published language.
    Contracts,
    /// `services/*`: never each other.
    Service,
    /// `gateway`: contracts, not services.
    Gateway,
    /// `node`: composes everything.
    Node,
    /// `tests/simulation`: composes services as the node does, on ports that it makes up.
    Simulation,
    /// The rest of `tests/*` and `bench`: outside the product.
    Outside,
}

impl Layer {
    fn of(path: &str) -> Option<Self> {
        let parts: Vec<&str> = path.split('/').collect();
        Some(match parts.as_slice() {
            ["infra", _] => Self::Infra,
            ["services", "contracts"] => Self::Contracts,
            ["services", _] => Self::Service,
            ["gateway"] => Self::Gateway,
            ["node"] => Self::Node,
            ["tests", "simulation"] => Self::Simulation,
            ["tests", _] | ["bench"] => Self::Outside,
            _ => return None,
        })
    }

    fn may_use(self, other: Self) -> bool {
        match self {
            Self::Infra | Self::Contracts => other == Self::Infra,
            Self::Service | Self::Gateway => matches!(other, Self::Infra | Self::Contracts),
            Self::Node => !matches!(other, Self::Outside | Self::Simulation | Self::Node),
            Self::Simulation => !matches!(other, Self::Simulation | Self::Node),
            // A harness speaks to the product as a client does: over the wire, in the contracts' words.
            Self::Outside => matches!(other, Self::Outside | Self::Contracts | Self::Infra),
        }
    }
}

/// An arrow between two crates of the workspace, by their folders.
#[derive(Debug, Clone)]
struct Arrow {
    from: String,
    to: String,
    only_for_tests: bool,
}

fn wrong(arrows: &[Arrow]) -> Vec<String> {
    let mut faults = Vec::new();
    for Arrow { from, to, only_for_tests } in arrows {
        let layers = Layer::of(from).zip(Layer::of(to));
        let allowed = layers.is_some_and(|(lower, upper)| {
            let harness = *only_for_tests && upper == Layer::Outside;
            lower.may_use(upper) || harness
        });
        if !allowed {
            faults.push(format!("{from} must not depend on {to}"));
        }
    }
    faults
}

fn arrows_of_the_workspace() -> Vec<Arrow> {
    let metadata = MetadataCommand::new().no_deps().exec().expect("cargo describes its own workspace");
    let root = metadata.workspace_root.as_path();
    let folder = |manifest: &cargo_metadata::camino::Utf8Path| {
        let folder = manifest.parent().expect("a manifest stands in a folder");
        folder.strip_prefix(root).expect("members stand below the workspace").to_string()
    };
    let members: BTreeMap<String, String> = metadata
        .packages
        .iter()
        .map(|package| (package.name.to_string(), folder(&package.manifest_path)))
        .collect();
    let mut arrows = Vec::new();
    for package in &metadata.packages {
        for dependency in &package.dependencies {
            if let Some(to) = members.get(&dependency.name) {
                let from = members[package.name.as_str()].clone();
                let only_for_tests = dependency.kind == DependencyKind::Development;
                arrows.push(Arrow { from, to: to.clone(), only_for_tests });
            }
        }
    }
    arrows
}

#[test]
fn every_arrow_points_the_right_way() {
    let arrows = arrows_of_the_workspace();
    assert!(arrows.len() > 20, "the workspace was not read: {arrows:?}");
    assert_eq!(wrong(&arrows), Vec::<String>::new());
}

#[test]
fn every_member_has_a_layer() {
    let arrows = arrows_of_the_workspace();
    let unplaced: Vec<_> = arrows.iter().filter(|arrow| Layer::of(&arrow.from).is_none()).collect();
    assert!(unplaced.is_empty(), "{unplaced:?}");
}

#[test]
fn planted_wrong_arrows_are_caught() {
    for (from, to, only_for_tests) in [
        ("services/auth", "services/messaging", false),
        ("services/auth", "services/messaging", true),
        ("services/contracts", "services/auth", false),
        ("infra/bus", "services/contracts", false),
        ("infra/bus", "tests/testbed", false),
        ("gateway", "services/realtime", false),
        ("services/auth", "node", false),
        ("bench", "node", false),
        ("bench", "services/messaging", false),
        ("tests/simulation", "node", false),
        ("node", "tests/simulation", false),
        ("somewhere/else", "infra/bus", false),
    ] {
        let arrow = Arrow { from: from.to_owned(), to: to.to_owned(), only_for_tests };
        assert_eq!(wrong(&[arrow]).len(), 1, "{from} -> {to} was let through");
    }
}

/// Whether a line of source decides by a role in a conversation instead of asking the permission engine.
fn decides_by_role(line: &str) -> bool {
    if line.trim_start().starts_with("//") {
        return false;
    }
    let compared = line.match_indices("MemberRole::").any(|(at, _)| {
        let before = line[..at].trim_end_matches("Some(").trim_end();
        let operators = ["==", "!=", "<=", ">=", " <", " >"];
        operators.iter().any(|operator| before.ends_with(operator))
    });
    let pattern = line.split_once("=>").is_some_and(|(before, _)| before.contains("MemberRole::"));
    let tests = ["matches!(", "if let ", "let Some("];
    let tested = line.contains("MemberRole::") && tests.iter().any(|test| line.contains(test));
    let imported = ["MemberRole::*", "MemberRole::{"].iter().any(|import| line.contains(import));
    compared || pattern || tested || imported
}

fn sources_below(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder of sources is readable") {
        let path = entry.expect("a folder of sources is readable").path();
        match path.is_dir() {
            true => sources_below(&path, found),
            false if path.extension().is_some_and(|extension| extension == "rs") => found.push(path),
            false => {}
        }
    }
}

#[test]
fn nobody_but_the_permission_engine_decides_by_role() {
    let metadata = MetadataCommand::new().no_deps().exec().expect("cargo describes its own workspace");
    let mut sources = Vec::new();
    for package in
        metadata.packages.iter().filter(|package| !package.manifest_path.as_str().contains("/tests/"))
    {
        let folder = package.manifest_path.parent().expect("a manifest stands in a folder").join("src");
        sources_below(folder.as_std_path(), &mut sources);
    }
    let outside =
        sources.iter().filter(|path| !path.to_string_lossy().contains("/contracts/src/permissions/"));
    let mut faults = Vec::new();
    for path in outside.clone() {
        let text = fs::read_to_string(path).expect("a source is readable");
        let product = text.split("#[cfg(test)]").next().unwrap_or_default();
        faults.extend(
            product
                .lines()
                .filter(|line| decides_by_role(line))
                .map(|line| format!("{}: {line}", path.display())),
        );
    }
    assert!(outside.count() > 100, "the sources were not read");
    assert_eq!(faults, Vec::<String>::new(), "ask tertulia_contracts::permissions");
}

#[test]
fn planted_decisions_by_role_are_caught() {
    for line in [
        "if role == MemberRole::Owner {",
        "if member.role != Some(MemberRole::Guest) {",
        "role >= MemberRole::Admin",
        "seat.role > Some(MemberRole::Member)",
        "Some(MemberRole::Owner) => true,",
        "matches!(role, MemberRole::Admin | MemberRole::Owner)",
        "if let Some(MemberRole::Owner) = role {",
        "use MemberRole::*;",
    ] {
        assert!(decides_by_role(line), "{line}");
    }
    for line in [
        "role: MemberRole::Member,",
        "let role = MemberRole::Member;",
        "None => Some(MemberRole::Guest),",
        "/// as `role == MemberRole::Owner` would",
        "if direct { MemberRole::Member } else { MemberRole::Owner };",
    ] {
        assert!(!decides_by_role(line), "{line}");
    }
}
