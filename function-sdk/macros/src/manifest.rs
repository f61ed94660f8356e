//! The manifest of a function, as it stands in the custom section of its module.

use crate::attribute::Settings;
use crate::trigger::Trigger;
use serde_json::{Map, Value, json};

/// The manifest's JSON: what is not asked for is left out, but for what a reader always looks for.
pub(crate) fn json(settings: &Settings) -> String {
    let triggers: Vec<String> =
        settings.triggers.iter().map(|trigger| trigger_json(trigger).to_string()).collect();
    // Written by hand so that the fields stand in the order of the interface's documentation.
    let mut out = format!(
        "{{\"abi\":{},\"name\":{},\"triggers\":[{}],\"publish\":{},\"command\":{}",
        fleetfn_abi::ABI_VERSION,
        json!(settings.name),
        triggers.join(","),
        json!(settings.publish),
        settings.command,
    );
    let mut more = |name: &str, value: Value, there: bool| {
        if there {
            out.push_str(&format!(",{}:{value}", json!(name)));
        }
    };
    more("send", json!(settings.send), !settings.send.is_empty());
    more("twin", json!(true), settings.patch_twin);
    more("http", json!(settings.fetch), !settings.fetch.is_empty());
    more("secrets", json!(settings.secrets), !settings.secrets.is_empty());
    more("state_version", json!(settings.state_version()), settings.state_version() > 0);
    out.push('}');
    out
}

fn trigger_json(trigger: &Trigger) -> Value {
    match trigger {
        Trigger::Telemetry { filter, schema: None } => json!({"telemetry": filter}),
        Trigger::Telemetry { filter, schema: Some(schema) } => {
            json!({"telemetry": filter, "schema": schema.json})
        }
        Trigger::Quiet { filter, for_s } => json!({"quiet": filter, "for_s": for_s}),
        Trigger::Presence => json!({"presence": true}),
        Trigger::Twin => json!({"twin": true}),
        Trigger::Timer(filter) => json!({"timer": filter}),
        Trigger::Cron { expression, per_device } => {
            let mut fields = Map::new();
            fields.insert("cron".into(), json!(expression));
            if *per_device {
                fields.insert("per".into(), json!("device"));
            }
            Value::Object(fields)
        }
        Trigger::Message(filter) => json!({"message": filter}),
        Trigger::Reply(filter) => json!({"reply": filter}),
        Trigger::Http(filter) => json!({"http": filter}),
        Trigger::UpdateOffer => json!({"update": "offer"}),
        Trigger::UpdateReport => json!({"update": "report"}),
        Trigger::Gate => json!({"gate": true}),
    }
}

#[cfg(test)]
mod tests {
    use super::json;
    use crate::attribute;
    use quote::quote;

    fn manifest(attribute: proc_macro2::TokenStream) -> String {
        let settings = attribute::parse(attribute, &syn::parse_quote! { fn climate() {} });
        json(&settings.unwrap_or_else(|error| unreachable!("{error}")))
    }

    #[test]
    fn a_manifest_has_the_form_that_the_interface_documents() {
        let expected = r#"{"abi":1,"name":"climate","triggers":[{"telemetry":"climate"}],"publish":["alerts/#"],"command":true}"#;
        assert_eq!(manifest(quote!(telemetry = "climate", publish = "alerts/#", command)), expected);
    }

    #[test]
    fn everything_that_there_is_stands_in_the_manifest_in_the_order_of_the_attribute() {
        let manifest = manifest(quote!(
            presence,
            quiet(filter = "climate", for_s = 300),
            telemetry(filter = "a", schema = r#"{"type": "object"}"#),
            twin,
            timer = "+",
            cron = "0 2 * * *",
            cron(expression = "*/5 * * * *", per = "device"),
            message = "reading/{room}",
            reply = "reboot",
            http = "hooks/#",
            update = "offer",
            update = "report",
            gate,
            send = "site/+",
            patch_twin,
            fetch = "https://api.example.com/v1/",
            secret = "api-token",
            state_version = 2,
            migrate = bring::on,
        ));
        let expected = concat!(
            r#"{"abi":1,"name":"climate","triggers":[{"presence":true},{"for_s":300,"quiet":"climate"},"#,
            r#"{"schema":{"type":"object"},"telemetry":"a"},{"twin":true},{"timer":"+"},{"cron":"0 2 * * *"},"#,
            r#"{"cron":"*/5 * * * *","per":"device"},{"message":"reading/{room}"},{"reply":"reboot"},"#,
            r#"{"http":"hooks/#"},{"update":"offer"},{"update":"report"},{"gate":true}],"publish":[],"command":false,"send":["site/+"],"twin":true,"#,
            r#""http":["https://api.example.com/v1/"],"secrets":["api-token"],"state_version":2}"#
        );
        assert_eq!(manifest, expected);
    }
}
