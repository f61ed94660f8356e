;; refused: export '_initialize' is (i32) -> (), it must be () -> ()
;; Exports an _initialize with a parameter.
(module
  (@custom "fleetfn_v1_manifest"
    "{\"abi\":1,\"name\":\"hostile\",\"triggers\":[{\"telemetry\":\"climate\"}],\"publish\":[\"alerts/#\"],\"command\":true}")
  (memory (export "memory") 1)
  (func (export "fleetfn_v1_buffer") (result i64) (i64.const 0x200000001000))
  (func (export "_initialize") (param i32))
  (func (export "fleetfn_v1_on_event") (param $len i32) (result i32)
    (i32.const 0)))
