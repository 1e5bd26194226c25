//! Roles and what they need: one table drives the order of starting, and backwards that of stopping.

/// One role of the product.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Role {
    /// The name it is started and discovered under.
    pub name: &'static str,
    /// The roles it calls. One that is not started here is expected elsewhere, through discovery.
    pub needs: &'static [&'static str],
}

/// Why roles cannot be put in order.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum RoleError {
    /// Nobody plays it.
    #[error("there is no role {name}; the roles are {known}")]
    Unknown {
        /// What was asked for.
        name: String,
        /// Every role there is.
        known: String,
    },
    /// They need each other, so none can be first.
    #[error("these roles need each other in a circle: {circle}")]
    Circle {
        /// The way around: `a > b > a`.
        circle: String,
    },
}

/// The wanted roles so that each stands after those it needs; in the table's order where that leaves a
/// choice, and each once.
pub fn start_order<'a>(table: &'a [Role], wanted: &[impl AsRef<str>]) -> Result<Vec<&'a Role>, RoleError> {
    let mut order = Order { table, visiting: Vec::new(), done: Vec::new() };
    for name in wanted {
        order.find(name.as_ref())?;
    }
    for role in table {
        order.place(role)?;
    }
    let is_wanted = |role: &&Role| wanted.iter().any(|name| name.as_ref() == role.name);
    Ok(order.done.into_iter().filter(is_wanted).collect())
}

struct Order<'a> {
    table: &'a [Role],
    visiting: Vec<&'static str>,
    done: Vec<&'a Role>,
}

impl<'a> Order<'a> {
    fn find(&self, name: &str) -> Result<&'a Role, RoleError> {
        let known = || self.table.iter().map(|role| role.name).collect::<Vec<_>>().join(", ");
        let found = self.table.iter().find(|role| role.name == name);
        found.ok_or_else(|| RoleError::Unknown { name: name.to_owned(), known: known() })
    }

    /// The depth is bounded by the table's length: a name seen twice on the way is a circle.
    fn place(&mut self, role: &'a Role) -> Result<(), RoleError> {
        if self.done.contains(&role) {
            return Ok(());
        }
        if let Some(at) = self.visiting.iter().position(|name| *name == role.name) {
            let mut circle = self.visiting.split_off(at);
            circle.push(role.name);
            return Err(RoleError::Circle { circle: circle.join(" > ") });
        }
        self.visiting.push(role.name);
        for need in role.needs {
            self.place(self.find(need)?)?;
        }
        self.visiting.pop();
        self.done.push(role);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &[Role] = &[
        Role { name: "gateway", needs: &["auth", "messaging", "realtime"] },
        Role { name: "auth", needs: &[] },
        Role { name: "realtime", needs: &["messaging"] },
        Role { name: "messaging", needs: &["auth"] },
    ];

    fn names(wanted: &[&str]) -> Result<Vec<&'static str>, RoleError> {
        Ok(start_order(TABLE, wanted)?.into_iter().map(|role| role.name).collect())
    }

    #[test]
    fn each_role_stands_after_what_it_needs() {
        let all = ["gateway", "realtime", "messaging", "auth", "auth"];
        assert_eq!(names(&all).unwrap(), ["auth", "messaging", "realtime", "gateway"]);
        assert_eq!(names(&["gateway", "auth"]).unwrap(), ["auth", "gateway"]);
    }

    #[test]
    fn an_unknown_role_and_a_circle_are_named() {
        let unknown = names(&["auht"]).unwrap_err().to_string();
        assert_eq!(unknown, "there is no role auht; the roles are gateway, auth, realtime, messaging");
        let table = [
            Role { name: "a", needs: &["b"] },
            Role { name: "b", needs: &["c"] },
            Role { name: "c", needs: &["b"] },
        ];
        let circle = start_order(&table, &["a"]).unwrap_err().to_string();
        assert_eq!(circle, "these roles need each other in a circle: b > c > b");
    }
}
