use std::{
    collections::BTreeMap,
    ffi::OsString,
    fmt::{self, Write},
    fs,
    path::Path,
};

use serde::de::DeserializeOwned;
use toml::{
    Table, Value,
    de::{DeTable, DeValue},
};

use super::{
    error::{ConfigError, ConfigErrors, Origin},
    secret::REDACTED,
};

/// A value and where it came from. Not printable: the value may be a secret.
struct Entry {
    value: Value,
    origin: Origin,
}

/// The layers put on one another so far. Errors are kept until [`Layers::load`], which tells them all.
pub struct Layers {
    /// By dotted key: `node.listen`.
    defaults: BTreeMap<String, Value>,
    entries: BTreeMap<String, Entry>,
    errors: Vec<ConfigError>,
}

/// A configuration that was read, and the story of each value. Printed, it shows no secret.
pub struct Loaded<T> {
    /// The values.
    pub value: T,
    entries: BTreeMap<String, Entry>,
    secrets: Vec<String>,
}

impl Layers {
    /// The default file's text: every key there is, with its default.
    ///
    /// # Panics
    /// When it is not TOML: it is part of the program.
    pub fn new(default_toml: &str) -> Self {
        let table: Table = default_toml.parse().expect("the default configuration is TOML");
        let mut defaults = BTreeMap::new();
        flatten(&table, "", &mut |key, value| {
            defaults.insert(key, value.clone());
        });
        let origin = Origin::Default;
        let entry = |value: &Value| Entry { value: value.clone(), origin: origin.clone() };
        let entries = defaults.iter().map(|(key, value)| (key.clone(), entry(value))).collect();
        Self { defaults, entries, errors: Vec::new() }
    }

    /// Puts a file on top; that it cannot be read is an error.
    #[must_use]
    pub fn file(mut self, path: impl AsRef<Path>) -> Self {
        let path = path.as_ref();
        match fs::read_to_string(path) {
            Ok(text) => self.add_file(path, &text),
            Err(error) => self.refuse(file_origin(path, None), format!("cannot be read: {error}")),
        }
        self
    }

    fn add_file(&mut self, path: &Path, text: &str) {
        let (table, lines) = match (text.parse::<Table>(), DeTable::parse(text)) {
            (Ok(table), Ok(spans)) => (table, lines_of(text, spans.get_ref())),
            (Err(error), _) | (_, Err(error)) => {
                let line = error.span().map(|span| line_at(text, span.start));
                return self.refuse(file_origin(path, line), format!("is not TOML: {}", error.message()));
            }
        };
        flatten(&table, "", &mut |key, value| {
            let origin = file_origin(path, lines.get(&key).copied());
            self.set(&key, value.clone(), origin);
        });
    }

