;; ends: value
;; says: this one has 65537
;; Puts a value of 64 KiB and a byte.
(module
  (@custom "fleetfn_v1_manifest"
    "{\"abi\":1,\"name\":\"hostile\",\"triggers\":[{\"telemetry\":\"climate\"}],\"publish\":[\"alerts/#\"],\"command\":true}")
  (import "fleetfn_v1" "state_put" (func $put (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 2)
  (func (export "fleetfn_v1_buffer") (result i64) (i64.const 0x200000001000))
  (func (export "fleetfn_v1_on_event") (param $len i32) (result i32)
    (call $put (i32.const 0) (i32.const 1) (i32.const 0) (i32.const 65537))))
