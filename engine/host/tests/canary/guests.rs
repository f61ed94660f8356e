//! Guests that exercise what an engine can get wrong.

use crate::fixtures::{handler, module};

/// Does what its payload says, three bytes each (put or delete of a one byte key), then publishes a scan in pages.
pub(crate) const SCRIPT: &str = r#"
    (local $at i32) (local $end i32) (local $after i32) (local $page i32)
    (local.set $at (i32.add (i32.const 4136) (i32.add (i32.load16_u (i32.const 4100)) (i32.load16_u (i32.const 4102)))))
    (local.set $end (i32.add (i32.const 4096) (local.get $len)))
    (drop (call $log (i32.const 1) (local.get $at) (i32.sub (local.get $end) (local.get $at))))
    (block $done (loop $next
      (br_if $done (i32.gt_u (i32.add (local.get $at) (i32.const 3)) (local.get $end)))
      (if (i32.load8_u (local.get $at))
        (then (drop (call $put
          (i32.add (local.get $at) (i32.const 1)) (i32.const 1) (i32.add (local.get $at) (i32.const 2)) (i32.const 1)))
          (drop (call $get (i32.add (local.get $at) (i32.const 1)) (i32.const 1) (i32.const 64) (i32.const 1)))
          (drop (call $command (i32.const 16) (i32.const 3) (i32.const 64) (i32.const 1) (i32.const 9))))
        (else (drop (call $delete (i32.add (local.get $at) (i32.const 1)) (i32.const 1)))))
      (local.set $at (i32.add (local.get $at) (i32.const 3)))
      (br $next)))
    (loop $next
      (local.set $page (call $scan
        (i32.const 0) (i32.const 0) (i32.const 200) (local.get $after) (i32.const 256) (i32.const 26)))
      (if (i32.eqz (local.get $page)) (then (return (i32.const 0))))
      (drop (call $publish (i32.const 0) (i32.const 8) (i32.const 256) (local.get $page)))
      (i32.store8 (i32.const 200) (i32.load8_u (i32.add (local.get $page) (i32.const 254))))
      (local.set $after (i32.const 1))
      (br $next))
    (unreachable))
    (data (i32.const 0) "alerts/x") (data (i32.const 16) "fan""#;

/// Every operator of one type over pairs of interesting values, folded into one number for each operator.
pub(crate) fn arithmetic() -> Vec<(String, String)> {
    let integer = "0 1 -1 2 7 31 32 63 -128 255 65535 -32768 0x7fffffff -2147483648 0x12345678 -559038737";
    let wide = format!("{integer} 0x7fffffffffffffff -0x8000000000000000 0x123456789abcdef0");
    let float = "0 -0 1 -1 0.5 -2.5 1e10 -1e-10 3.4028234e38 1.1754944e-38 inf -inf nan 2147483648 -9223372036854775808 0.1";
    let unary = |words: &'static str| words.split(' ');
    let comparisons = "eq ne lt_s lt_u gt_s gt_u le_s le_u ge_s ge_u";
    let mut guests = Vec::new();
    for (kind, values) in [("i32", integer), ("i64", &wide)] {
        let mut operators: Vec<String> = Vec::new();
        for word in unary("clz ctz popcnt extend8_s extend16_s") {
            operators.push(format!("({kind}.{word} (local.get $a))"));
        }
        for word in unary("add sub mul and or xor shl shr_s shr_u rotl rotr") {
            operators.push(format!("({kind}.{word} (local.get $a) (local.get $b))"));
            operators.push(format!("({kind}.{word} (local.get $a) ({kind}.const 13))"));
        }
        for word in comparisons.split(' ') {
            operators.push(widened(kind, &format!("({kind}.{word} (local.get $a) (local.get $b))")));
            operators.push(widened(
                kind,
                &format!(
                    "(select (i32.const 3) (i32.const 4) ({kind}.{word} (local.get $a) (local.get $b)))"
                ),
            ));
        }
        // A divisor that is neither 0 nor -1.
        for word in unary("div_s div_u rem_s rem_u") {
            let divisor =
                format!("({kind}.or ({kind}.and (local.get $b) ({kind}.const 0x7ffffffd)) ({kind}.const 1))");
            operators.push(format!("({kind}.{word} (local.get $a) {divisor})"));
        }
        guests.push((kind.into(), folded(kind, &literals(kind, values), &operators, "(local.get $x)")));
    }
    for (kind, bits) in [("f32", "i32"), ("f64", "i64")] {
        let mut operators: Vec<String> = Vec::new();
        for word in unary("abs neg ceil floor trunc nearest sqrt") {
            operators.push(format!("({kind}.{word} (local.get $a))"));
        }
        for word in unary("add sub mul div min max copysign") {
            operators.push(format!("({kind}.{word} (local.get $a) (local.get $b))"));
        }
        for word in unary("eq ne lt gt le ge") {
            operators.push(format!("({kind}.convert_i32_u ({kind}.{word} (local.get $a) (local.get $b)))"));
        }
        for word in unary("trunc_sat_f32_s trunc_sat_f32_u trunc_sat_f64_s trunc_sat_f64_u") {
            if word.contains(kind) {
                operators.push(format!("({kind}.convert_i32_s (i32.{word} (local.get $a)))"));
                operators.push(format!("({kind}.convert_i64_u (i64.{word} (local.get $a)))"));
                operators.push(format!("({kind}.convert_i64_s (i64.{word} (local.get $a)))"));
            }
        }
        let there = if kind == "f32" {
            "(f32.demote_f64 (f64.promote_f32 (local.get $a)))"
        } else {
            "(f64.promote_f32 (f32.demote_f64 (local.get $a)))"
        };
        operators.push(there.into());
        let reinterpret = format!("({bits}.reinterpret_{kind} (local.get $x))");
        guests.push((kind.into(), folded(kind, &literals(kind, float), &operators, &reinterpret)));
    }
    guests
}

fn widened(kind: &str, operator: &str) -> String {
    if kind == "i64" { format!("(i64.extend_i32_u {operator})") } else { operator.into() }
}

fn literals(kind: &str, values: &str) -> Vec<String> {
    values.split(' ').map(|value| format!("({kind}.const {value})")).collect()
}

/// A guest that keeps, for each operator, its results over all pairs of values as one number.
fn folded(kind: &str, values: &[String], operators: &[String], as_bits: &str) -> String {
    let bits = if kind.ends_with("64") { as_bits.into() } else { format!("(i64.extend_i32_u {as_bits})") };
    let store: String = values
        .iter()
        .enumerate()
        .map(|(place, value)| format!("({kind}.store (i32.const {}) {value})", 256 + place * 8))
        .collect();
    let end = 256 + values.len() * 8;
    let mut functions = String::new();
    let mut calls = String::new();
    for (number, operator) in operators.iter().enumerate() {
        functions.push_str(&format!(
            r"(func $op{number} (result i64) (local $i i32) (local $j i32) (local $a {kind}) (local $b {kind}) (local $x {kind}) (local $h i64)
                (local.set $i (i32.const 256))
                (loop $outer
                  (local.set $a ({kind}.load (local.get $i)))
                  (local.set $j (i32.const 256))
                  (loop $inner
                    (local.set $b ({kind}.load (local.get $j)))
                    (local.set $x {operator})
                    (local.set $h (i64.add (i64.mul (local.get $h) (i64.const 0x100000001b3)) {bits}))
                    (br_if $inner (i32.lt_u (local.tee $j (i32.add (local.get $j) (i32.const 8))) (i32.const {end}))))
                  (br_if $outer (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 8))) (i32.const {end}))))
                (local.get $h))"
        ));
        calls.push_str(&format!("(i64.store (i32.const {}) (call $op{number}))", 16384 + number * 8));
    }
    module(&format!(
        r#"{functions} (data (i32.const 0) "hashes")
        (func (export "fleetfn_v1_on_event") (param i32) (result i32) {store} {calls}
          (call $put (i32.const 0) (i32.const 6) (i32.const 16384) (i32.const {})))"#,
        operators.len() * 8
    ))
}

