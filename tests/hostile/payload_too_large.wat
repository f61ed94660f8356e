;; ends: payload
;; says: this one has 65537
;; Publishes 64 KiB and a byte.
(module
  (@custom "fleetfn_v1_manifest"
    "{\"abi\":1,\"name\":\"hostile\",\"triggers\":[{\"telemetry\":\"climate\"}],\"publish\":[\"alerts/#\"],\"command\":true}")
  (import "fleetfn_v1" "publish" (func $publish (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 2)
  (func (export "fleetfn_v1_buffer") (result i64) (i64.const 0x200000001000))
  (data (i32.const 0) "alerts/x")
  (func (export "fleetfn_v1_on_event") (param $len i32) (result i32)
    (call $publish (i32.const 0) (i32.const 8) (i32.const 0) (i32.const 65537))))