    /// Puts environment variables on top: `PREFIX_SECTION__KEY`. Those of another form are somebody else's,
    /// unless they look like a slip of the pen.
    #[must_use]
    pub fn env<K, V>(mut self, prefix: &str, variables: impl IntoIterator<Item = (K, V)>) -> Self
    where
        K: Into<OsString>,
        V: Into<OsString>,
    {
        for (name, value) in variables {
            let Ok(variable) = name.into().into_string() else { continue };
            let Some(rest) = variable.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('_')) else {
                continue;
            };
            let (key, origin) =
                (rest.replace("__", ".").to_lowercase(), Origin::Environment { variable: variable.clone() });
            if !rest.contains("__") && !self.defaults.contains_key(&key) {
                self.suspect(prefix, rest, origin);
                continue;
            }
            match value.into().into_string() {
                Ok(text) => self.set_text(&key, &text, origin),
                Err(_) => self.refuse(origin, "is not UTF-8".to_owned()),
            }
        }
        self
    }

    /// `TERTULIA_NODE_LISTEN` sets nothing, and nobody would see why.
    fn suspect(&mut self, prefix: &str, rest: &str, origin: Origin) {
        let meant = self.defaults.keys().find(|key| key.replace('.', "_") == rest.to_lowercase());
        if let Some(key) = meant {
            let right = format!("{prefix}_{}", key.replace('.', "__").to_uppercase());
            self.refuse(origin, format!("sets nothing; did you mean {right}?"));
        }
    }

    /// Puts one value from the command line on top.
    #[must_use]
    pub fn flag(mut self, key: &str, value: impl AsRef<str>) -> Self {
        self.set_text(key, value.as_ref(), Origin::Flag);
        self
    }

    /// All layers as a `T`, or everything that is wrong with them.
    pub fn load<T: DeserializeOwned>(mut self) -> Result<Loaded<T>, ConfigErrors> {
        let secrets = secrets(&self.defaults);
        self.read_secret_files(&secrets);
        // Each round names one value that its type refuses and puts the default in its place, so that the
        // next round finds the next one. There are at most as many rounds as keys.
        loop {
            let error = match serde_path_to_error::deserialize::<_, T>(Value::Table(self.nested())) {
                Ok(value) if self.errors.is_empty() => {
                    return Ok(Loaded { value, entries: self.entries, secrets });
                }
                Ok(_) => return Err(ConfigErrors(self.errors)),
                Err(error) => error,
            };
            let key = self.key_of(&error.path().to_string());
            let message = error.inner().message().trim().to_owned();
            let at = key.and_then(|key| Some((self.entries.get(&key)?.origin.clone(), key)));
            match at {
                Some((origin, key)) if origin != Origin::Default => {
                    self.refuse(origin, format!("{key}: {message}"));
                    let value = self.defaults[&key].clone();
                    self.entries.insert(key, Entry { value, origin: Origin::Default });
                }
                _ => {
                    self.refuse(Origin::Default, format!("{}: {message}", error.path()));
                    return Err(ConfigErrors(self.errors));
                }
            }
        }
    }

    /// The configured key that a path of serde's lies in: `discovery.auth[0]` lies in `discovery.auth`.
    fn key_of(&self, path: &str) -> Option<String> {
        let holds = |key: &&String| {
            path.strip_prefix(key.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        };
        self.entries.keys().filter(holds).max_by_key(|key| key.len()).cloned()
    }

    fn refuse(&mut self, origin: Origin, message: String) {
        self.errors.push(ConfigError { origin, message });
    }

    fn set(&mut self, key: &str, value: Value, origin: Origin) {
        let Some(default) = self.defaults.get(key) else {
            let message = self.unknown(key);
            return self.refuse(origin, message);
        };
        match fit(value, default) {
            Ok(value) => {
                self.entries.insert(key.to_owned(), Entry { value, origin });
            }
            Err(found) => {
                let message = format!("{key} is {found}; it should be {}", kind(default));
                self.refuse(origin, message);
            }
        }
    }

    fn set_text(&mut self, key: &str, text: &str, origin: Origin) {
        let value =
            self.defaults.get(key).map_or_else(|| Value::from(text), |default| read_as(default, text));
        self.set(key, value, origin);
    }

    fn unknown(&self, key: &str) -> String {
        let section = format!("{key}.");
        if self.defaults.keys().any(|known| known.starts_with(&section)) {
            return format!("{key} is a section and takes no value of its own");
        }
        let nearest = self
            .defaults
            .keys()
            .max_by(|a, b| strsim::jaro_winkler(a, key).total_cmp(&strsim::jaro_winkler(b, key)));
        nearest.map_or_else(
            || format!("there is no key {key}"),
            |nearest| format!("there is no key {key}; did you mean {nearest}?"),
        )
    }

    /// Replaces each secret by the content of the file its twin names, and forgets the twins.
    fn read_secret_files(&mut self, secrets: &[String]) {
        self.read_secret_files_in_lists();
        for key in secrets {
            let Some(twin) = self.entries.remove(&format!("{key}_file")) else { continue };
            let Some(path) = twin.value.as_str().filter(|path| !path.is_empty()) else { continue };
            if self.entries.get(key).is_some_and(|entry| entry.origin != Origin::Default) {
                let message = format!("{key}_file and {key} are both set; only one may be");
                self.refuse(twin.origin, message);
                continue;
            }
            match fs::read_to_string(path) {
                Ok(text) => {
                    let value = Value::from(text.trim_end_matches(['\r', '\n']));
                    self.entries
                        .insert(key.clone(), Entry { value, origin: file_origin(Path::new(path), None) });
                }
                Err(error) => self.refuse(twin.origin, format!("{key}_file: {path} cannot be read: {error}")),
            }
        }
    }

    /// The same for the sections of a list, `[[auth.openid]]`, whose keys the default file cannot show.
    fn read_secret_files_in_lists(&mut self) {
        let mut wrong = Vec::new();
        for (key, Entry { value, origin }) in &mut self.entries {
            let Value::Array(items) = value else { continue };
            for section in items.iter_mut().filter_map(Value::as_table_mut) {
                let twins = section.keys().filter_map(|name| name.strip_suffix("_file"));
                let secrets: Vec<String> = twins.filter(|name| is_secret(name)).map(str::to_owned).collect();
                for secret in secrets {
                    if let Err(message) = read_secret_file(section, &secret) {
                        wrong.push((origin.clone(), format!("{key}: {message}")));
                    }
                }
            }
        }
        for (origin, message) in wrong {
            self.refuse(origin, message);
        }
    }

    fn nested(&self) -> Table {
        let mut root = Table::new();
        for (key, entry) in &self.entries {
            let mut sections: Vec<&str> = key.split('.').collect();
            let name = sections.pop().unwrap_or_default();
            let mut table = &mut root;
            for section in sections {
                let inner = table.entry(section).or_insert_with(|| Value::Table(Table::new()));
                let Value::Table(inner) = inner else {
                    unreachable!("a key of the default file has one meaning")
                };
                table = inner;
            }
            table.insert(name.to_owned(), entry.value.clone());
        }
        root
    }
}

