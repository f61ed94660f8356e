;; refused: elements of a table: 10000000, at most 10000
;; Starts with a table of ten million elements.
(module
  (@custom "fleetfn_v1_manifest"
    "{\"abi\":1,\"name\":\"hostile\",\"triggers\":[{\"telemetry\":\"climate\"}],\"publish\":[\"alerts/#\"],\"command\":true}")
  (memory (export "memory") 1)
  (func (export "fleetfn_v1_buffer") (result i64) (i64.const 0x200000001000))
  (table 10000000 funcref)
  (func (export "fleetfn_v1_on_event") (param $len i32) (result i32)
    (i32.const 0)))
