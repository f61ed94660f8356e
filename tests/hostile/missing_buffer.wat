;; refused: missing export 'fleetfn_v1_buffer'
;; Exports no buffer.
(module
  (@custom "fleetfn_v1_manifest"
    "{\"abi\":1,\"name\":\"hostile\",\"triggers\":[{\"telemetry\":\"climate\"}],\"publish\":[\"alerts/#\"],\"command\":true}")
  (memory (export "memory") 1)
  (func (export "fleetfn_v1_on_event") (param $len i32) (result i32)
    (i32.const 0)))
