;; ends: done
;; Makes a NaN in three ways: all must have the canonical bits, or hardware would show.
(module
  (@custom "fleetfn_v1_manifest"
    "{\"abi\":1,\"name\":\"hostile\",\"triggers\":[{\"telemetry\":\"climate\"}],\"publish\":[\"alerts/#\"],\"command\":true}")
  (memory (export "memory") 1)
  (func (export "fleetfn_v1_buffer") (result i64) (i64.const 0x200000001000))
  (global $zero (mut f64) (f64.const 0))
  (global $payload (mut i64) (i64.const 0xfff8000000000123))
  (func (export "fleetfn_v1_on_event") (param $len i32) (result i32)
    (if (i64.ne (i64.reinterpret_f64 (f64.div (global.get $zero) (global.get $zero))) (i64.const 0x7ff8000000000000))
      (then (return (i32.const 1))))
    (if (i32.ne (i32.reinterpret_f32 (f32.sqrt (f32.const -1))) (i32.const 0x7fc00000))
      (then (return (i32.const 2))))
    (if (i64.ne (i64.reinterpret_f64 (f64.add (f64.reinterpret_i64 (global.get $payload)) (f64.const 1))) (i64.const 0x7ff8000000000000))
      (then (return (i32.const 3))))
    (i32.const 0)))
