;; refused: "abi": 2
;; Has a manifest of another version.
(module
  (@custom "fleetfn_v1_manifest" "{\"abi\":2,\"name\":\"hostile\",\"gates\":[]}")
  (memory (export "memory") 1)
  (func (export "fleetfn_v1_buffer") (result i64) (i64.const 0x200000001000))
  (func (export "fleetfn_v1_on_event") (param $len i32) (result i32)
    (i32.const 0)))
