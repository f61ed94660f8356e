;; refused: missing export 'fleetfn_v1_on_event'
;; Exports no handler.
(module
  (@custom "fleetfn_v1_manifest"
    "{\"abi\":1,\"name\":\"hostile\",\"triggers\":[{\"telemetry\":\"climate\"}]}")
  (memory (export "memory") 1)
  (func (export "fleetfn_v1_buffer") (result i64) (i64.const 0x200000001000)))
