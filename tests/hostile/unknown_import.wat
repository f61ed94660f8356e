;; refused: unknown import 'fleetfn_v1' 'state_steal'
;; Imports a function that this version does not have.
(module
  (@custom "fleetfn_v1_manifest"
    "{\"abi\":1,\"name\":\"hostile\",\"triggers\":[{\"telemetry\":\"climate\"}]}")
  (import "fleetfn_v1" "state_steal" (func (param i32)))
  (memory (export "memory") 1)
  (func (export "fleetfn_v1_buffer") (result i64) (i64.const 0x200000001000))
  (func (export "fleetfn_v1_on_event") (param $len i32) (result i32)
    (i32.const 0)))
