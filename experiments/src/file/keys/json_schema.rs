//! The experiment file as a JSON Schema, for editors. It describes single keys; only `kadsim check` checks rules across
//! keys.

use serde_json::{Map, Number, Value, json};

use super::key::{Absent, Key, Least, NEVER, ORIGIN_WORDS, Takes};
use super::table::{
    ALL, CASES, DELAY_FORMS, LABEL, LEAVE_FORMS, LENGTH_FORMS, ORIGIN_FORMS, PHASE, REGIONS_KEYS,
    SWEEP,
};
use super::{can_be_swept, of_section};
use crate::file::defaults::TIME_MAX_US;

/// Regular expression of a name.
const NAME: &str = "[a-z0-9_-]+";

/// Returns the JSON Schema of an experiment file, draft 2020-12.
pub fn json_schema() -> Value {
    let mut schema = section("");
    schema["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    schema["title"] = json!("kadsim experiment");
    schema
}

/// Returns the schema of a section: its keys and no others.
fn section(path: &str) -> Value {
    let keys: Vec<&Key> = of_section(path).collect();
    form(&keys)
}

/// Returns the schema of a table with these keys and no others, some of which may be required.
fn form(keys: &[&Key]) -> Value {
    let mut schema = table(keys.iter().map(|key| (key.name(), described(key))));
    let is_asked_for = |key: &&Key| matches!(key.absent, Absent::Required | Absent::OneOf(_));
    let is_required = |key: &&&Key| match key.absent {
        Absent::Required => true,
        Absent::Section => of_section(key.path).any(|key| is_asked_for(&key)),
        _ => false,
    };
    let required: Vec<_> = keys
        .iter()
        .filter(is_required)
        .map(|key| key.name())
        .collect();
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    let one_of = keys
        .iter()
        .filter(|key| matches!(key.absent, Absent::OneOf(_)));
    let one_of: Vec<_> = one_of
        .map(|key| json!({ "required": [key.name()] }))
        .collect();
    if !one_of.is_empty() {
        schema["anyOf"] = json!(one_of);
    }
    schema
}

/// Returns the schema of a table with these keys and no others.
fn table<N: Into<String>>(keys: impl Iterator<Item = (N, Value)>) -> Value {
    let properties: Map<_, _> = keys.map(|(name, schema)| (name.into(), schema)).collect();
    json!({ "type": "object", "properties": properties, "additionalProperties": false })
}

/// Returns the schema of a list of at least `least` items.
fn list(items: Value, least: usize) -> Value {
    json!({ "type": "array", "items": items, "minItems": least })
}

/// Returns the schema of a key, with its meaning and its default.
fn described(key: &Key) -> Value {
    let mut schema = takes(key);
    schema["description"] = json!(key.meaning());
    if let Absent::Default(spell) = key.absent {
        let text = spell();
        schema["default"] = serde_json::from_str(&text).unwrap_or_else(|_| json!(text));
    }
    schema
}

fn takes(key: &Key) -> Value {
    match &key.takes {
        Takes::Table(_) => section(key.path),
        Takes::Tables(path) if *path == CASES.path => list(case(), 1),
        Takes::Tables(path) => list(section(path), usize::from(*path == PHASE.path)),
        Takes::Paths(_) if key.path == SWEEP.path => sweep(),
        Takes::Paths(_) => json!({ "type": "object" }),
        Takes::List(_) => json!({ "type": "array" }),
        Takes::Integer(low, high, _) => {
            json!({ "type": "integer", "minimum": number(*low), "maximum": number(*high) })
        }
        Takes::Share(false) => json!({ "type": "number", "minimum": 0, "maximum": 1 }),
        Takes::Share(true) => json!({ "type": "number", "minimum": 0, "exclusiveMaximum": 1 }),
        Takes::Number(low, high) => {
            json!({ "type": "number", "minimum": low, "maximum": high })
        }
        Takes::Shares => shares(),
        Takes::Clients => {
            let share = json!({ "type": "number", "minimum": 0, "exclusiveMaximum": 1 });
            json!({ "anyOf": [share, shares()] })
        }
        Takes::Positive => json!({ "type": "number", "exclusiveMinimum": 0 }),
        Takes::Boolean => json!({ "type": "boolean" }),
        Takes::Milliseconds(least) => milliseconds(*least),
        Takes::Deadlines(most) => {
            let mut several = list(milliseconds(Least::Zero), 1);
            several["maxItems"] = json!(most);
            json!({ "anyOf": [milliseconds(Least::Zero), several] })
        }
        Takes::Delay => one_form_of(milliseconds(Least::Zero), DELAY_FORMS),
        Takes::OneWay => {
            let mut schema = one_form_of(milliseconds(Least::Zero), DELAY_FORMS);
            if let Some(all) = schema["anyOf"].as_array_mut() {
                all.push(form(REGIONS_KEYS));
            }
            schema
        }
        Takes::Length => one_form_of(json!({ "enum": [NEVER] }), LENGTH_FORMS),
        Takes::Leave => {
            let share = json!({ "type": "number", "exclusiveMinimum": 0, "maximum": 1 });
            one_form_of(share, LEAVE_FORMS)
        }
        Takes::Form(keys, _) => form(keys),
        Takes::WordOr(words, forms) => one_form_of(json!({ "enum": words }), forms),
        Takes::Ids(most) => {
            let mut ids = list(json!({ "type": "integer" }), 1);
            ids["maxItems"] = json!(most);
            ids["uniqueItems"] = json!(true);
            ids
        }
        Takes::Uniform => pair(milliseconds(Least::Zero)),
        Takes::Choice => list(milliseconds(Least::Zero), 1),
        Takes::Name => json!({ "type": "string", "pattern": format!("^{NAME}$") }),
        Takes::Text(_) => json!({ "type": "string" }),
        Takes::Word(words) => json!({ "enum": words() }),
        Takes::Words(words) => {
            json!({ "type": "array", "items": { "enum": words }, "uniqueItems": true })
        }
        Takes::Origin => one_form_of(json!({ "enum": ORIGIN_WORDS }), ORIGIN_FORMS),
        Takes::Bounds => pair(json!({ "type": "number" })),
    }
}

/// Returns the schema of shares by name.
fn shares() -> Value {
    let share = json!({ "type": "number", "minimum": 0, "maximum": 1 });
    json!({ "type": "object", "additionalProperties": share })
}

fn number(number: i128) -> Number {
    let signed = i64::try_from(number).map(Number::from);
    signed.unwrap_or_else(|_| u64::try_from(number).unwrap_or(u64::MAX).into())
}

fn milliseconds(least: Least) -> Value {
    let bound = match least {
        Least::Zero => "minimum",
        Least::AboveZero => "exclusiveMinimum",
    };
    json!({ "type": "number", bound: 0, "maximum": TIME_MAX_US / 1000 })
}

fn pair(items: Value) -> Value {
    let mut pair = list(items, 2);
    pair["maxItems"] = json!(2);
    pair
}

/// Returns the schema of a plain value, or of a table with one key of `forms`.
fn one_form_of(plain: Value, forms: &[&Key]) -> Value {
    let form = |key: &&Key| {
        let mut form = table([(key.name(), described(key))].into_iter());
        form["required"] = json!([key.name()]);
        form
    };
    let all: Vec<_> = [plain].into_iter().chain(forms.iter().map(form)).collect();
    json!({ "anyOf": all })
}

/// Returns the schema of `[sweep]`: each key that can be swept, with a list of its values. A key without quotes is a
/// table in a table, which the schema does not describe.
fn sweep() -> Value {
    let mut schema = swept(&|value| list(value, 1));
    schema["properties"]["cases"] = described(&CASES);
    schema["additionalProperties"] = json!({ "type": "object" });
    schema["minProperties"] = json!(1);
    schema
}

/// Returns the schema of a `[[sweep.cases]]`: a label, and a value for each key that can be swept.
fn case() -> Value {
    let mut schema = swept(&|value| value);
    schema["properties"][LABEL.name()] = described(&LABEL);
    schema["required"] = json!([LABEL.name()]);
    schema
}

/// Returns the keys that can be swept, by path. `given` makes the schema of a key from that of its value.
fn swept(given: &dyn Fn(Value) -> Value) -> Value {
    let mut properties = Map::new();
    let mut patterns = Map::new();
    let mut add = |path: &str, schema: Value| match path.strip_prefix("phase.") {
        Some(rest) => patterns.insert(
            format!("^phase\\.{NAME}\\.{}$", rest.replace('.', "\\.")),
            schema,
        ),
        None => properties.insert(path.to_owned(), schema),
    };
    for key in ALL.iter().filter(|key| can_be_swept(key.path)) {
        let mut schema = given(takes(key));
        schema["description"] = json!(key.meaning());
        add(key.path, schema);
        let forms: &[&[&Key]] = match key.takes {
            Takes::Delay => &[DELAY_FORMS],
            Takes::OneWay => &[DELAY_FORMS, REGIONS_KEYS],
            Takes::Length => &[LENGTH_FORMS],
            Takes::Origin => &[ORIGIN_FORMS],
            Takes::WordOr(_, forms) => &[forms],
            _ => &[],
        };
        for form in forms.iter().copied().flatten() {
            let path = format!("{}.{}", key.path, form.name());
            if let Takes::Form(keys, _) = form.takes {
                for key in keys {
                    add(&format!("{path}.{}", key.name()), given(takes(key)));
                }
            }
            add(&path, given(takes(form)));
        }
    }
    // A whole phase can be swept too.
    patterns.insert(format!("^phase\\.{NAME}$"), given(section(PHASE.path)));
    json!({
        "type": "object",
        "properties": properties,
        "patternProperties": patterns,
        "additionalProperties": false,
    })
}
