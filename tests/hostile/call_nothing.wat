;; ends: trap
;; says: indirect-call-to-null
;; Calls an empty element of its table.
(module
  (@custom "fleetfn_v1_manifest"
    "{\"abi\":1,\"name\":\"hostile\",\"triggers\":[{\"telemetry\":\"climate\"}],\"publish\":[\"alerts/#\"],\"command\":true}")
  (memory (export "memory") 1)
  (func (export "fleetfn_v1_buffer") (result i64) (i64.const 0x200000001000))
  (table 1 funcref)
  (func (export "fleetfn_v1_on_event") (param $len i32) (result i32)
    (call_indirect (result i32) (i32.const 0))))
