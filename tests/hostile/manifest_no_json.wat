;; refused: the manifest is not what is expected
;; Has a manifest that is not JSON.
(module
  (@custom "fleetfn_v1_manifest" "abi: 1")
  (memory (export "memory") 1)
  (func (export "fleetfn_v1_buffer") (result i64) (i64.const 0x200000001000))
  (func (export "fleetfn_v1_on_event") (param $len i32) (result i32)
    (i32.const 0)))