impl<T> fmt::Debug for Loaded<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.describe())
    }
}

impl<T> Loaded<T> {
    /// Every key with its value and where that came from, secrets redacted: TOML, a line a key.
    pub fn describe(&self) -> String {
        let mut text = String::new();
        let mut section = "";
        let named = |key| str::rsplit_once(key, '.').unwrap_or(("", key));
        let mut entries: Vec<_> = self.entries.iter().map(|(key, entry)| (named(key), key, entry)).collect();
        // A section's own keys come before those of the sections within it, or it would begin twice.
        entries.sort_by_key(|(name, ..)| *name);
        for ((of, name), key, entry) in entries {
            if of != section {
                section = of;
                let blank = if text.is_empty() { "" } else { "\n" };
                let _ = writeln!(text, "{blank}[{section}]");
            }
            let hidden = self.secrets.contains(key) && entry.value.as_str() != Some("");
            let value = if hidden { Value::from(REDACTED) } else { discreet(&entry.value) };
            let _ = writeln!(text, "{name} = {value}  # {}", entry.origin);
        }
        text
    }
}

/// The text keys that have a `_file` twin.
fn secrets(defaults: &BTreeMap<String, Value>) -> Vec<String> {
    defaults.keys().filter(|key| defaults.contains_key(&format!("{key}_file"))).cloned().collect()
}

/// What is a secret in a section of a list tells so by its name: `client_secret`.
fn is_secret(name: &str) -> bool {
    name.ends_with("secret")
}