/// Small programs: each keeps what it computed from its payload.
pub(crate) fn programs() -> Vec<(&'static str, String)> {
    let keep = "(call $put (i32.const 0) (i32.const 6) (i32.const 16384) (i32.const 512))";
    let key = r#"(data (i32.const 0) "result")"#;
    let recursion = format!(
        r"(i64.store (i32.const 16384) (call $fib (i32.const 20)))
          (i64.store (i32.const 16392) (call $even (i64.extend_i32_u (i32.rem_u (local.get $len) (i32.const 100)))))
          {keep})
          (func $fib (param i32) (result i64)
            (if (result i64) (i32.lt_u (local.get 0) (i32.const 2))
              (then (i64.extend_i32_u (local.get 0)))
              (else (i64.add (call $fib (i32.sub (local.get 0) (i32.const 1))) (call $fib (i32.sub (local.get 0) (i32.const 2)))))))
          (func $even (param i64) (result i64)
            (if (result i64) (i64.eqz (local.get 0)) (then (i64.const 1)) (else (return_call $odd (i64.sub (local.get 0) (i64.const 1))))))
          (func $odd (param i64) (result i64)
            (if (result i64) (i64.eqz (local.get 0)) (then (i64.const 0)) (else (return_call $even (i64.sub (local.get 0) (i64.const 1))))))
          {key} (global $unused i32 (i32.const 0)"
    );
    let sort = format!(
        r"(local $i i32) (local $j i32) (local $x i32)
          ;; Insertion sort of the event's bytes, copied to the result.
          (memory.copy (i32.const 16384) (i32.const 4136) (i32.sub (local.get $len) (i32.const 40)))
          (local.set $i (i32.const 1))
          (block $done (loop $next
            (br_if $done (i32.ge_u (local.get $i) (i32.sub (local.get $len) (i32.const 40))))
            (local.set $x (i32.load8_u offset=16384 (local.get $i)))
            (local.set $j (local.get $i))
            (block $placed (loop $shift
              (br_if $placed (i32.eqz (local.get $j)))
              (br_if $placed (i32.le_u (i32.load8_u offset=16383 (local.get $j)) (local.get $x)))
              (i32.store8 offset=16384 (local.get $j) (i32.load8_u offset=16383 (local.get $j)))
              (local.set $j (i32.sub (local.get $j) (i32.const 1)))
              (br $shift)))
            (i32.store8 offset=16384 (local.get $j) (local.get $x))
            (local.set $i (i32.add (local.get $i) (i32.const 1)))
            (br $next)))
          {keep}) {key} (global $unused i32 (i32.const 0)"
    );
    let dispatch = format!(
        r#"(local $i i32) (local $x i32)
          (loop $next
            (local.set $x (i32.load8_u offset=4136 (local.get $i)))
            (block $d (block $c (block $b (block $a
              (br_table $a $b $c $d (i32.and (local.get $x) (i32.const 3))))
              (global.set $sum (i32.add (global.get $sum) (i32.const 1))) (br $d))
              (global.set $sum (i32.mul (global.get $sum) (i32.const 31))) (br $d))
              (global.set $sum (call_indirect (type $step) (global.get $sum) (i32.and (i32.shr_u (local.get $x) (i32.const 2)) (i32.const 1)))))
            (br_if $next (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.sub (local.get $len) (i32.const 40)))))
          (i32.store (i32.const 16384) (global.get $sum))
          (memory.fill (i32.const 16390) (i32.const 0xab) (i32.const 77))
          (memory.init $text (i32.const 16400) (i32.const 1) (i32.const 5))
          (i32.store (i32.const 16500) (memory.size))
          (call $pair (i32.const 16508) (i64.const 6)) (i64.store)
          {keep})
          (type $step (func (param i32) (result i32)))
          (table 2 funcref) (elem (i32.const 0) $double $flip)
          (func $double (type $step) (i32.shl (local.get 0) (i32.const 1)))
          (func $flip (type $step) (i32.xor (local.get 0) (i32.const -1)))
          (func $pair (param i32 i64) (result i32 i64) (local.get 0) (local.get 1))
          (global $sum (mut i32) (i32.const 17)) (data $text "passive")
          {key} (global $unused i32 (i32.const 0)"#
    );
    vec![("recursion", handler(&recursion)), ("sort", handler(&sort)), ("dispatch", handler(&dispatch))]
}
