;; ends: fuel
;; Grows memory without end: each grow takes native stack of the host until the slice of fuel ends.
(module
  (@custom "fleetfn_v1_manifest"
    "{\"abi\":1,\"name\":\"hostile\",\"triggers\":[{\"telemetry\":\"climate\"}],\"publish\":[\"alerts/#\"],\"command\":true}")
  (memory (export "memory") 1)
  (func (export "fleetfn_v1_buffer") (result i64) (i64.const 0x200000001000))
  (func (export "fleetfn_v1_on_event") (param $len i32) (result i32)
    (loop $again (drop (memory.grow (i32.const 1))) (br $again))
    (i32.const 0)))
