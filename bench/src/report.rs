//! What was measured, for people and for programs.

use std::{fmt::Write as _, fs, path::Path};

use anyhow::{Context as _, Result};
use serde::Serialize;

use crate::{Plan, machine};

/// Which way is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Direction {
    /// More is better.
    Higher,
    /// Less is better.
    Lower,
}

/// One number with its goal, if it has one.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Figure {
    pub name: &'static str,
    pub value: f64,
    pub unit: &'static str,
    pub goal: Option<f64>,
    pub direction: Direction,
    pub met: Option<bool>,
    /// The raw numbers behind it.
    pub seen: String,
}

impl Figure {
    /// A figure that should reach at least its goal.
    pub(crate) fn at_least(
        goal: f64,
        name: &'static str,
        value: f64,
        unit: &'static str,
        seen: String,
    ) -> Self {
        let met = Some(value >= goal);
        Self { name, value, unit, goal: Some(goal), direction: Direction::Higher, met, seen }
    }

    /// A figure that should stay at or below its goal.
    pub(crate) fn at_most(
        goal: f64,
        name: &'static str,
        value: f64,
        unit: &'static str,
        seen: String,
    ) -> Self {
        let met = Some(value <= goal);
        Self { name, value, unit, goal: Some(goal), direction: Direction::Lower, met, seen }
    }

    /// A figure without a goal, of which less is better.
    pub(crate) fn free(name: &'static str, value: f64, unit: &'static str, seen: String) -> Self {
        Self { name, value, unit, goal: None, direction: Direction::Lower, met: None, seen }
    }
}

/// All figures of a run.
#[derive(Debug, Default)]
pub(crate) struct Report {
    figures: Vec<Figure>,
}

impl Report {
    /// Adds what a group measured, and shows it at once.
    pub(crate) fn extend(&mut self, figures: Vec<Figure>) {
        for figure in &figures {
            eprintln!("  {} {} {} ({})", figure.name, shown(figure.value), figure.unit, figure.seen);
        }
        self.figures.extend(figures);
    }

    /// Prints the table, writes `bench/results.json` and, of a whole run, `docs/benchmarks.md`.
    pub(crate) fn write(&self, plan: &Plan, is_whole: bool) -> Result<()> {
        let table = self.table();
        println!("{table}");
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let results = here.join("results.json");
        fs::write(&results, serde_json::to_string_pretty(&self.figures)? + "\n")
            .with_context(|| format!("writing {}", results.display()))?;
        if is_whole {
            let file = here.join("../docs/benchmarks.md");
            fs::write(&file, page(plan, &table)?).with_context(|| format!("writing {}", file.display()))?;
        }
        Ok(())
    }

    fn table(&self) -> String {
        let mut table =
            "| Figure | Measured | Unit | Goal | Met | Seen |\n|---|---:|---|---:|---|---|\n".to_owned();
        for Figure { name, value, unit, goal, direction, met, seen } in &self.figures {
            let sign = if *direction == Direction::Higher { "≥" } else { "≤" };
            let goal = goal.map_or_else(|| "–".to_owned(), |goal| format!("{sign} {}", shown(goal)));
            let met = met.map_or("–", |met| if met { "yes" } else { "**no**" });
            writeln!(table, "| `{name}` | {} | {unit} | {goal} | {met} | {seen} |", shown(*value))
                .expect("writing to a string does not fail");
        }
        table
    }
}

fn page(plan: &Plan, table: &str) -> Result<String> {
    let machine = machine::describe()?;
    let reading = include_str!("reading.md")
        .replace("SUBSCRIBERS", &plan.subscribers.to_string())
        .replace("ENTRIES", &plan.entries.to_string());
    Ok(format!(
        "# Benchmarks\n\n\
             Written by `make bench`; do not edit. What was changed because of these figures is in\n\
             [performance.md](performance.md).\n\n\
             {machine}\n\n{table}\n{reading}"
    ))
}

/// Three places below ten, one below a thousand, none above.
fn shown(value: f64) -> String {
    match value.abs() {
        small if small < 10.0 => format!("{value:.2}"),
        middle if middle < 1_000.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_goal_is_met_on_its_own_side_only() {
        let met = |figure: Figure| figure.met;
        assert_eq!(met(Figure::at_least(0.5, "a", 0.5, "ratio", String::new())), Some(true));
        assert_eq!(met(Figure::at_least(0.5, "a", 0.49, "ratio", String::new())), Some(false));
        assert_eq!(met(Figure::at_most(1.3, "a", 1.3, "ratio", String::new())), Some(true));
        assert_eq!(met(Figure::at_most(1.3, "a", 1.31, "ratio", String::new())), Some(false));
        assert_eq!(met(Figure::free("a", 1.0, "ms", String::new())), None);
    }
}
