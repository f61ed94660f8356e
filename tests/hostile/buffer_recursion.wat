;; refused: stack limit
;; Calls itself without end when asked for its buffer.
(module
  (@custom "fleetfn_v1_manifest"
    "{\"abi\":1,\"name\":\"hostile\",\"triggers\":[{\"telemetry\":\"climate\"}],\"publish\":[\"alerts/#\"],\"command\":true}")
  (memory (export "memory") 1)
  (func (export "fleetfn_v1_buffer") (result i64) (call $deeper) (i64.const 0))
  (func $deeper (call $deeper))
  (func (export "fleetfn_v1_on_event") (param $len i32) (result i32)
    (i32.const 0)))