/// Replaces a secret in a section by the content of the file that its twin names, and forgets the twin.
fn read_secret_file(section: &mut Table, secret: &str) -> Result<(), String> {
    let twin = format!("{secret}_file");
    let named = section.remove(&twin);
    let Some(path) = named.as_ref().and_then(Value::as_str).filter(|path| !path.is_empty()) else {
        return Ok(());
    };
    if section.contains_key(secret) {
        return Err(format!("{twin} and {secret} are both set; only one may be"));
    }
    let text = fs::read_to_string(path).map_err(|error| format!("{twin}: {path} cannot be read: {error}"))?;
    section.insert(secret.to_owned(), Value::from(text.trim_end_matches(['\r', '\n'])));
    Ok(())
}

/// The value without the secrets in the sections of a list.
fn discreet(value: &Value) -> Value {
    match value {
        Value::Array(items) => Value::Array(items.iter().map(discreet).collect()),
        Value::Table(section) => {
            let shown = section.iter().map(|(name, value)| {
                let shown = if is_secret(name) { Value::from(REDACTED) } else { discreet(value) };
                (name.clone(), shown)
            });
            Value::Table(shown.collect())
        }
        value => value.clone(),
    }
}

fn file_origin(path: &Path, line: Option<usize>) -> Origin {
    Origin::File { path: path.to_owned(), line }
}

/// Calls `visit` with the dotted name of each value that is not a table.
fn flatten(table: &Table, section: &str, visit: &mut dyn FnMut(String, &Value)) {
    for (name, value) in table {
        let key = if section.is_empty() { name.clone() } else { format!("{section}.{name}") };
        match value {
            Value::Table(inner) => flatten(inner, &key, visit),
            value => visit(key, value),
        }
    }
}

/// The line each key stands on, from 1, by dotted name.
fn lines_of(text: &str, table: &DeTable<'_>) -> BTreeMap<String, usize> {
    let mut lines = BTreeMap::new();
    let mut open = vec![(String::new(), table)];
    while let Some((section, table)) = open.pop() {
        for (name, value) in table {
            let bare = name.get_ref();
            let key = if section.is_empty() { bare.to_string() } else { format!("{section}.{bare}") };
            match value.get_ref() {
                DeValue::Table(inner) => open.push((key, inner)),
                _ => {
                    lines.insert(key, line_at(text, name.span().start));
                }
            }
        }
    }
    lines
}

fn line_at(text: &str, offset: usize) -> usize {
    text.char_indices().take_while(|(at, _)| *at < offset).filter(|(_, letter)| *letter == '\n').count() + 1
}

/// Reads text as the default's type. What does not read stays text, which then does not fit.
fn read_as(default: &Value, text: &str) -> Value {
    let read = match default {
        Value::Integer(_) => text.parse().ok().map(Value::Integer),
        Value::Float(_) => text.parse().ok().map(Value::Float),
        Value::Boolean(_) => text.parse().ok().map(Value::Boolean),
        // A list of sections is written as TOML writes it: `[{id = "a"}, {id = "b"}]`.
        Value::Array(_) if text.trim_start().starts_with('[') => {
            format!("list = {text}").parse::<Table>().ok().and_then(|mut table| table.remove("list"))
        }
        Value::Array(_) => {
            let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
            Some(Value::Array(items.map(Value::from).collect()))
        }
        _ => None,
    };
    read.unwrap_or_else(|| Value::from(text))
}

/// The value in the default's type, or what type it has instead.
fn fit(value: Value, default: &Value) -> Result<Value, &'static str> {
    match (value, default) {
        #[expect(
            clippy::cast_precision_loss,
            reason = "a whole number where a fraction is configured is small"
        )]
        (Value::Integer(whole), Value::Float(_)) => Ok(Value::Float(whole as f64)),
        (value, default) if value.same_type(default) => Ok(value),
        (value, _) => Err(kind(&value)),
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::String(_) => "text",
        Value::Integer(_) => "a whole number",
        Value::Float(_) => "a number",
        Value::Boolean(_) => "true or false",
        Value::Datetime(_) => "a date",
        Value::Array(_) => "a list",
        Value::Table(_) => "a section",
    }
}
