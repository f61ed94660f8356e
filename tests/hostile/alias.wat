;; ends: done
;; Lets key and out-buffer overlap.
(module
  (@custom "fleetfn_v1_manifest"
    "{\"abi\":1,\"name\":\"hostile\",\"triggers\":[{\"telemetry\":\"climate\"}],\"publish\":[\"alerts/#\"],\"command\":true}")
  (import "fleetfn_v1" "state_put" (func $put (param i32 i32 i32 i32) (result i32)))
  (import "fleetfn_v1" "state_get" (func $get (param i32 i32 i32 i32) (result i32)))
  (import "fleetfn_v1" "state_scan" (func $scan (param i32 i32 i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "fleetfn_v1_buffer") (result i64) (i64.const 0x200000001000))
  (data (i32.const 0) "overlap!")
  (func (export "fleetfn_v1_on_event") (param $len i32) (result i32)
    (drop (call $put (i32.const 0) (i32.const 8) (i32.const 0) (i32.const 64)))
    (drop (call $get (i32.const 0) (i32.const 8) (i32.const 4) (i32.const 64)))
    (drop (call $scan (i32.const 0) (i32.const 2) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 128)))
    (i32.const 0)))
