;; refused: export 'fleetfn_v1_on_event' is (i32, i32) -> i64, it must be (i32) -> i32
;; Exports a handler of another type.
(module
  (@custom "fleetfn_v1_manifest"
    "{\"abi\":1,\"name\":\"hostile\",\"triggers\":[{\"telemetry\":\"climate\"}]}")
  (memory (export "memory") 1)
  (func (export "fleetfn_v1_buffer") (result i64) (i64.const 0x200000001000))
  (func (export "fleetfn_v1_on_event") (param i32 i32) (result i64) (i64.const 0)))
