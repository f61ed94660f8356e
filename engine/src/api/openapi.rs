//! `GET /openapi.json`: what the API takes and answers, as an OpenAPI 3.1 document.
//!
//! The schemas are made from the types that the handlers use, and what each operation takes is a table
//! ([`operations()`]). The tests of the API hold every request and answer against the document, and the document against
//! the copy in `docs/reference/openapi.json`, so neither drifts.

mod operations;

use super::write::DRY_RUN;
use axum::Json;
use axum::http::StatusCode;
use operations::operations;
use schemars::generate::{SchemaGenerator, SchemaSettings};
use schemars::{JsonSchema, Schema};
use serde_json::{Map, Value, json};

/// Where the schemas of named types stand in the document.
const DEFINITIONS: &str = "/components/schemas";

/// What an operation takes as its body.
enum Body {
    None,
    Json(fn(&mut SchemaGenerator) -> Schema),
    /// What is to be merged into a JSON document (RFC 7396).
    Patch(fn(&mut SchemaGenerator) -> Schema),
    /// Bytes of a media type.
    Bytes(&'static str),
}

/// What it answers.
enum Answer {
    Nothing,
    Json(fn(&mut SchemaGenerator) -> Schema),
    /// Text of a media type.
    Text(&'static str),
}

/// One method of one resource.
struct Operation {
    method: &'static str,
    path: &'static str,
    says: &'static str,
    query: Option<fn(&mut SchemaGenerator) -> Schema>,
    /// Whether it can be tried without being done.
    is_write: bool,
    body: Body,
    answers: Vec<(StatusCode, Answer)>,
}

const fn operation(method: &'static str, path: &'static str, says: &'static str) -> Operation {
    Operation { method, path, says, query: None, is_write: false, body: Body::None, answers: Vec::new() }
}

const fn get(path: &'static str, says: &'static str) -> Operation {
    operation("get", path, says)
}

const fn post(path: &'static str, says: &'static str) -> Operation {
    operation("post", path, says)
}

const fn put(path: &'static str, says: &'static str) -> Operation {
    operation("put", path, says)
}

const fn patch(path: &'static str, says: &'static str) -> Operation {
    operation("patch", path, says)
}

const fn delete(path: &'static str, says: &'static str) -> Operation {
    operation("delete", path, says)
}

fn schema<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

impl Operation {
    const fn query<T: JsonSchema>(mut self) -> Self {
        self.query = Some(T::json_schema);
        self
    }

    /// It takes these parameters, and the one that every write has.
    const fn writes<T: JsonSchema>(mut self) -> Self {
        self.is_write = true;
        self.query::<T>()
    }

    fn document<T: JsonSchema>(mut self) -> Self {
        self.body = Body::Json(schema::<T>);
        self
    }

    fn merges<T: JsonSchema>(mut self) -> Self {
        self.body = Body::Patch(schema::<T>);
        self
    }

    fn bytes(mut self, media_type: &'static str) -> Self {
        self.body = Body::Bytes(media_type);
        self
    }

    fn answer<T: JsonSchema>(self, status: StatusCode) -> Self {
        self.with(status, Answer::Json(schema::<T>))
    }

    fn shows<T: JsonSchema>(self) -> Self {
        self.answer::<T>(StatusCode::OK)
    }

    fn nothing(self) -> Self {
        self.with(StatusCode::NO_CONTENT, Answer::Nothing)
    }

    fn events(self) -> Self {
        self.with(StatusCode::OK, Answer::Text("text/event-stream"))
    }

    fn with(mut self, status: StatusCode, answer: Answer) -> Self {
        self.answers.push((status, answer));
        self
    }

    fn show(self, generator: &mut SchemaGenerator) -> Value {
        let mut parameters: Vec<Value> = path_names(self.path).map(path_parameter).collect();
        if let Some(query) = self.query {
            parameters.extend(query_parameters(&query(generator)));
        }
        if self.is_write {
            parameters.push(dry_run());
        }
        let problem = content("application/problem+json", &schema::<super::Problem>(generator));
        let mut responses: Map<String, Value> = self
            .answers
            .into_iter()
            .map(|(status, answer)| (status.as_u16().to_string(), answer.show(status, generator)))
            .collect();
        responses.insert(
            "default".into(),
            json!({ "description": "What is wrong (RFC 9457)", "content": problem }),
        );
        let mut shown = json!({ "summary": self.says, "responses": responses });
        let body = match self.body {
            Body::None => None,
            Body::Json(schema) => Some(content("application/json", &schema(generator))),
            Body::Patch(schema) => Some(content("application/merge-patch+json", &schema(generator))),
            Body::Bytes(media_type) => Some(json!({ media_type: {} })),
        };
        if let Some(content) = body {
            shown["requestBody"] = json!({ "required": true, "content": content });
        }
        if !parameters.is_empty() {
            shown["parameters"] = parameters.into();
        }
        shown
    }
}

impl Answer {
    fn show(self, status: StatusCode, generator: &mut SchemaGenerator) -> Value {
        let description = status.canonical_reason().unwrap_or_default();
        match self {
            Self::Nothing => json!({ "description": description }),
            Self::Json(schema) => {
                json!({ "description": description, "content": content("application/json", &schema(generator)) })
            }
            Self::Text(media_type) => {
                let text = json!({ media_type: { "schema": { "type": "string" } } });
                json!({ "description": description, "content": text })
            }
        }
    }
}

fn content(media_type: &str, schema: &Schema) -> Value {
    json!({ media_type: { "schema": schema } })
}

/// The names between braces, in order.
fn path_names(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
}

fn path_parameter(name: &str) -> Value {
    json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } })
}

fn dry_run() -> Value {
    let says = "1 to only say what would come of it: everything is checked, and nothing is recorded.";
    let schema = json!({ "enum": ["0", "1", "true", "false"] });
    json!({ "name": DRY_RUN, "in": "query", "required": false, "schema": schema, "description": says })
}

/// One parameter for each field of a query.
fn query_parameters(query: &Schema) -> Vec<Value> {
    let fields = query.as_value();
    let required = fields["required"].as_array().cloned().unwrap_or_default();
    let Some(properties) = fields["properties"].as_object() else { return Vec::new() };
    let parameter = |(name, schema): (&String, &Value)| {
        let mut schema = schema.clone();
        let says = schema.as_object_mut().and_then(|schema| schema.remove("description"));
        let is_required = required.iter().any(|field| field == name);
        let mut parameter = json!({ "name": name, "in": "query", "required": is_required, "schema": schema });
        if let Some(says) = says {
            parameter["description"] = says;
        }
        parameter
    };
    properties.iter().map(parameter).collect()
}

/// The whole document.
pub(super) fn document() -> Value {
    let settings =
        SchemaSettings::draft2020_12().with(|settings| settings.definitions_path = DEFINITIONS.into());
    let mut generator = settings.into_generator();
    let mut paths: Map<String, Value> = Map::new();
    for operation in operations() {
        let (method, path) = (operation.method, format!("{}{}", super::PREFIX, operation.path));
        let shown = operation.show(&mut generator);
        paths.entry(path).or_insert_with(|| json!({}))[method] = shown;
    }
    let schemas = generator.take_definitions(true);
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "fleetfn",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "What an operator does to a running engine. Lists come in pages: give `next` as `after`.",
        },
        "security": [{ "operator": [] }],
        "paths": paths,
        "components": {
            "securitySchemes": { "operator": { "type": "http", "scheme": "bearer" } },
            "schemas": schemas,
        },
    })
}

/// `GET /openapi.json`.
pub(super) async fn show() -> Json<Value> {
    Json(document())
}
